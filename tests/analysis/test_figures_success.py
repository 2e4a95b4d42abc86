"""Figures of success are drawn for any outcome, and say what was not solved."""

import warnings

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import style
from rnnjax.analysis.figures_success import success_figure, updates_figure


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


LENGTHS = (100, 50, 200)
UPDATES = [[400, None, 500], [100, 200, 300], [None, np.nan, None]]


def test_rates_lie_within_their_intervals():
    figure = success_figure({"LSTM": (LENGTHS, (2, 3, 0), 3), "GRU": ([50], [1], [4])})
    (axes,) = figure.axes
    line = axes.lines[0]
    assert list(line.get_ydata()) == [1.0, 2 / 3, 0.0]  # by length
    bars = [segment[:, 1] for segment in axes.collections[0].get_segments()]
    assert all(low <= rate <= high for (low, high), rate in zip(bars, line.get_ydata(), strict=True))
    assert [label.get_text() for label in axes.get_legend().get_texts()] == ["LSTM", "GRU"]
    style.svg(figure)


def test_panels_share_their_colours():
    figure = success_figure(
        {"a": {"SGD": ([10], [1], 3)}, "b": {"SGD-C": ([10], [1], 3), "SGD": ([10], [0], 3)}}, panels=True
    )
    first, second = figure.axes
    assert first.get_title("left") == "a" and first.lines[0].get_color() == second.lines[1].get_color()


def test_updates_and_what_was_not_solved():
    figure = updates_figure({"LSTM": (LENGTHS, UPDATES), "never": ([50], [[None]])})
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [200, 500, np.nan])  # medians, by length
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1 unsolved", "3 unsolved", "1 unsolved"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    style.svg(figure)


def test_the_median_of_two_lies_between_them():
    figure = updates_figure({"LSTM": (LENGTHS, [[400, 600], [100, None], [None, None]])})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [np.nan, 500, np.nan])


@pytest.mark.parametrize(
    ("draw", "series"),
    [
        (success_figure, {}),
        (success_figure, {"a": ([10, 20], [1], 3)}),
        (success_figure, {"a": ([], [], 3)}),
        (success_figure, {"a": ([10], [4], 3)}),
        (updates_figure, {"a": ([10, 20], [[1]])}),
        (updates_figure, {"a": ([0], [[1]])}),
    ],
)
def test_what_does_not_fit_is_refused(draw, series):
    with pytest.raises(InputError):
        draw(series)
