"""The laws of the benchmark's races: contestants are treated alike, and what they compute is checked."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up_races import TINY, raising

from benchmarks import ablation, growth, layers, remat
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.prepared import Absent, Prepared, peak_bytes, prepare
from benchmarks.problem import CELLS, GATES, MODES
from benchmarks.race import Race, disagreement, run_race
from benchmarks.timing import TURN_SECONDS, interleave
from rnnjax.cells import REGISTRY

# --- timing ------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only where something is called: `clock.taking(name, 0.1)` takes a tenth of a second."""

    def __init__(self):
        self.now, self.calls = 100.0, []

    def __call__(self):
        return self.now

    def taking(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += seconds

        return call

    def race(self, contestants, **options):
        return interleave(contestants, clock=self, sleep=lambda seconds: None, **options)


def test_contestants_take_turns():
    """One untimed call each, then rounds in which each has one turn, with everyone in every place."""
    clock = Clock()
    times, errors, rounds = clock.race({name: clock.taking(name, 1.0) for name in "abc"}, rounds=6, seconds=0)
    assert rounds == 6 and not errors
    assert clock.calls[:3] == ["a", "b", "c"]
    turns = [clock.calls[start : start + 3] for start in range(3, len(clock.calls), 3)]
    assert [sorted(turn) for turn in turns] == [["a", "b", "c"]] * rounds
    for place in range(3):
        assert {turn[place] for turn in turns} == {"a", "b", "c"}
    assert len({tuple(turn) for turn in turns}) > 3, "the same one always follows"
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys("abc", rounds)


def test_short_calls_fill_their_turn():
    clock = Clock()
    short, long = TURN_SECONDS / 4, 3 * TURN_SECONDS
    contestants = {"short": clock.taking("short", short), "long": clock.taking("long", long)}
    times, _, rounds = clock.race(contestants, rounds=3, seconds=0)
    assert times["short"] == pytest.approx([short] * len(times["short"]))
    assert times["long"] == pytest.approx([long] * rounds)
    assert 4 * rounds <= len(times["short"]) <= 5 * rounds  # the fifth where rounding leaves the fourth a hair short


def test_rounds_go_on_until_the_time_is_over():
    clock = Clock()
    times, _, rounds = clock.race({name: clock.taking(name, 0.5) for name in "ab"}, rounds=2, seconds=7.0)
    assert rounds == 7
    assert sum(map(sum, times.values())) == pytest.approx(7.0)


def test_a_slow_contestant_sits_out_when_it_has_used_all_the_time_alone():
    clock = Clock()
    contestants = {"slow": clock.taking("slow", 5.0), "quick": clock.taking("quick", 0.1)}
    times, _, rounds = clock.race(contestants, rounds=6, seconds=0, alone=6.0)
    assert len(times["slow"]) == 2
    assert len(times["quick"]) == rounds == 6


@pytest.mark.parametrize("good_calls", [0, 1, 3])
def test_a_contestant_that_raises_is_out_and_the_others_go_on(good_calls):
    clock, left = Clock(), [good_calls]

    def breaks():
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("broken")

    times, errors, rounds = clock.race(
        {"good": clock.taking("good", 1.0), "bad": lambda: (clock.taking("bad", 1.0)(), breaks())}, rounds=5, seconds=0
    )
    assert list(times) == ["good"] and len(times["good"]) == rounds == 5
    assert str(errors["bad"]) == "broken"


# --- contestants -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed():
    """The libraries that are here."""
    return [name for name, peer in PEERS.items() if peer.missing() is None]


@pytest.mark.parametrize(("cell", "mode"), [*((cell, "training") for cell in CELLS), ("gru", "forward")])
def test_every_library_computes_the_same_layer(installed, cell, mode):
    """Outputs, or gradients for the inputs, agree to float32; so do the numbers of parameters but for a second bias."""
    raced = run_race(layers.layer_race("layers", cell, TINY, mode, installed, "cpu"), rounds=1, seconds=0)
    measured = {name: each for name, each in raced["contestants"].items() if "absent" not in each}
    assert set(installed) - set(measured) <= ({"equinox"} if cell == "elman" else set())
    assert {name: each["failed"] for name, each in measured.items() if "failed" in each} == {}
    assert {name: each["error"] for name, each in measured.items() if each["error"] > 1e-5} == {}
    biases = GATES[cell] * TINY.hidden
    ours = measured[OURS]["parameters"]
    assert {name for name, each in measured.items() if abs(each["parameters"] - ours) > biases} == set()
    for name, each in measured.items():
        assert 0 < each["minimum"] <= each["median"]
        if PEERS[name].in_jax:
            assert each["compile_seconds"] > 0 and each["memory_bytes"] > 0


def contestant(result):
    return lambda: Prepared(run=lambda: None, result=lambda: np.asarray(result), parameters=1)


def test_a_contestant_that_computes_something_else_has_failed():
    right = np.arange(6.0).reshape(3, 2, 1)
    wrong = {"off": right + 0.01, "transposed": right.swapaxes(0, 1), "not a number": right * np.nan}
    entries = {"right": right, "close": right * (1 + 1e-5), **wrong}
    race = Race("layers", "layers", "lstm", TINY, "forward", "cpu", {n: contestant(r) for n, r in entries.items()})
    measured = run_race(race, rounds=1, seconds=0)["contestants"]
    assert {name for name, each in measured.items() if "failed" in each} == set(wrong)
    assert {name for name, each in measured.items() if "minimum" in each} == {"right", "close"}


def test_a_race_goes_on_without_those_that_are_absent_or_fail():
    entries = {
        "ours": contestant([1.0]),
        "absent": raising(Absent("it has no such cell")),
        "failing": raising(ValueError("bad\nworse")),
    }
    race = Race("layers", "layers", "lstm", TINY, "forward", "cpu", entries)
    measured = run_race(race, rounds=1, seconds=0)["contestants"]
    assert measured["absent"] == {"absent": "it has no such cell"}
    assert measured["failing"] == {"failed": "ValueError: bad"}
    assert measured["ours"]["calls"] >= 1


def test_disagreement_is_relative_to_the_largest_entry():
    expected = np.array([0.0, 10.0])
    assert disagreement(np.array([0.1, 10.0]), expected) == pytest.approx(0.01)
    assert disagreement(expected[:1], expected) == math.inf
    assert math.isnan(disagreement(expected * np.nan, expected))


@pytest.mark.parametrize("mode", MODES)
def test_a_layer_in_jax_gets_time_where_it_wants_it(mode):
    """What is compared has time first, whatever the layout of the layer; gradients are those of half the squares."""
    xs = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    params = {"scale": np.float32(2.0) * np.ones(3, np.float32)}
    seen = []

    def apply(params, inputs):
        seen.append(inputs.shape)
        return inputs * params["scale"]

    for time_major in (True, False):
        prepared = prepare(apply, params, xs, mode, "cpu", time_major=time_major)
        np.testing.assert_allclose(prepared.result(), 2 * xs if mode == "forward" else 4 * xs, rtol=1e-6)
        assert prepared.parameters == 3 and prepared.recompile is not None and prepared.recompile() > 0
    assert set(seen) == {(5, 2, 3), (2, 5, 3)}


def test_memory_counts_what_a_program_returns_and_keeps():
    x = jnp.ones((64, 64))
    returned = jax.jit(lambda x: (x + 1, x + 2)).lower(x).compile()
    assert (peak_bytes(returned) or 0) >= 2 * x.nbytes
    scalar = jax.jit(lambda x: jnp.sum(x)).lower(x).compile()
    kept = jax.jit(lambda x: jnp.sum(jnp.sort(x @ x, axis=None))).lower(x).compile()
    assert (peak_bytes(scalar) or math.inf) < x.nbytes <= (peak_bytes(kept) or 0)


def test_a_library_that_is_not_installed_is_named():
    absent = Peer("nobody", "Nobody", "no_such_library", "no-such-library", "nothing")
    assert absent.missing() == "no-such-library is not installed"
    broken = dataclasses.replace(absent, package="json")  # it is there, but there is no file for it here
    assert "cannot be imported" in (broken.missing() or "")


# --- engines and recomputation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "cells"), [("associative", growth.ASSOCIATIVE_CELLS), ("newton", growth.NEWTON_CELLS)]
)
def test_engines_agree_with_the_scan_or_say_why_there_are_none(engine, cells):
    raced = run_race(growth.engine_race("growth", engine, cells[0], TINY, "training", "cpu"), rounds=1, seconds=0)
    assert list(raced["contestants"]) == [growth.SCAN, engine]
    for measured in raced["contestants"].values():
        assert "failed" not in measured
        assert ("minimum" in measured) != bool(measured.get("absent"))


