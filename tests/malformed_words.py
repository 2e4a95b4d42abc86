"""Command lines with one defect, drawn by Hypothesis."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import Any, NamedTuple

from hypothesis import strategies as st

from rnnjax.applications import REGISTRY as APPLICATIONS
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


class Case(NamedTuple):
    """What is written behind `rnnjax`, and words of which the error has to name one; `HERE` is a folder of its own."""

    words: tuple[str, ...]
    named: tuple[str, ...]
    config: bytes | None = None


HERE = "HERE"
TRAINABLE = ("adding", "digits", *sorted(APPLICATIONS))


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
