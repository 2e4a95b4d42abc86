"""TensorBoard event files: written when asked for, with the numbers of the records."""

from __future__ import annotations

import builtins
import struct

import pytest

from rnnjax import InputError
from rnnjax.training import train


def events(folder):
    """The scalars in the event files of a folder, `{(tag, step): value}`; an event lies between its length and sums."""
    from tensorboardX.proto.event_pb2 import Event

    scalars = {}
    for path in folder.rglob("events.out.tfevents.*"):
        content = path.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + size])
            content = content[16 + size :]
            for value in event.summary.value:
                assert (value.tag, event.step) not in scalars
                scalars[value.tag, event.step] = value.simple_value
    return scalars


def test_event_files_hold_the_records(small, tmp_path):
    """Each number of each record is a scalar, named by what it is and whose seed it is of."""
    run = train(small(), (0, 1), tmp_path / "run", tensorboard=True, quiet=True)
    expected = {}
    for record in run.records:
        names = ("loss", "grad_norm", "grad_norm_max", "update_norm", "clip_rate")
        numbers = {f"train/{name}": record[name] for name in names}
        numbers |= {f"validation/{name}": value for name, value in record["validation"].items()}
        expected |= {(f"{tag}/seed_{record['seed']}", record["step"]): value for tag, value in numbers.items()}
    assert events(tmp_path / "run" / "tensorboard") == pytest.approx(expected, rel=1e-6)


def test_unasked_there_is_no_event_file(small, tmp_path):
    train(small(), out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_without_the_package_nothing_is_begun(small, tmp_path, monkeypatch):
    """Asking for event files without tensorboardX is an error that names the package, before a folder is made."""
    original = builtins.__import__

    def refusing(name, *arguments, **options):
        if name.split(".")[0] == "tensorboardX":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(InputError, match=r"tensorboard: got True, expected the package tensorboardX \(pip install"):
        train(small(), out=tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()
