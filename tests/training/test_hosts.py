"""Several real processes train one run."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest
from compiler import FLAGS

from rnnjax import InputError
from rnnjax.training import connect

SCRIPT = pathlib.Path(__file__).with_name("hosts_laws.py")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(SCRIPT.parents[2]),
    "XLA_FLAGS": FLAGS,
    "JAX_PLATFORMS": "cpu",
}


def coordinator():
    """An address that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def together(commands, timeout=900):
    """The exit code and the output of each process, all at work at the same time."""
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)
    started = [subprocess.Popen([sys.executable, *map(str, command)], **pipes) for command in commands]
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, output) for process, output in zip(started, outputs, strict=True)]


def hold(out, processes, *laws):
    """Each law holds in each process."""
    address = coordinator()
    ended = together([SCRIPT, out, address, processes, number, *laws] for number in range(processes))
    for number, (code, output) in enumerate(ended):
        place = out / f"laws-{number}.json"
        found = json.loads(place.read_text()) if place.exists() else {}
        for law in laws:
            assert found.get(law) == "", f"process {number}, {law}: {found.get(law, output)}"
        assert code == 0, output


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_processes_are_one(tmp_path):
    """Two processes train, write, resume and refuse as one does."""
    hold(tmp_path, 2, "trained_as_by_one")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_two_processes_in_full(tmp_path):
    """They stop together, fail together, go on from the middle, and share what they read."""
    hold(tmp_path, 2, "failure_is_told", "interrupted_together", "application_shared", "resumed_by_all", "grid_shared")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_four_processes_are_one(tmp_path):
    hold(tmp_path, 4, "trained_as_by_one", "every_mesh", "resumed_by_all")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_command_in_two_processes(tmp_path):
    """`rnnjax train` in two processes prints in the first alone, and writes one folder; a wrong word is one line."""
    words = "train latch --length 6 --cell elman --hidden 4 --steps 4 --batch-size 8 --evaluate-every 2".split()
    words += ["--evaluation-size", 8, "--out", tmp_path / "run", "--coordinator", coordinator(), "--processes", 2]
    (code, first), (other, second) = together(["-m", "rnnjax.cli", *words, "--process-id", i] for i in range(2))
    assert code == other == 0, (first, second)
    spoken = lambda text: [line for line in text.splitlines() if line and "Gloo" not in line]  # noqa: E731
    assert spoken(first)[-1] == f"run folder: {tmp_path / 'run'}" and not spoken(second)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["seeds"][0]["steps"] == 4

    words[words.index("--coordinator") + 1] = coordinator()
    for code, text in together(["-m", "rnnjax.cli", *words, "--process-id", i] for i in range(2)):
        assert code == 2 and len(spoken(text)) == 1 and "rnnjax: out: got" in text, text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("localhost:1234", None, None), "coordinator: got"),
        ((None, 2, 0), "coordinator: got"),
        (("localhost", 2, 0), "coordinator: got 'localhost', expected HOST:PORT"),
        (("localhost:x", 2, 0), "coordinator: got 'localhost:x', expected HOST:PORT"),
        (("localhost:1", 0, 0), "processes: got 0"),
        (("localhost:1", 2, 2), "process_id: got 2, expected an int in 0..1"),
        (("localhost:1", 2, -1), "process_id: got -1"),
    ],
)
def test_addresses_that_do_not_fit_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        connect(*given)


def test_without_a_cluster_there_is_nothing_to_find():
    """Here nothing that JAX knows has started this process."""
    code = "from rnnjax import InputError\nfrom rnnjax.training import connect\ntry: connect()\n"
    code += "except InputError as error: print(error)"
    [(_, output)] = together([["-c", code]])
    assert output.startswith("distributed: got ") and "a cluster that JAX knows" in output
