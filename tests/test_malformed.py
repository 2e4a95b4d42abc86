"""Malformed command lines and configurations: one line of error, exit code 2, nothing compiled, nothing written.

Each case is made from something valid by one defect that is one by construction, so that no valid command comes out:
an option that does not exist has a name that starts with `zz`; a number is replaced by letters; what is out of range
lies where the table of ranges says, or beyond 2^31; of a text of JSON at least the last bracket is cut off; a value in
a configuration is replaced by one of a type that no field of its name takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import tempfile
import typing
from typing import Any, NamedTuple

import jax.monitoring
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rnnjax import GRU, LSTM, Dropout, Stack
from rnnjax.applications import REGISTRY as APPLICATIONS
from rnnjax.applications.names import Names
from rnnjax.cli import main
from rnnjax.commands.applications import command_of
from rnnjax.commands.cells import Cells
from rnnjax.commands.compress import Compress
from rnnjax.commands.evaluate import Evaluate
from rnnjax.commands.gradients import Gradients
from rnnjax.commands.predict import Predict
from rnnjax.commands.probe import Probe
from rnnjax.commands.report import Report
from rnnjax.commands.sample import Sample
from rnnjax.commands.train import Train
from rnnjax.serialization import to_json
from rnnjax.tasks import get
from rnnjax.training import Config, Optimizer, Pascanu

compiled: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **more: compiled.append(event) if event.endswith("backend_compile_duration") else None
)


class Case(NamedTuple):
    """What is written behind `rnnjax`, and words of which the error has to name one; `HERE` is a folder of its own."""

    words: tuple[str, ...]
    named: tuple[str, ...]
    config: bytes | None = None


HERE = "HERE"
TASKS = ("adding", "copy_memory", "temporal_order", "latch", "digits", "embedded_reber", "noise_free_lag", "flip_flop")
TRAINABLE = ("adding", "digits", *sorted(APPLICATIONS))


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


# Commands, each with words that are valid but for files that do not exist.

COMMANDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "cells": (Cells, ()),
    "evaluate": (Evaluate, (f"{HERE}/none",)),
    "predict": (Predict, (f"{HERE}/none", "--input", "input.txt", "--out", f"{HERE}/new")),
    "sample": (Sample, (f"{HERE}/none",)),
    "report": (Report, (f"{HERE}/none", "--out", f"{HERE}/new")),
    "compress": (Compress, (f"{HERE}/none", "--out", f"{HERE}/new")),
    "probe": (Probe, ("--cell", "lstm", "--out", f"{HERE}/new")),
    "gradients": (Gradients, ("--out", f"{HERE}/new")),
    **{
        f"train {name}": (
            command_of(name) if name in APPLICATIONS else Train,
            ("--out", f"{HERE}/new/run", *(("--data", f"{HERE}/data") if name in APPLICATIONS else ())),
        )
        for name in TRAINABLE
    },
}
GRIDS = {
    "ablate": (Train, ("--cell", "elman,gru", "--out", f"{HERE}/new")),
    "search": (Train, ("--cell", "elman,gru", "--storage", f"{HERE}/new/storage")),
}


@functools.cache
def options_of(command: Any, kind: type) -> tuple[str, ...]:
    """The options of a command that take an int, a float or a text."""
    hints = typing.get_type_hints(command)
    fields = [field.name for field in dataclasses.fields(command)]
    own = [name for name in fields if kind in (hints[name], *typing.get_args(hints[name]))]
    taken = [name for name in own if name not in ("task", "run") and not str(hints[name]).startswith("tuple")]
    return tuple(f"--{name.replace('_', '-')}" for name in taken)


def with_option(words: tuple[str, ...], option: str, *values: str) -> tuple[str, ...]:
    """The words with the option: in the place of its own value where it is there already."""
    if option in words:
        place = words.index(option)
        return (*words[:place], option, *values, *words[place + 2 :])
    return (*words, option, *values)


letters = st.text("abcdefghijklmnopqrstuvwxyzé_.,:;+*/%§ ", min_size=1, max_size=12)
not_numbers = letters.filter(lambda text: text.strip().lower() not in ("nan", "inf", "infinity", "none")).map(
    lambda text: "x" + text
)
beyond = st.one_of(st.integers(2**31, 10**30), st.integers(-(10**30), -(2**31))).map(str)
not_finite = st.sampled_from(["nan", "inf", "-inf", "NaN", "Infinity", "1e999"])

POSITIVE = ("--hidden", "--layers", "--steps", "--batch-size", "--seeds", "--evaluate-every")
NOT_NEGATIVE = ("--warmup-steps",)
OUT_OF_RANGE: dict[str, tuple[str, ...]] = {
    **{option: ("0", "-1", "-7") for option in POSITIVE},
    **{option: ("-1", "-9") for option in NOT_NEGATIVE},
    "--patience": ("0", "-1"),
    "--dropout": ("1", "-0.1", "1.5"),
    "--learning-rate": ("0", "-1e-3"),
    "--momentum": ("1", "-0.5", "2"),
    "--b1": ("1", "-0.5"),
    "--decay": ("0", "1"),
    "--eps": ("0", "-1"),
    "--decay-steps": ("0", "-5"),
    "--decay-rate": ("0", "-0.5"),
    "--clip-norm": ("0", "-1"),
    "--clip-value": ("0", "-1"),
    "--weight-decay": ("-1",),
    "--gradient-noise": ("-1",),
    "--checkpoint-every": ("0", "-100"),
    "--folds": ("0", "1", "-3"),
    "--chrono": ("0", "-5"),
    "--nonfinite-limit": ("0", "-1"),
    "--explosion-threshold": ("0", "-1"),
}
OF_TASKS = {
    "--length": ("0", "-5"),
    "--evaluation-size": ("0", "-1"),
    "--truncation": ("0", "-1"),
    "--flossing-count": ("0 --regularizer flossing",),
    "--regularizer-weight": ("-1 --regularizer pascanu", "1"),
    "--devices": ("0", "-1", "999"),
    **{option: ("2000000000",) for option in ("--batch-size", "--hidden", "--length", "--evaluation-size")},
}


def merged(one: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {option: one.get(option, ()) + other.get(option, ()) for option in (*one, *other)}


UNKNOWN = ("--cell", "--optimizer", "--schedule", "--preset", "--on-nonfinite")
OF_FOLDERS = {
    "evaluate": {"--limit": ("0", "-1"), "--noise": ("a", "1,", "-1", "nan"), "--split": ("training",)},
    "sample": {"--length": ("0", "-1"), "--temperature": ("-1",), "--top-k": ("0",), "--top-p": ("0", "1.5")},
    "compress": {"--prune": ("1", "-0.5", "a,b", "0.5,"), "--scope": ("local",), "--split": ("training",)},
    "probe": {"--hidden": ("0", "-1"), "--length": ("0", "-3"), "--rows": ("0", "-1"), "--in-features": ("0",)},
    "gradients": {"--hidden": ("0",), "--length": ("0", "-1"), "--batch": ("0",), "--cells": ("zz", ",", "lstm,zz")},
}


@st.composite
def words_of_a_command(draw) -> Case:
    """A command line with one defect."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    command, valid = COMMANDS[name]
    words = (*name.split(), *valid)
    training = name.startswith("train")
    defects = ["unknown", "number", "beyond", "missing", "twice", "empty", "extra", "range", "command"]
    defect = draw(st.sampled_from([*defects, *(["name", "contradiction"] if training else [])]))
    numbers = {kind: options_of(command, kind) for kind in (int, float)}
    texts = options_of(command, str)
    if not (texts or any(numbers.values())) and defect in ("number", "beyond", "missing", "twice", "empty"):
        defect = "unknown"
    if defect == "unknown":
        option = "--zz" + draw(st.text("abcz-_", max_size=8))
        return Case((*words, option, *draw(st.sampled_from([(), ("1",)]))), ("zz",))
    if defect == "number":
        kind = draw(st.sampled_from([kind for kind, own in numbers.items() if own] or [str]))
        if kind is str:
            return Case((*words, "--zz"), ("zz",))
        option = draw(st.sampled_from(numbers[kind]))
        value = draw(
            not_numbers if kind is float else st.one_of(not_numbers, st.sampled_from(["1.5", "1e3", "0x1", "--"]))
        )
        return Case(with_option(words, option, value), (option.removeprefix("--"),))
    if defect == "beyond":
        kind = draw(st.sampled_from([kind for kind, own in numbers.items() if own] or [str]))
        if kind is str:
            return Case((*words, "--zz"), ("zz",))
        option = draw(st.sampled_from(numbers[kind]))
        value = draw(beyond if kind is int else not_finite)
        return Case(with_option(words, option, value), (option.removeprefix("--"),))
    if defect == "missing":
        option = draw(st.sampled_from([*numbers[int], *numbers[float], *texts, "--out"] or ["--out"]))
        if option == "--out" and name in ("evaluate", "sample"):
            option = "--which"
        if option in words:
            place = words.index(option)
            words = (*words[:place], *words[place + 2 :])
        return Case((*words, option), (option,))
    if defect == "twice":
        option = draw(st.sampled_from([*numbers[int], *numbers[float], *texts]))
        value = "3" if option in numbers[int] else "0.5" if option in numbers[float] else "text"
        return Case((*with_option(words, option, value), option, value), (option,))
    if defect == "empty":
        option = draw(
            st.sampled_from([option for option in (*numbers[int], *numbers[float], *texts) if option != "--prompt"])
        )
        if draw(st.booleans()):
            return Case((*words, f"{option}="), (option, "empty"))
        return Case(with_option(words, option, ""), (option, "empty"))
    if defect == "extra":
        return Case(
            (*words, draw(st.sampled_from(["more", "-", "1", "adding"]))), ("unrecognized", "RUN", "zz", "option")
        )
    if defect == "command":
        word = draw(st.sampled_from(["", "zz", "Train", "train ", "--train", "évaluer", "trainadding"]))
        return Case((word, *words[1:]), ("command", "unrecognized", word or "empty"))
    if defect == "name":
        option = draw(st.sampled_from(UNKNOWN))
        value = draw(st.sampled_from(["zz", "LSTM", "lstm ", "адам", "lstm/../gru", "a" * 300, "'", "{}"]))
        return Case(with_option(words, option, value), (option.removeprefix("--"),))
    if defect == "contradiction":
        more = draw(
            st.sampled_from(
                [
                    ("--resume", "--overwrite"),
                    ("--clip-norm", "1", "--clip-value", "1"),
                    ("--chrono", "9", "--gate-bias", "forget=1"),
                    ("--gate-bias", "zz=1"),
                    ("--gate-bias", "forget"),
                    ("--gate-bias", "forget=much"),
                    ("--rate-factor", "zz"),
                    ("--rate-factor", "skew=-1"),
                    ("--steps", "100", "--evaluate-every", "33"),
                ]
            )
        )
        named = ("resume", "clip", "bias", "chrono", "zz", "forget", "rate", "evaluate_every")
        return Case((*words, *more), named)
    if not training and name not in OF_FOLDERS:
        return Case((*words, "--zz"), ("zz",))
    ranges = merged(OUT_OF_RANGE, OF_TASKS if "train adding" in name else {}) if training else OF_FOLDERS[name]
    option = draw(st.sampled_from(sorted(ranges)))
    value = draw(st.sampled_from(ranges[option]))
    other_names = {"--hidden": "features", "--chrono": "t_max", "--clip-norm": "clip", "--folds": "task"}
    other_names |= {"--clip-value": "clip", "--cells": "cell: got 'zz'"}
    named = (option.removeprefix("--"), other_names.get(option, option), *(("GB",) if len(value) > 9 else ()))
    return Case(with_option(words, option, *value.split()), named)


