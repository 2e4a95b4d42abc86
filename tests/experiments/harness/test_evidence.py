"""What seeds say is said right: intervals, orderings, tables."""

import numpy as np
import pytest
from scipy import stats

from experiments.harness.evidence import (
    by_seed,
    curves,
    every_solved,
    faster,
    none_solved,
    results_table,
    summarize,
    verdict,
)
from rnnjax import InputError
from rnnjax.analysis.intervals import wilson


def arm(*solved, diverged=(), allowed=1000):
    runs = [
        {"seed": seed, "steps": at or allowed, "solved_at": at, "best": 0.1, "diverged": seed in diverged}
        for seed, at in enumerate(solved)
    ]
    return {"runs": [{**run, "allowed": allowed} for run in runs], "records": [], "seconds": 1.0}


@pytest.mark.parametrize(("solved", "of"), [(0, 3), (1, 3), (3, 3), (7, 20), (99, 100)])
def test_wilson_is_the_score_interval_of_scipy(solved, of):
    expected = stats.binomtest(solved, of).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(solved, of), (expected.low, expected.high), rtol=1e-12, atol=1e-15)


def test_no_trial_says_nothing_and_impossible_counts_are_refused():
    assert wilson(0, 0) == (0.0, 1.0)
    for solved, of in ((-1, 3), (4, 3)):
        with pytest.raises(InputError, match="counts"):
            wilson(solved, of)


def test_a_seed_that_never_solved_counts_as_the_slowest():
    quick, slow = summarize(arm(100, 200)), summarize(arm(300, None))
    assert faster(quick, slow) and not faster(slow, quick)
    assert not faster(summarize(arm(100, 300)), slow)  # equal is not faster
    assert not faster(summarize(arm(None)), summarize(arm(None)))


def test_all_some_and_none():
    assert every_solved(summarize(arm(1, 2))) and not every_solved(summarize(arm(1, None)))
    assert none_solved(summarize(arm(None, None))) and not none_solved(summarize(arm(1, None)))


def test_a_summary_keeps_every_seed():
    row = summarize(arm(100, None, 400, diverged=(1,)))
    assert row["solved_at"] == [100, None, 400] and (row["solved"], row["of"]) == (2, 3)
    assert row["updates"] == {"lower": 175.0, "median": 250.0, "upper": 325.0}
    assert summarize(arm(None))["updates"] is None
    assert by_seed(row) == "100 / diverged / 400" and verdict(row) == "2 of 3 seeds, 100 / diverged / 400 updates"
    header, rows = results_table({"LSTM": row})
    assert len(rows) == 1 and len(rows[0]) == len(header) and "21% to 94%" in rows[0]


def test_curves_end_where_a_run_has_stopped():
    found = arm(2, None)
    found["records"] = [
        {"seed": 0, "step": 1, "validation": {"loss": 0.5}},
        {"seed": 1, "step": 1, "validation": {"loss": None}},
        {"seed": 1, "step": 2, "validation": {"loss": 0.25}},
    ]
    steps, values = curves(found, "loss")
    np.testing.assert_array_equal(steps, [1, 2])
    np.testing.assert_array_equal(values, [[0.5, np.nan], [np.nan, 0.25]])
