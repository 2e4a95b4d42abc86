"""Figures of forecasts: drawn from any values, the same each time."""

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import style
from rnnjax.analysis.figures_forecast import forecast_figure, horizon_error_figure

STEPS = np.arange(30)
WAVE = np.sin(STEPS / 3)
GAPS = np.where(STEPS % 7 == 0, np.nan, WAVE)


@pytest.mark.parametrize("interval", [None, (WAVE - 1, WAVE + 1), (GAPS - 1, GAPS + 1)])
@pytest.mark.parametrize("actual", [WAVE, GAPS, np.full(30, np.nan)])
def test_forecasts_of_any_values(interval, actual):
    figure = forecast_figure(STEPS, actual, WAVE, interval, baseline=GAPS, origins=STEPS[::10], ylabel="y", title="T")
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["actual", "forecast", "seasonal naive"] + (["90% interval"] if interval else [])
    assert style.svg(figure) == style.svg(figure)


def test_errors_by_the_step_ahead():
    figure = horizon_error_figure({"network": np.linspace(1, 2, 12), "last value": np.full(12, 3.0)})
    assert [text.get_text() for text in figure.axes[0].texts] == ["network", "last value"]
    assert figure.axes[0].get_ylim()[0] == 0
    style.svg(horizon_error_figure({"one step": [1.0]}))


def test_bad_values_are_one_error():
    for call in (
        lambda: forecast_figure([], [], []),
        lambda: forecast_figure(STEPS, WAVE[:3], WAVE),
        lambda: forecast_figure(STEPS, WAVE, WAVE, (WAVE, WAVE[:3])),
        lambda: horizon_error_figure({}),
        lambda: horizon_error_figure({"a": []}),
    ):
        with pytest.raises(InputError):
            call()