@st.composite
def words_of_a_grid(draw) -> Case:
    """A command line of `ablate` or `search` with one defect."""
    name = draw(st.sampled_from(sorted(GRIDS)))
    words = (name, draw(st.sampled_from(["adding", "digits"])), *GRIDS[name][1])
    more: tuple[str, ...] = draw(
        st.sampled_from(
            [
                ("--hidden", "8,,16"),
                ("--hidden", ","),
                ("--hidden", "8,8"),
                ("--hidden", "8,x"),
                ("--hidden", "8,-1"),
                ("--hidden", "8,99999999999"),
                ("--learning-rate", "1e-3,nan"),
                ("--learning-rate", "0,1"),
                ("--optimizer", "adam,zz"),
                ("--zz", "1,2"),
                ("zz",),
                ("--seeds", "0"),
                ("--seeds", "-1"),
                ("--seeds", "1.5"),
                ("--seeds", "99999999999"),
                ("--seeds",),
                ("--seeds", ""),
                ("--seeds", "２"),
                ("--processes", "0"),
                ("--processes", "x"),
                ("--quiet=1",),
                ("--hidden=",),
                ("--steps", "10", "--steps", "20"),
                ("--resume",),
                ("--batch-size", "999999999999"),
            ]
        )
    )
    of_searches = [
        ("--trials", "0"),
        ("--trials", "many"),
        ("--sampler", "zz"),
        ("--pruner", "zz"),
        ("--folds", "1"),
        ("--confirm", "-1"),
        ("--learning-rate", "1e-3:1e-5"),
        ("--learning-rate", "0:1"),
        ("--learning-rate", "0.1..0.1"),
        ("--learning-rate", "0.1..zz"),
        ("--learning-rate", "1e-3:1", "--sampler", "grid"),
        ("--momentum", "0..1"),
        ("--storage", ""),
        ("--storage", HERE),
    ]
    of_ablations = [("--strategy", "zz"), ("--cell", "lstm,zz"), ("--out", "")]
    if draw(st.booleans()):
        more = draw(st.sampled_from(of_searches if name == "search" else of_ablations))
    for option in more:
        if option in words:
            place = words.index(option)
            words = (*words[:place], *words[place + 2 :])
    options = [word.partition("=")[0] for word in more if word.startswith("--")]
    return Case(
        (*words, *more), (*options, *(option[2:].replace("-", "_") for option in options), "zz", "features", "storage")
    )


