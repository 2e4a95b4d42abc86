"""Malformed command lines and configurations: one line of error, exit code 2, nothing compiled, nothing written.

Each case is made from something valid by one defect that is one by construction, so that no valid command comes out:
an option that does not exist has a name that starts with `zz`; a number is replaced by letters; what is out of range
lies where the table of ranges says, or beyond 2^31; of a text of JSON at least the last bracket is cut off; a value in
a configuration is replaced by one of a type that no field of its name takes.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import tempfile
from typing import Any

import jax.monitoring
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from malformed_configurations import READERS, TEXTS, texts_of_a_configuration
from malformed_words import COMMANDS, HERE, Case, words_of_a_command, words_of_a_grid

from rnnjax.cli import main

compiled: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **more: compiled.append(event) if event.endswith("backend_compile_duration") else None
)


def files() -> dict[pathlib.Path, Any]:
    """Everything in this folder, with what it holds."""
    return {path: path.is_dir() or path.read_bytes() for path in pathlib.Path().rglob("*")}


def refuse(case: Case) -> None:
    """Runs a case, and holds what is promised of it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        if case.config is not None:
            pathlib.Path("run").mkdir()
            pathlib.Path("run/config.json").write_bytes(case.config)
            pathlib.Path("run/environment.json").write_text("{}")
        pathlib.Path("input.txt").write_text("text\n")
        before = files()
        words = [word.replace(HERE, folder) for word in case.words]
        printed, told = io.StringIO(), io.StringIO()
        compiled.clear()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
            code = main(words)
        lines = told.getvalue().strip().splitlines()
        assert code == 2, (words, code, lines, printed.getvalue())
        assert len(lines) == 1 and lines[0].startswith("rnnjax") and not printed.getvalue(), (words, lines)
        told_of = lines[0].replace(folder, HERE).lower().replace("_", "-")  # its name is drawn, and may be any word
        assert any(name.lower().replace("_", "-") in told_of for name in case.named), (words, lines, case.named)
        assert files() == before, words
        assert not compiled, (words, lines)


def test_what_is_valid_is_not_refused_for_what_is_written_in_it():
    """The cases before the defect: a configuration is read, and what is missing then are checkpoints or data."""
    for text in TEXTS:
        with pytest.raises(AssertionError, match="checkpoint"):
            refuse(Case(READERS["evaluate"], ("config.json",), text.encode()))
    for name, (_, valid) in COMMANDS.items():
        if name not in ("cells", "probe", "gradients", "train adding", "train digits"):
            with pytest.raises(AssertionError, match=r"none|data"):
                refuse(Case((*name.split(), *valid), ("zz",)))


def settled(examples: int):
    """Hypothesis as it is everywhere; with the environment variable MALFORMED=N, N examples by chance."""
    asked = int(os.environ.get("MALFORMED", "0"))
    return settings(
        max_examples=asked or examples,
        derandomize=not asked,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@settled(220)
@given(words_of_a_command())
def test_malformed_words_are_one_error(case):
    refuse(case)


@settled(80)
@given(words_of_a_grid())
def test_malformed_grids_are_one_error(case):
    refuse(case)


@settled(200)
@given(texts_of_a_configuration())
def test_malformed_configurations_are_one_error(case):
    refuse(case)