def test_an_engine_that_refuses_or_does_not_exist_is_absent():
    for engine, cell in (("no_such_engine", "gru"), ("scan", "no_such_cell")):
        measured = run_race(growth.engine_race("growth", engine, cell, TINY, "forward", "cpu"), rounds=1, seconds=0)
        assert "there is no" in measured["contestants"][engine]["absent"]


@pytest.mark.parametrize("topic", remat.LOSSES)
def test_ways_of_recomputing_agree(topic):
    raced = run_race(remat.remat_race("elman", dataclasses.replace(TINY, time=60), topic), rounds=1, seconds=0)
    assert list(raced["contestants"]) == list(remat.WAYS)
    assert [name for name, each in raced["contestants"].items() if "minimum" not in each] == []


def test_the_default_is_raced_for_each_cell_that_is_scanned():
    """Against nothing recomputed, on sequences as long as a drive of 20 MB: of 16 rows with 64 numbers a gate."""
    races = remat.races((), remat.SHAPE, tuple(REGISTRY))
    expected = {name for name, cell in REGISTRY.items() if not (cell.affine_in_state or cell.spatial_axes)}
    assert {race.cell for race in races} == expected
    assert all(list(race.entries) == [remat.PLAIN, remat.UNASKED] for race in races)
    times = {race.cell: race.shape.time for race in races}
    assert times["elman"] == 20_000_000 // (4 * 16 * 64) and times["lstm"] == times["elman"] // 4
    assert remat.races((), remat.SHAPE, ("min_gru", "conv_lstm_2d")) == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_runs_with_and_without_what_surrounds_them_agree():
    """Seeds in turn and as an ablation, with checkpoints and without, the loop and a bare scan: the same end."""
    for race in ablation.races(ablation.QUICK):
        raced = run_race(race, rounds=1, seconds=0)
        assert list(raced["contestants"]) == list(race.entries)
        for name, each in raced["contestants"].items():
            assert "minimum" in each and each["error"] < 1e-5 and each["calls"] == 1, (name, each)
