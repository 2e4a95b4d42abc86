"""Searches: exactly so many trials whoever does them, none twice, and what they are worth."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rnnjax import Elman
from rnnjax.ablation import Choices, Span, read_search, search, search_trials
from rnnjax.ablation.search_space import read_span
from rnnjax.cli import main
from rnnjax.commands.search import read
from rnnjax.errors import InputError
from rnnjax.tasks import get
from rnnjax.training import Config, Optimizer, train

BASE = Config(
    get("adding", length=4), Elman(2), Optimizer(), steps=4, batch_size=2, evaluate_every=2, evaluation_size=4
)
GRID = {
    "optimizer.learning_rate": Choices((0.1, 0.01, 0.001)),
    "optimizer.name": Choices(("sgd", "adam")),
    "cell": Choices((Elman(2), Elman(3))),
}
RATES = {"optimizer.learning_rate": Span(1e-4, 1e-1, log=True), "optimizer.momentum": Span(0.0, 0.5)}


def made_up(config, seeds, folds=None, report=lambda place, value: None, out=None) -> float:
    """What a trial is worth where nothing is trained: the further from a rate of 0.01, the less."""
    time.sleep(0.01)
    return abs(config.optimizer.learning_rate - 0.01) + config.optimizer.momentum


@pytest.fixture
def untrained(monkeypatch):
    """Trials that cost nothing."""
    monkeypatch.setattr(search_trials, "worth", made_up)


def values_of(found) -> list[tuple]:
    """The points of the trials that were not cut off, in an order of their own."""
    rows = [row for row in found.trials if row["state"] != "interrupted"]
    own = ("number", "state", "value", "seconds", "reason")
    return sorted(tuple(value for name, value in row.items() if name not in own) for row in rows)


ELSEWHERE = """
import json, sys, time
from rnnjax.ablation import search, search_trials
import test_search as shared
print("ready", flush=True)
for line in sys.stdin:
    storage, space, seconds, trials, sampler = json.loads(line)
    def worth(config, *arguments):
        time.sleep(seconds)
        return shared.made_up(config, (0,))
    search_trials.worth = worth
    search(shared.BASE, getattr(shared, space), storage, trials=trials, sampler=sampler, processes=1)
    print("done", flush=True)
