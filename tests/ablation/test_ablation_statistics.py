"""Interquartile means and bootstrap intervals, against numbers by hand and another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rnnjax.ablation import bootstrap, interquartile_mean
from rnnjax.errors import InputError

VALUES = np.random.default_rng(0).normal(size=24)


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert interquartile_mean([1, 2, 3, 100]) == 2.5
    assert interquartile_mean([7]) == 7 and interquartile_mean([1, 2]) == 1.5
    # by the definition: the mean of the quantile function between 1/4 and 3/4, here of five values
    assert interquartile_mean([10, 20, 30, 40, 50]) == pytest.approx((0.75 * 20 + 30 + 0.75 * 40) / 2.5)
    np.testing.assert_allclose(interquartile_mean(VALUES), stats.trim_mean(VALUES, 0.25))  # 24 is a multiple of 4


def test_it_shifts_and_scales_with_the_values_and_does_not_see_their_order():
    np.testing.assert_allclose(interquartile_mean(3 * VALUES - 1), 3 * interquartile_mean(VALUES) - 1)
    assert interquartile_mean(VALUES[::-1]) == interquartile_mean(VALUES)


@pytest.mark.parametrize("worst", [math.inf, -math.inf])
def test_up_to_a_quarter_may_have_no_result(worst):
    assert interquartile_mean([1, 2, 3, worst]) == (2.5 if worst > 0 else 1.5)
    assert interquartile_mean([1, worst, worst, worst]) == worst
    found = bootstrap([1, 2, 3, worst])
    assert found.value == interquartile_mean([1, 2, 3, worst])
    assert (found.upper if worst > 0 else found.lower) == worst  # half of them may be drawn


def test_the_bootstrap_is_that_of_another_implementation():
    """SciPy's percentile bootstrap draws other numbers: limits agree to a share of the interval's width."""
    ours = bootstrap(VALUES, resamples=20000)
    theirs = stats.bootstrap((VALUES,), lambda x, axis: stats.trim_mean(x, 0.25, axis), method="percentile",
                             n_resamples=20000, rng=1).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    assert ours.count == 24 and ours.lower < ours.value < ours.upper
    np.testing.assert_allclose(ours[1:3], theirs, atol=0.03 * width)
    assert bootstrap(VALUES, np.mean, resamples=500).value == VALUES.mean()
    assert bootstrap(VALUES) == bootstrap(VALUES) != bootstrap(VALUES, seed=1)


def test_intervals_are_about_what_differs_within_a_stratum():
    """Settings far apart from each other, whose seeds agree: no width. As one sample the values have a wide one."""
    values, settings = [0, 0, 0, 10, 10, 10], list("aaabbb")
    found = bootstrap(values, strata=settings)
    assert found[:3] == (5, 5, 5)
    assert bootstrap(values).upper - bootstrap(values).lower >= 5
    single = bootstrap([1.0, 2.0], strata=["a", "b"])
    assert single.value == 1.5 and math.isnan(single.lower) and math.isnan(single.upper)


def test_intervals_cover_as_often_as_they_say():
    """Of 300 samples of 16 normal values about 95 % of the intervals hold the truth; the percentile bootstrap of so few
    falls a little short (Efron & Tibshirani 1993, ch. 13)."""
    random = np.random.default_rng(3)
    found = [bootstrap(random.normal(size=16), resamples=300) for _ in range(300)]
    share = np.mean([each.lower <= 0 <= each.upper for each in found])
    assert 0.86 <= share <= 0.98


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: interquartile_mean([]), "values: got"),
        (lambda: interquartile_mean([1, math.nan]), "values: got"),
        (lambda: bootstrap([]), "values: got"),
        (lambda: bootstrap([1, 2], strata=[1]), r"strata: got shape \(1,\), expected shape \(2,\)"),
        (lambda: bootstrap([1, 2], level=1), "level: got 1"),
    ],
)
def test_bad_values_are_refused(call, expected):
    with pytest.raises(InputError, match=expected):
        call()
