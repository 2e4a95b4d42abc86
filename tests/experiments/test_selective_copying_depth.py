"""Depth on selective copying: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.selective_copying_depth import EXPERIMENT, Config, network


def summary(one, three):
    """A summary from what one and three layers recall: solved or not, and the share of items, of two seeds."""
    runs = {
        f"minGRU, {layers} layer{'s' if layers > 1 else ''}": {**row(*solved), "accuracy": list(shares)}
        for layers, (solved, shares) in zip((1, 2, 3), (one, one, three), strict=True)
    }
    return {"seeds": [0, 1], "cells": ["minGRU"], "layers": [1, 2, 3], "chance": 0.25, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    low, high = ((None, None), (0.5, 0.6)), ((1200, 1400), (0.96, 0.97))
    assert held(EXPERIMENT, summary(low, high)) == [True, True]
    assert held(EXPERIMENT, summary(high, low)) == [False, False]
    near = ((None, None), (0.8, 0.85))
    assert held(EXPERIMENT, summary(near, high)) == [True, False]


def test_every_layer_but_the_lowest_is_residual():
    """The input of the stack is one-hot and narrower than the layers: only the layers above it can add to theirs."""
    cells = network("minGRU", 3, 8).cells
    assert [type(cell).__name__ for cell in cells] == ["MinGRU", "Residual", "Residual"]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        cells=("minGRU", "minLSTM"),
        layers=(1, 2),
        width=4,
        length=6,
        items=2,
        symbols=2,
        seeds=(0, 1),
        batch_size=4,
        steps=4,
        evaluate_every=2,
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert len(found["runs"]) == 4 and all(len(each["accuracy"]) == 2 for each in found["runs"].values())