"""


class Elsewhere:
    """A process that searches when it is told to."""

    def __init__(self):
        paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": paths}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE], stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def search(self, storage, space: str, seconds: float, trials: int, sampler: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([str(storage), space, seconds, trials, sampler]) + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def other():
    """Another process, which is ready."""
    elsewhere = Elsewhere()
    assert elsewhere.hear() == "ready"
    yield elsewhere
    elsewhere.process.kill()
    elsewhere.process.wait()


def test_two_processes_and_a_killed_one_do_each_point_of_a_grid_once(tmp_path, untrained, other):
    """Real processes on one storage: one is killed within a trial, and two others finish; each point is done once."""
    storage = tmp_path / "a.search"
    victim = Elsewhere()
    assert victim.hear() == "ready"
    victim.search(storage, "GRID", 60, 99, "grid")
    while not storage.exists() or '"op_code":4' not in storage.read_text().replace(" ", ""):
        time.sleep(0.02)
    time.sleep(0.2)
    victim.process.send_signal(signal.SIGKILL)
    victim.process.wait()
    with storage.open("ab") as file:  # as if it had been killed within a line
        file.write(b'{"op_code":5,"worker')
    other.search(storage, "GRID", 0.02, 99, "grid")
    found = search(BASE, GRID, storage, trials=99, sampler="grid", processes=1)
    assert other.hear() == "done"
    found = read_search(storage)
    assert [row["state"] for row in found.trials].count("interrupted") == 1
    assert len(values_of(found)) == len(set(values_of(found))) == 12
    names = [[*map(repr, given.values)] if name == "cell" else given.values for name, given in GRID.items()]
    assert set(values_of(found)) == set(itertools.product(*names))
    assert all(row["state"] == "complete" for row in found.trials if row["state"] != "interrupted")
    assert found.best is not None and found.best["optimizer.learning_rate"] == 0.01


def test_the_trials_do_not_depend_on_who_does_them(tmp_path, untrained, other):
    """Random trials are the same in one go, in two, and by two processes at once; and there are exactly so many."""
    whole = search(BASE, RATES, tmp_path / "whole", trials=9, sampler="random", processes=1)
    search(BASE, RATES, tmp_path / "parts", trials=4, sampler="random", processes=1)
    parts = search(BASE, RATES, tmp_path / "parts", trials=9, sampler="random", processes=1)
    assert len(whole.trials) == 9 and values_of(whole) == values_of(parts)
    again = search(BASE, RATES, tmp_path / "parts", trials=9, sampler="random", processes=1)
    assert len(again.trials) == 9
    other.search(tmp_path / "both", "RATES", 0.01, 9, "random")
    search(BASE, RATES, tmp_path / "both", trials=9, sampler="random", processes=1)
    assert other.hear() == "done"
    assert values_of(read_search(tmp_path / "both")) == values_of(whole)
    other_seed = search(BASE, RATES, tmp_path / "seed", trials=9, sampler="random", processes=1, sampler_seed=1)
    assert not set(values_of(other_seed)) & set(values_of(whole))


def test_tpe_finds_more_than_chance(tmp_path, untrained):
    """With a worth that is known, the later half of the trials is nearer to the best than random ones."""
    space = {"optimizer.learning_rate": Span(1e-4, 1.0), "optimizer.momentum": Span(0.0, 0.5)}
    means = {}
    for sampler in ("tpe", "random"):
        found = search(BASE, space, tmp_path / sampler, trials=40, sampler=sampler, processes=1)
        means[sampler] = sum(row["value"] for row in found.trials[20:]) / 20
    assert means["tpe"] < 0.7 * means["random"], means


def test_a_trial_is_the_mean_over_seeds_and_the_winner_is_confirmed_on_others(tmp_path):
    """Real training: the value of a trial is the mean of single runs; the fresh seeds are others; a second call with
    more trials keeps what was there; nothing is written but the storage."""
    space = {"optimizer.learning_rate": Choices((0.1, 1e-6))}
    given = {"sampler": "grid", "seeds": (0, 1), "confirm": 2, "processes": 1}
    (tmp_path / "here").mkdir()
    storage = tmp_path / "here" / "a.search"
    found = search(BASE, space, storage, **given)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.search", "a.search.locks", "here"]
    for row in found.trials:
        optimizer = Optimizer(learning_rate=row["optimizer.learning_rate"])
        bests = [run["best"] for run in train(_with(optimizer), (0, 1), quiet=True).summary]
        assert row["value"] == pytest.approx(sum(bests) / 2, rel=1e-7)
    assert found.value == min(row["value"] for row in found.trials)
    assert set(found.confirmed) == {2, 3}
    best = Optimizer(learning_rate=found.best["optimizer.learning_rate"])
    assert found.confirmed[3] == pytest.approx(train(_with(best), (3,), quiet=True).summary[0]["best"], rel=1e-7)
    before = storage.read_bytes()
    assert search(BASE, space, storage, **given) == found and storage.read_bytes() == before


def _with(optimizer: Optimizer) -> Config:
    return dataclasses.replace(BASE, optimizer=optimizer)


def test_what_lags_behind_or_diverges_has_no_value(tmp_path, monkeypatch):
    """A pruner ends trials by what they report; a run that diverges is no best one."""

    def worth(config, seeds, folds=None, report=lambda place, value: None, out=None) -> float:
        rate = config.optimizer.learning_rate
        if rate == 0.5:
            raise FloatingPointError("the run of seed 0 has diverged")
        if rate == 0.6:
            raise InputError("rate", rate, "less")
        for place in range(1, 3):
            report(place, rate)
            calls.append((rate, place))
        return rate

    calls: list[tuple[float, int]] = []
    monkeypatch.setattr(search_trials, "worth", worth)
    rates = (0.01, 0.02, 0.03, 0.04, 0.05, 0.5, 0.6, 0.9, 0.001)
    space = {"optimizer.learning_rate": Choices(rates)}
    found = search(BASE, space, tmp_path / "a", sampler="grid", pruner="median", processes=1)
    states = {row["optimizer.learning_rate"]: row["state"] for row in found.trials}
    assert states == dict.fromkeys(rates, "complete") | {0.5: "diverged", 0.6: "refused", 0.9: "pruned"}
    assert found.value == 0.001 and (0.9, 1) not in calls and (0.001, 2) in calls
    assert found.trials[6]["reason"] == "rate: got 0.6, expected less"
    hyperband = search(BASE, space, tmp_path / "b", sampler="grid", pruner="hyperband", processes=1)
    assert {row["state"] for row in hyperband.trials} >= {"complete", "diverged"}


@pytest.mark.parametrize(
    ("space", "given", "words"),
    [
        ({}, {}, "space"),
        ({"nothing": Choices((1, 2))}, {}, "nothing"),
        ({"steps": Choices(())}, {}, "at least one value"),
        ({"steps": Choices((4, 4))}, {}, "differ"),
        ({"steps": Choices((4, 0))}, {}, "Config.steps"),
        ({"steps": Span(8, 4)}, {}, "low < high"),
        ({"optimizer.momentum": Span(0.0, 0.5, log=True)}, {}, "low > 0"),
        ({"optimizer.momentum": Span(0.0, float("nan"))}, {}, "low < high"),
        ({"optimizer.momentum": Span(0.0, 1.0)}, {}, "Optimizer.momentum"),
        (RATES, {"sampler": "grid"}, "choices, with the sampler grid"),
        (RATES, {"sampler": "best"}, "sampler"),
        (RATES, {"pruner": "best"}, "pruner"),
        (RATES, {"trials": 0}, "trials"),
        (RATES, {"seeds": ()}, "seeds"),
        (RATES, {"seeds": (1, 1)}, "seeds"),
        (RATES, {"folds": 3}, "task"),
        (RATES, {"confirm": -1}, "confirm"),
        (RATES, {"processes": 0}, "processes"),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(space, given, words, tmp_path):
    with pytest.raises(InputError, match=words):
        search(BASE, space, tmp_path / "here" / "a.search", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "held", [b"hello", b"hello\n", b'{"op_code": 1}\nhello\n', b"\xff\n", b"[" * 9999 + b"\n", b"{}\n"]
)
def test_what_is_no_storage_is_refused_and_left_alone(held, tmp_path):
    path = tmp_path / "a.search"
    path.write_bytes(held)
    for call in (lambda: search(BASE, RATES, path, trials=1), lambda: read_search(path)):
        with pytest.raises(InputError, match="storage"):
            call()
    assert path.read_bytes() == held


def test_another_search_is_refused_by_what_differs(tmp_path, untrained):
    storage = tmp_path / "a.search"
    search(BASE, RATES, storage, trials=1, processes=1)
    before = storage.read_bytes()
    for given, words in (
        ({"space": {**RATES, "optimizer.momentum": Span(0.0, 0.4)}}, "space.optimizer.momentum.*: 0.5 there, 0.4 here"),
        ({"base": _with(Optimizer(clip="norm"))}, "configuration.optimizer.clip: 'none' there, 'norm' here"),
        ({"seeds": (0, 1)}, "seeds"),
    ):
        with pytest.raises(InputError, match=words):
            search(**{"base": BASE, "space": RATES, "storage": storage, "trials": 2, **given})
    assert storage.read_bytes() == before


def test_ranges_as_they_are_written():
    assert read_span("1e-4:1e-2", "--rate") == Span(1e-4, 1e-2, True)
    assert read_span("16:128", "--hidden") == Span(16, 128, True)
    assert read_span("0..1", "--dropout", whole=False) == Span(0.0, 1.0)
    assert isinstance(read_span("0..1", "--dropout", whole=False).low, float)
    assert read_span("0..4", "--layers") == Span(0, 4) and read_span("-1..1.5", "--x") == Span(-1.0, 1.5)
    for word in ("lstm", "1,2", "0.1", "C:path", "a..b", "", ":", "none"):
        assert read_span(word, "--x") is None
    for word in ("0:1", "2..1", "1:1", "1..x", "nan..1", "1:inf"):
        with pytest.raises(InputError, match="LOW"):
            read_span(word, "--x")


def test_the_command_line_means_what_the_call_means(tmp_path):
    words = "adding --cell lstm,gru --clip-norm none,1 --learning-rate 1e-4:1e-2 --dropout 0..1 --length 7 --steps 200"
    found = read([*words.split(), "--storage", "x", "--seeds", "3"])
    assert found.space == {
        "cell": Choices(("lstm", "gru")),
        "clip_norm": Choices(("none", "1")),
        "learning_rate": Span(1e-4, 1e-2, True),
        "dropout": Span(0.0, 1.0),
    }
    assert found.settings["seeds"] == (0, 1, 2) and found.settings["trials"] == 50
    config = found.options({"cell": "gru", "clip_norm": "none", "learning_rate": 0.002, "dropout": 0.25})
    assert (config.task.length, config.optimizer.learning_rate, config.optimizer.clip) == (7, 0.002, "none")
    assert config.cell.input == 0.25 and type(config.cell.cell).__name__ == "GRU"
    config = found.options({"cell": "lstm", "clip_norm": "1", "learning_rate": 0.002, "dropout": 0.25})
    assert (config.optimizer.clip, config.optimizer.clip_threshold) == ("norm", 1.0)


def test_the_command_prints_the_command_that_trains_the_best(tmp_path, capsys, untrained):
    """The last line, called as it stands, describes the configuration that won; with the same storage it goes on."""
    storage = str(tmp_path / "a.search")
    words = [
        "search",
        "adding",
        "--cell",
        "elman",
        "--hidden",
        "2",
        "--learning-rate",
        "0.5,0.02,0.3",
        "--sampler",
        "grid",
    ]
    words += ["--clip-norm", "none,1", "--storage", storage, "--processes", "1", "--confirm", "2", "--steps", "200"]
    assert main(words) == 0
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[0].startswith("6 trials") and "on 2 fresh seeds" in printed[-2]
    assert printed[-1] == ("rnnjax train adding --cell elman --hidden 2 --learning-rate 0.02 --steps 200 --seeds 1")
    assert main([*words, "--quiet"]) == 0
    assert main(["report", storage]) == 0 and main(["report", storage, "--out", str(tmp_path / "no" / "x")]) == 2
    assert (tmp_path / "a.search.html").read_text().count("<svg") == 3
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert main([*words, "--trials", "x"]) == 2
    assert main(["search", "adding", "--hidden", "2", "--storage", storage]) == 2
    assert main(["search", "adding", "--hidden", "2,3", "--resume", "--storage", storage]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3 and json.dumps(storage) not in lines[0]


def test_without_optuna_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="rnnjax\\[search\\]"):
        search(BASE, RATES, tmp_path / "a")
    assert not list(tmp_path.iterdir())