# Configurations: a file of a run, with one defect.

CONFIGS = [
    {"config": Config(get("adding", length=9), LSTM(4), Optimizer(clip="norm")), "seeds": (0, 1)},
    {
        "config": Config(
            get("digits", order="row"), Stack((Dropout(GRU(4), input=0.1), LSTM(5))), regularizer=None, patience=3
        ),
        "seeds": (0,),
    },
    {"config": Config(get("latch"), LSTM(4, bias_init={"forget": 1.0}), regularizer=Pascanu()), "seeds": (3,)},
    {"config": Config(Names(data="names"), GRU(4)), "seeds": (0,)},
]
TEXTS = [json.dumps(to_json(config), indent=2) for config in CONFIGS]
READERS = {
    "evaluate": ("evaluate", f"{HERE}/run"),
    "predict": ("predict", f"{HERE}/run", "--input", "input.txt", "--out", f"{HERE}/new"),
    "sample": ("sample", f"{HERE}/run"),
    "report": ("report", f"{HERE}/run", "--out", f"{HERE}/new"),
    "compress": ("compress", f"{HERE}/run", "--out", f"{HERE}/new"),
    "probe": ("probe", f"{HERE}/run", "--out", f"{HERE}/new"),
    "resume": ("train", "adding", "--resume", "--out", f"{HERE}/run"),
}


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all values within a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inside for found in places(item, (*path, key)))]


