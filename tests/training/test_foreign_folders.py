"""The folder of somebody else: reading it runs none of their code, whatever lies in it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
import warnings

import pytest

import rnnjax
from rnnjax import InputError
from rnnjax.training import evaluate_run, load_trained, restore_config, restore_run, train

# Threads that were still reading when a checkpoint was given up have nowhere to report to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LIBRARY = pathlib.Path(rnnjax.__file__).parent


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """A finished run's folder, with all that a folder can have in it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    train(small(), (0,), out, checkpoint_every=10, quiet=True)
    (out / "prepared.json").write_text("{}")
    (out / "events.jsonl").write_text("")
    return out


def all_uses(config, out):
    """Everything that reads a folder; what it cannot read is one error."""
    for use in (
        lambda: restore_config(out),
        lambda: restore_run(out, "latest"),
        lambda: evaluate_run(out),
        lambda: load_trained(out),
        lambda: train(config, (0,), out, resume=True, quiet=True),
    ):
        with contextlib.suppress(InputError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use()


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(
    "which", ["newest checkpoint", pytest.param("any", marks=[pytest.mark.exhaustive, pytest.mark.slow])]
)
def test_a_pickle_in_any_file_is_not_unpickled(which, small, finished, tmp_path):
    """In the place of any file of a run's folder, of a checkpoint's too, a pickle does nothing."""
    sprung = tmp_path / "sprung"
    bomb = pickle.dumps(Bomb(sprung))
    names = [path.relative_to(finished) for path in finished.rglob("*") if path.is_file()]
    assert {"config.json", "prepared.json", "metrics.jsonl", "summary.json"} < {str(name) for name in names}
    newest = max(int(path.name) for path in (finished / "checkpoints").iterdir())
    groups = [[name] for name in names if "checkpoints" not in name.parts]
    groups.append([name for name in names if name.parts[:2] == ("checkpoints", str(newest))])
    assert len(groups[-1]) > 3
    for number, group in enumerate(groups if which == "any" else groups[-1:]):
        copy = shutil.copytree(finished, tmp_path / str(number))
        for name in group:
            (copy / name).write_bytes(bomb)
        all_uses(small(), copy)
        assert not sprung.exists(), group
    pickle.loads(bomb)
    assert sprung.exists(), "the bomb is none"


def test_a_package_of_the_name_of_ours_is_not_imported(tmp_path):
    """Where a folder brings packages and is the working folder, the configuration cannot have them imported."""
    (tmp_path / "experiments").mkdir()
    for path in ("experiments/__init__.py", "experiments/theirs.py"):
        (tmp_path / path).write_text("import os\nos.mkdir('sprung')\n")
    (tmp_path / "config.json").write_text(json.dumps({"type": "experiments.theirs:Own"}))
    text = "from rnnjax.serialization import from_json; import json; from_json(json.load(open('config.json')))"
    environment = os.environ | {"PYTHONPATH": str(LIBRARY.parent)}  # and the working folder before it
    ended = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1 and "InputError" in ended.stderr and "'experiments.theirs:Own'" in ended.stderr
    assert not (tmp_path / "sprung").exists()


def test_nothing_in_the_library_can_unpickle():
    """No module imports what runs code from a file, and NumPy's files are read without pickles."""
    forbidden = r"^\s*(import|from) (pickle|cloudpickle|dill|joblib|shelve|marshal)\b|allow_pickle=True|\b(eval|exec)\("
    for path in LIBRARY.rglob("*.py"):
        found = re.search(forbidden, path.read_text(), re.MULTILINE)
        assert found is None, f"{path.name}: {found and found.group()}"
