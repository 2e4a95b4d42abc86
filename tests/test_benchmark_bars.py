"""The laws of the benchmark's bars: the ratios that they bound, what holds them, and the races that they are about."""

from __future__ import annotations

import math

import pytest
from made_up_races import made_row, row_of

from benchmarks import __main__ as command
from benchmarks import ablation, bars, gpu, growth, remat
from benchmarks.peers import OURS, PEERS
from benchmarks.problem import MODES, SHAPES
from benchmarks.ratios import best_jax_peer, best_jax_ratio, geometric_mean, ratio

# --- ratios and bars ---------------------------------------------------------------------------------------------


def test_ratios():
    made = made_row(ours=(2.0, 4.0), flax_linen=(3.0, 3.0), haiku=(1.0, 5.0), torch=(0.1, 0.1))
    assert ratio(made, "flax_linen", OURS, "minimum") == 1.5
    assert ratio(made, "flax_linen", OURS, "median") == 0.75
    assert ratio(made, "keras_jax", OURS, "minimum") is None
    assert (best_jax_peer(made, "minimum"), best_jax_peer(made, "median")) == ("haiku", "flax_linen")
    assert (best_jax_ratio(made, "minimum"), best_jax_ratio(made, "median")) == (0.5, 0.75)
    assert best_jax_ratio(made_row(ours=1.0, torch=1.0), "minimum") is None
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None


SKELETONS = [
    *(dict(mode=mode) for mode in MODES),
    *(dict(section="remat", topic=topic, shape=remat.SHAPE) for topic in remat.LOSSES),
    *(dict(section="ablation", topic=race.topic, shape=race.shape) for race in ablation.races(ablation.FULL)),
    dict(section="gpu", shape=gpu.LAYER_SHAPE),
    dict(section="gpu", topic="newton", cell="gru", shape=gpu.NEWTON_SHAPES[0]),
    dict(section="gpu", topic="associative", cell="lru", shape=gpu.ASSOCIATIVE_SHAPE),
]
OTHERS = {"flax_linen", "haiku", "torch", remat.PLAIN, growth.SCAN, ablation.IN_TURN, ablation.NOTHING, ablation.BARE}


def verdict(bar, seconds):
    """The verdict on a bar where ours takes so many seconds and everybody else takes one."""
    kinds = [kind for kind in SKELETONS if bar.applies(made_row(**kind))]
    made = [row_of(made_row(**kinds[0]), {**dict.fromkeys(OTHERS, 1.0), bar.ours: seconds})]
    return next(each for each in bars.judge(made) if each.bar is bar)


every_bar = pytest.mark.parametrize("bar", bars.BARS, ids=lambda bar: bar.statement)


@every_bar
def test_a_bar_is_held_on_one_side_of_its_bound_only(bar):
    """The bar on time tells ours from theirs, whichever way round the ratio is."""
    at_bound = 1 / bar.bound if bar.at_least else bar.bound
    better, worse = verdict(bar, 0.99 * at_bound), verdict(bar, 1.01 * at_bound)
    assert (better.held, worse.held) == (True, False)
    assert better.by["minimum"] == pytest.approx(bar.bound * (1 / 0.99 if bar.at_least else 0.99))
    assert better.rows == 1


@every_bar
def test_a_bar_without_rows_is_neither_held_nor_not(bar):
    found = next(each for each in bars.judge([]) if each.bar is bar)
    assert found.held is None and found.by == {} and found.rows == 0


@every_bar
def test_a_bar_is_not_held_where_ours_has_failed(bar):
    kind = next(kind for kind in SKELETONS if bar.applies(made_row(**kind)))
    failed = row_of(made_row(**kind), dict.fromkeys(OTHERS, 1.0))
    failed["contestants"][bar.ours] = {"failed": "ValueError: no"}
    found = next(each for each in bars.judge([failed]) if each.bar is bar)
    assert found.held is False and "failed" in found.where


def test_the_worst_row_or_the_geometric_mean_decides_by_the_minimum():
    made = [
        made_row(ours=(1.0, 1.0), flax_linen=(4.0, 0.5)),
        made_row(cell="gru", ours=(1.0, 1.0), flax_linen=(0.9, 8.0)),
    ]
    worst, mean, torch, compiled = bars.judge(made)[:4]
    assert worst.by == {"minimum": 0.9, "median": 0.5} and worst.held is False
    assert worst.where == f"gru {SHAPES[0]} training" and worst.rows == 2
    assert mean.by == {"minimum": pytest.approx(math.sqrt(3.6)), "median": pytest.approx(2.0)} and mean.held is True
    assert torch.held is None
    assert compiled.by["minimum"] == pytest.approx(1 / 0.9) and compiled.held is True


# --- the races that bars are about -------------------------------------------------------------------------------


def test_the_gpu_part_has_all_that_its_bars_are_about():
    races = gpu.races(tuple(PEERS))
    for bar in bars.BARS:
        if bar.device == "GPU":
            about = [race for race in races if bar.applies(race.key)]
            assert about and all(bar.ours in race.entries for race in about), bar.statement


def test_the_full_run_has_all_that_the_other_bars_are_about():
    races = command.Run()._races(tuple(PEERS))
    for bar in bars.BARS:
        about = [race for race in races if bar.applies(race.key)]
        assert about and all(bar.ours in race.entries for race in about), bar.statement
    shapes = {race.shape for race in races if race.section == "layers"}
    assert shapes == set(SHAPES)
    keys = [tuple(race.key.values()) for race in races]
    assert len(set(keys)) == len(keys)