def at(value: Any, path: tuple) -> Any:
    return functools.reduce(lambda found, key: found[key], path, value)


WRONG_CLASSES = (
    "",
    "os:system",
    "rnnjax.cli:main",
    "rnnjax.cells.lstm:NoLSTM",
    "no.such:Class",
    "a:b:c",
    "builtins:dict",
)
WRONG_CLASSES += ("rnnjax.cell:Cell", "rnnjax.errors:InputError", "../x:Y", "rnnjax.training.run_folder:shutil", ":")
NEEDED = ("config", "seeds", "task", "cell", "cells", "features")


@st.composite
def texts_of_a_configuration(draw) -> Case:
    """A config.json with one defect, and a command that reads it."""
    reader = draw(st.sampled_from(sorted(READERS)))
    text = draw(st.sampled_from(TEXTS))
    held = json.loads(text)
    defect = draw(st.sampled_from("cut utf8 garbage missing extra type class number deep top seeds".split()))
    paths = places(held)
    if defect == "cut":
        found: bytes = text[: draw(st.integers(0, len(text) - 1))].encode()
    elif defect == "utf8":
        place = draw(st.integers(0, len(text)))
        found = text[:place].encode() + draw(st.sampled_from([b"\xff", b"\xc3\x28", b"\x80"])) + text[place:].encode()
    elif defect == "garbage":
        place = draw(st.integers(0, len(text)))
        found = (text[:place] + "\x00" + text[place:]).encode()  # not allowed anywhere in JSON
    elif defect == "missing":
        path = draw(st.sampled_from([path for path in paths if path and path[-1] in NEEDED]))
        del at(held, path[:-1])[path[-1]]
        found = json.dumps(held).encode()
    elif defect == "extra":
        path = draw(
            st.sampled_from([path for path in paths if isinstance(at(held, path), dict) and "type" in at(held, path)])
        )
        at(held, path)["zz" + draw(st.text("abc", max_size=5))] = draw(st.sampled_from([1, None, "x", {}]))
        found = json.dumps(held).encode()
    elif defect == "type":
        scalars = [path for path in paths if path and isinstance(at(held, path), int | float | str | bool)]
        path = draw(st.sampled_from([path for path in scalars if path[-1] != "type" and path[0] != "seeds"]))
        wrong = [{"zz": 1}, [[]], [1, "x"]]
        wrong += ["zz"] if not isinstance(at(held, path), str) else [7, True, 1.5]
        at(held, path[:-1])[path[-1]] = draw(st.sampled_from(wrong))
        found = json.dumps(held).encode()
    elif defect == "class":
        path = draw(st.sampled_from([path for path in paths if path and path[-1] == "type"]))
        at(held, path[:-1])["type"] = draw(st.sampled_from([*WRONG_CLASSES, None, 1, ["x"], {"type": "x"}]))
        found = json.dumps(held).encode()
    elif defect == "number":
        whole = [path for path in paths if path and type(at(held, path)) in (int, float)]
        path = draw(st.sampled_from(whole))
        at(held, path[:-1])[path[-1]] = "NUMBER"
        wrong = [
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "9" * 30,
            "-" + "9" * 30,
            "9" * 5000,
            "01",
            "0x1",
            "1.",
        ]
        if type(at(json.loads(text), path)) is float:
            wrong = [number for number in wrong if not number.strip("-").startswith("999")]
        found = json.dumps(held).replace('"NUMBER"', draw(st.sampled_from(wrong))).encode()
    elif defect == "deep":
        path = draw(st.sampled_from([path for path in paths if path]))
        at(held, path[:-1])[path[-1]] = "DEEP"
        depth = draw(st.sampled_from([300, 900, 20_000]))
        opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}")]))
        found = json.dumps(held).replace('"DEEP"', opening * depth + "1" + closing * depth).encode()
    elif defect == "top":
        found = draw(st.sampled_from([b"", b"null", b"[]", b"{}", b"3", b'"config"', b'{"config": {}, "seeds": [0]}']))
    else:
        held["seeds"] = draw(
            st.sampled_from([[], [0, 0], [-1], ["0"], [0.5], "0", None, {}, [None], [True], 3, [2**40], {"0": 1}])
        )
        found = json.dumps(held).encode()
    return Case(READERS[reader], ("config.json", "seed"), found)


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
