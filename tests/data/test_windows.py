"""Windows: nothing of the future is in what a network reads, nor in what is fitted; plain forecasts."""

import numpy as np
import pytest

from rnnjax.data.naive import drift, last_value, seasonal_naive
from rnnjax.data.windows import Framing, Units, Windows, fill, restored, stacked, transformed
from rnnjax.errors import InputError

RANDOM = np.random.default_rng(0)
FRAMINGS = [
    Framing(5, 3),
    Framing(5, 3, detrend="last"),
    Framing(3, 6, season=4, detrend="season", flags=True),
    Framing(8, 2, season=4, cycles=(7, 4), detrend="season", flags=True),
]


def series(rows=60, missing=0.1):
    values = RANDOM.normal(size=(rows, 2)).cumsum(0) + 20
    values[RANDOM.random(values.shape) < missing] = np.nan
    return values


def windows_of(values, framing, part):
    start = np.nanmean(values[:20], axis=0)
    return Windows(fill(values, framing.season, start), ~np.isnan(values), values[:, 0], part, framing)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_future_does_not_change_what_is_read(framing):
    """Other values from an origin on, missing ones too, leave all inputs of that origin and of earlier ones alone."""
    values, part = series(), slice(20, 60)
    windows = windows_of(values, framing, part)
    units = Units.of(framing, windows_of(values, framing, slice(0, 30)), 20.0, "none")
    for place in (0, len(windows) // 2, len(windows) - 1):
        origin = windows[place].origin
        changed = values.copy()
        changed[origin:] = RANDOM.normal(size=changed[origin:].shape) * 1e3
        changed[origin + 1 :: 3] = np.nan
        other = windows_of(changed, framing, part)
        for earlier in np.intersect1d(windows.origins, other.origins):
            if earlier > origin:
                continue
            found = (seen[int(np.searchsorted(seen.origins, earlier))] for seen in (windows, other))
            one, two = (units.inputs(framing, stacked([window])) for window in found)
            for name in one:
                np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_lies_outside_the_training_part_does_not_change_what_is_fitted(framing):
    values, part = series(), slice(0, 40)
    changed = values.copy()
    changed[40:] *= -50
    one, two = (Units.of(framing, windows_of(found, framing, part), 20.0, "none") for found in (values, changed))
    assert one == two


@pytest.mark.parametrize("framing", FRAMINGS)
def test_targets_lie_in_their_part_and_all_of_them_are_there(framing):
    """The targets of each window are the rows from its origin on; every origin that has room is one, those without a
    value left out."""
    values, part = series(missing=0), slice(25, 50)
    values[30:36, 0] = np.nan
    windows = windows_of(values, framing, part)
    expected = [
        origin
        for origin in range(max(25, framing.reach), 50 - framing.horizon + 1)
        if not np.isnan(values[origin : origin + framing.horizon, 0]).all()
    ]
    assert windows.origins.tolist() == expected
    for window in windows:
        np.testing.assert_array_equal(window.targets, values[window.origin : window.origin + framing.horizon, 0])


@pytest.mark.parametrize("framing", FRAMINGS)
def test_inputs_have_the_shapes_and_scales_promised(framing):
    """Over the windows that the units were fitted to, each feature that changes has mean 0 and deviation 1."""
    values = series()
    windows = windows_of(values, framing, slice(0, 60))
    units = Units.of(framing, windows, 20.0, "none")
    inputs = units.inputs(framing, stacked(list(windows)))
    assert inputs["past"].shape[:2] == (len(windows), framing.lag)
    assert inputs["known"].shape[:2] == (len(windows), framing.horizon)
    assert inputs["base"].shape == (len(windows), framing.horizon)
    for name in ("past", "known"):
        flat = inputs[name].reshape(-1, inputs[name].shape[-1])
        np.testing.assert_allclose(flat.mean(0), 0, atol=1e-4)
        spread = flat.std(0)
        assert np.all((np.abs(spread - 1) < 1e-3) | (spread < 1e-6)), spread


def test_a_detrended_window_does_not_see_the_level():
    """A series moved up by a constant gives the same inputs, and a base moved up with it."""
    low = series(missing=0)
    high = low + np.array([100.0, 0.0])
    for framing in FRAMINGS[1:]:
        read = []
        for values, mean in ((low, 20.0), (high, 120.0)):
            windows = windows_of(values, framing, slice(0, 60))
            read.append(Units.of(framing, windows, mean, "none").inputs(framing, stacked(list(windows))))
        for name in ("past", "known"):
            np.testing.assert_allclose(read[0][name], read[1][name], atol=1e-4)
        np.testing.assert_allclose(read[0]["base"] + 100, read[1]["base"], rtol=1e-5)


def test_missing_values_are_filled_from_before():
    """By the value a season ago, where there is one, else by the last one, else by what was given to start with."""
    values = np.array([[np.nan], [1.0], [np.nan], [3.0], [np.nan], [np.nan], [9.0], [np.nan]])
    np.testing.assert_array_equal(fill(values, 3, np.array([5.0]))[:, 0], [5, 1, 1, 3, 1, 1, 9, 1])
    np.testing.assert_array_equal(fill(values, 1, np.array([5.0]))[:, 0], [5, 1, 1, 3, 3, 3, 9, 9])


@pytest.mark.parametrize("how", ["none", "log", "sqrt"])
def test_transforms_come_back(how):
    values = np.array([0.5, 2.0, np.nan, 700.0])
    np.testing.assert_allclose(restored(transformed(values, how), how), values)


def test_plain_forecasts_continue_what_they_are_exact_for():
    """The seasonal naive one a periodic series, the drift a line, the last value a constant."""
    wave, line = np.tile([1.0, 5.0, 2.0], 4), 3 + 0.5 * np.arange(12)
    np.testing.assert_array_equal(seasonal_naive(wave[:8], 4, 3), wave[8:])
    np.testing.assert_array_equal(seasonal_naive(np.stack([wave, line])[:, :8], 4, 3)[0], wave[8:])
    np.testing.assert_allclose(drift(line[:8], 4), line[8:])
    np.testing.assert_array_equal(last_value(line[:8], 4), np.full(4, line[7]))
    for bad in (lambda: seasonal_naive(wave[:2], 1, 3), lambda: drift(wave[:1], 1)):
        with pytest.raises(InputError):
            bad()


def test_bad_framings_are_one_error():
    for fields in ({"lag": 0}, {"horizon": 0}, {"season": 0}, {"cycles": (1,)}, {"detrend": "mean"}):
        with pytest.raises(InputError):
            Framing(**{"lag": 4, "horizon": 2} | fields)
