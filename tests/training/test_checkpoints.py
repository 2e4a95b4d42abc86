"""Checkpoints: which are kept, that they come back bit for bit, and that damage is found."""

from __future__ import annotations

import math
import shutil

import jax
import jax.numpy as jnp
import pytest

from rnnjax import InputError
from rnnjax.training.checkpoints import Checkpoints

# Threads that were still reading when a checkpoint was given up have nowhere to report to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

# A matrix too large to be stored inside the index, keys, a flag, a scalar, nothing at all.
IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]
STATE = {
    "matrix": jax.random.normal(jax.random.key(0), (64, 64)),
    "keys": jax.random.split(jax.random.key(1), 3),
    "half": jnp.asarray([1.5, jnp.nan], jnp.bfloat16),
    "step": jnp.int32(7),
    "flag": jnp.bool_(True),
    "nothing": None,
}


def saved(path, values, **options):
    """Checkpoints 10, 20, .. with these metrics."""
    checkpoints = Checkpoints(path, **options)
    for number, value in enumerate(values, 1):
        checkpoints.save(10 * number, STATE | {"step": jnp.int32(10 * number)}, value)
    checkpoints.close()
    return path


def restored(path, step, like=STATE):
    checkpoints = Checkpoints(path)
    try:
        return checkpoints.restore(step, like)
    finally:
        checkpoints.close()


def listing(path):
    return sorted(int(folder.name) for folder in path.iterdir())


@pytest.mark.parametrize(
    ("mode", "values", "keep", "best", "kept"),
    [
        ("min", [3.0, 1.0, 2.0, 2.5, 4.0], 2, 20, [20, 40, 50]),
        ("max", [3.0, 1.0, 2.0, 2.5, 0.5], 2, 10, [10, 40, 50]),
        ("min", [3.0, 2.0, 1.0], 1, 30, [30]),
        ("max", [1.0, 2.0, 3.0], 5, 30, [10, 20, 30]),
        ("min", [math.nan, 2.0, 5.0, math.nan, 4.0], 1, 20, [20, 50]),
        ("max", [math.nan, 2.0, -5.0, math.nan, 0.0], 1, 20, [20, 50]),
        ("min", [2.0, math.inf, math.nan, -1.0, math.inf], 1, 40, [40, 50]),
    ],
)
def test_the_newest_and_the_best_are_kept(mode, values, keep, best, kept, tmp_path, assert_identical):
    """The newest `keep` and the best by the metric stay on disk, NaN never being the best; each is its own state."""
    path = saved(tmp_path / "checkpoints", values, keep=keep, mode=mode)
    assert listing(path) == kept
    checkpoints = Checkpoints(path, keep=keep, mode=mode)
    assert (checkpoints.latest(), checkpoints.best()) == (kept[-1], best)
    checkpoints.close()
    for step in kept:
        assert_identical(restored(path, step), STATE | {"step": jnp.int32(step)})


def test_without_a_checkpoint_there_is_no_best(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.latest() is None and checkpoints.best() is None
    checkpoints.close()


@pytest.mark.usefixtures("collected")
def test_a_checkpoint_of_another_state_is_refused(tmp_path):
    """Another shape, another dtype, a leaf more or less, or no such number: named with the checkpoint's folder."""
    path = saved(tmp_path / "checkpoints", [1.0])
    matrix = STATE["matrix"]
    others = [
        STATE | {"matrix": matrix[:, :32]},
        STATE | {"matrix": matrix.T[None]},
        STATE | {"matrix": matrix.astype(jnp.bfloat16)},
        STATE | {"more": matrix},
        {name: leaf for name, leaf in STATE.items() if name != "matrix"},
    ]
    for other in others:
        with pytest.raises(InputError, match="checkpoint"):
            restored(path, 10, other)
    with pytest.raises(InputError, match=f"checkpoint: got '{path / '20'}'"):
        restored(path, 20)


def halved(content):
    return content[: len(content) // 2]


def garbled(content):
    return halved(content) + bytes(byte ^ 0x5A for byte in content[len(content) // 2 :])


def bit_flipped(content):
    middle = 2 * len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(
    "damage", [halved, pytest.param(garbled, marks=IN_FULL), pytest.param(bit_flipped, marks=IN_FULL)]
)
def test_a_damaged_file_is_found(damage, tmp_path, files, assert_identical):
    """Whichever file is damaged, the state comes back bit for bit or not at all, and nothing on disk is changed."""
    path = saved(tmp_path / "checkpoints", [1.0, 2.0])
    found = 0
    for name, content in files(path).items():
        if not name.startswith("20/"):
            continue
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
        (copy / name).write_bytes(damage(content))
        before = files(copy)
        try:
            assert_identical(restored(copy, 20), STATE | {"step": jnp.int32(20)})
        except InputError as error:
            assert str(copy) in str(error), name
            found += 1
        assert files(copy) == before, name
    assert found >= 3, "no damage that matters was done"


@pytest.mark.usefixtures("collected")
def test_a_missing_file_is_found(tmp_path, files):
    """A checkpoint without its largest file is refused, and the one before it can still be restored."""
    path = saved(tmp_path / "checkpoints", [1.0, 2.0])
    sizes = {name: len(content) for name, content in files(path).items() if name.startswith("20/")}
    (path / max(sizes, key=sizes.__getitem__)).unlink()
    with pytest.raises(InputError, match="a whole checkpoint of this run's state"):
        restored(path, 20)
    assert int(restored(path, 10)["step"]) == 10
