"""The examples run as they stand, and print what they promise."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

NEEDS = {"equinox_model": "equinox", "haiku_model": "haiku", "export_step": "flatbuffers"}
"""What an example takes besides the dependencies of the package."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Runs an example once and returns its output."""
    outputs = {}

    def run(path):
        needed = NEEDS.get(path.stem)
        if needed and importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
        if path not in outputs:
            folder, output = tmp_path_factory.mktemp(path.stem), io.StringIO()
            with contextlib.chdir(folder), contextlib.redirect_stdout(output):
                runpy.run_path(str(path), run_name="__main__")
            assert list(folder.iterdir()) == [], "an example leaves no files behind"
            outputs[path] = output.getvalue()
        return outputs[path]

    return run


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, printed):
    output = printed(path)
    assert len(output.splitlines()) >= 3 and not re.search(r"\bnan\b", output)
    losses = [float(value) for value in re.findall(r"loss (\d+\.\d+)", output)]
    if losses:
        assert len(losses) == 4 and losses[-1] < 0.5 < losses[0]
    differences = [float(value) for value in re.findall(r"differ\D* (\d\S*)$", output, re.MULTILINE)]
    assert all(value < 1e-5 for value in differences)


def test_a_step_is_served_without_the_package(printed):
    output = printed(ROOT / "examples" / "export_step.py")
    assert "rnnjax was imported: False" in output
    served = re.search(r"step 2 output (\[.*\])", output)
    unrolled = re.search(r"by unroll: (\[.*\])", output)
    assert served and unrolled and served[1] == unrolled[1]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text().splitlines()) <= 60
