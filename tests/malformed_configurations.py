"""Configurations with one defect, drawn by Hypothesis, and the commands that read them."""

from __future__ import annotations

import functools
import json
from typing import Any

from hypothesis import strategies as st
from malformed_words import HERE, Case

from rnnjax import GRU, LSTM, Dropout, Stack
from rnnjax.applications.names import Names
from rnnjax.serialization import to_json
from rnnjax.tasks import get
from rnnjax.training import Config, Optimizer, Pascanu

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
