"""Errors of values, quantiles and intervals: scikit-learn's figures, and what MASE is made for."""

import numpy as np
import pytest
from sklearn import metrics as reference

from rnnjax.errors import InputError
from rnnjax.metrics import conformal_margin, coverage, mae, mase, pinball, rmse, seasonal_scale

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.normal(size=(6, 12))
ANSWERS = TARGETS + RANDOM.normal(size=(6, 12))
MASK = RANDOM.random((6, 12)) < 0.7
LEVELS = (0.1, 0.5, 0.8)
QUANTILES = np.stack([ANSWERS - 1, ANSWERS, ANSWERS + 0.7], -1)


@pytest.mark.parametrize("masked", [False, True])
def test_figures_are_those_of_scikit_learn(masked):
    mask = MASK if masked else None
    keep = MASK if masked else np.ones_like(MASK)
    answers, targets = (np.where(keep, values, np.nan) for values in (ANSWERS, TARGETS))
    due, given = TARGETS[keep], ANSWERS[keep]
    expected = reference.root_mean_squared_error(due, given)
    assert rmse(answers, targets, mask) == pytest.approx(expected, rel=1e-12)
    assert mae(answers, targets, mask) == pytest.approx(reference.mean_absolute_error(due, given), rel=1e-12)
    each = [
        reference.mean_pinball_loss(due, QUANTILES[keep][:, place], alpha=level) for place, level in enumerate(LEVELS)
    ]
    assert pinball(QUANTILES, targets, LEVELS, mask) == pytest.approx(np.mean(each), rel=1e-12)


def test_the_seasonal_naive_forecast_of_the_training_series_has_mase_one():
    past = RANDOM.normal(size=60).cumsum()
    for season in (1, 12):
        assert mase(past[:-season], past[season:], past, season=season) == pytest.approx(1, rel=1e-12)
        halfway = (past[:-season] + past[season:]) / 2
        assert mase(halfway, past[season:], past, season=season) == pytest.approx(0.5, rel=1e-12)


def test_mase_has_no_unit():
    past = RANDOM.normal(size=40).cumsum()
    one = mase(ANSWERS, TARGETS, past, MASK, season=4)
    assert mase(ANSWERS * 1e3, TARGETS * 1e3, past * 1e3, MASK, season=4) == pytest.approx(one, rel=1e-12)


def test_pairs_with_a_missing_value_are_left_out_of_the_scale():
    past = np.array([1.0, 3.0, np.nan, 6.0, 10.0])
    assert seasonal_scale(past) == pytest.approx((2 + 4) / 2)


def test_the_best_quantile_has_the_least_pinball_loss():
    values = RANDOM.normal(size=400)
    for level in (0.1, 0.5, 0.9):
        losses = {shift: pinball(np.full((400, 1), shift), values, (level,)) for shift in np.linspace(-2, 2, 81)}
        assert min(losses, key=losses.__getitem__) == pytest.approx(np.quantile(values, level), abs=0.05)


def test_coverage_counts_what_lies_within_ends_included():
    targets = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    assert coverage(np.full(5, 1.0), np.full(5, 3.0), targets) == pytest.approx(3 / 5)
    assert coverage(np.full(5, 1.0), np.full(5, 3.0), targets, [1, 1, 1, 1, 0]) == pytest.approx(3 / 4)


def test_conformal_margins_cover_the_share_of_what_they_were_fitted_to():
    """At least the share at each step ahead, with a margin that none of them could do without; also a negative one."""
    targets = RANDOM.normal(size=(200, 3)) * [1.0, 2.0, 0.1]
    low, high = np.full((200, 3), -1.0), np.full((200, 3), 1.0)
    margins = conformal_margin(low, high, targets, 0.9)
    for step, margin in enumerate(margins):
        held = np.mean(np.abs(targets[:, step]) <= 1 + margin)
        assert 0.9 <= held <= 0.92
    assert margins[0] > 0 and margins[1] > margins[0] and margins[2] < 0


def test_few_targets_at_a_step_ahead_are_pooled_over_steps():
    targets = np.array([[1.0, 5.0], [np.nan, 3.0]])
    zero = np.zeros((2, 2))
    np.testing.assert_array_equal(conformal_margin(zero, zero, targets, 0.9), [5.0, 5.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rmse([], []), "at least one target"),
        (lambda: mae([1.0], [np.nan]), "targets: got nan"),
        (lambda: mae([np.inf], [1.0]), "answers: got inf"),
        (lambda: mae(["a"], [1.0]), "answers: got dtype"),
        (lambda: rmse([1.0], [1.0, 2.0]), "shape"),
        (lambda: mase([1.0], [1.0], [1.0, 2.0], season=2), "past: got shape"),
        (lambda: mase([1.0], [1.0], [1.0, 1.0]), "above zero"),
        (lambda: mase([1.0], [1.0], [1.0, np.nan, 1.0]), "missing"),
        (lambda: pinball([[1.0]], [1.0], [0.1, 0.9]), "shape"),
        (lambda: pinball([[1.0]], [1.0], [1.0]), "levels"),
        (lambda: coverage([1.0], [1.0, 2.0], [1.0]), "high: got shape"),
        (lambda: conformal_margin(np.zeros((1, 1)), np.zeros((1, 1)), np.full((1, 1), np.nan), 0.9), "missing"),
    ],
)
def test_bad_input_is_one_error(call, words):
    with pytest.raises(InputError, match=words):
        call()
