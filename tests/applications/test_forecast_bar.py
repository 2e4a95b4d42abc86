"""The laptop preset beats plain forecasts on the test part of four known series; it needs the folder of data sets."""

import os
import pathlib

import pytest

from rnnjax.applications import Forecast
from rnnjax.commands.applications import laptop_of
from rnnjax.training import Config, load_trained, train

SERIES = {
    "AirPassengers": (
        "timeseries/AirPassengers.csv",
        dict(column="value", horizon=12, lag=12, season=12, transform="log"),
    ),
    "sunspots": (
        "timeseries/sunspots.csv",
        dict(column="value", horizon=12, lag=48, season=132, transform="sqrt", detrend="last"),
    ),
    "sunspots, one step": (
        "timeseries/sunspots.csv",
        dict(column="value", horizon=1, lag=48, transform="sqrt", detrend="last"),
    ),
    "vic_elec": (
        "timeseries/vic_elec.csv.gz",
        dict(column="Demand", inputs=("Temperature",), horizon=48, lag=96, season=48, cycles=(336,)),
    ),
    "ETTh1": ("ett/ETTh1.csv.gz", dict(column="OT", horizon=24, lag=48, season=24, detrend="last")),
}


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("name", SERIES)
def test_the_preset_beats_plain_forecasts(name, tmp_path):
    """RMSE and MAE below those of the seasonal naive forecast of each period, and of the last value."""
    place, options = SERIES[name]
    path = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / place
    if not os.environ.get("RNNJAX_DATA") or not path.is_file():
        pytest.skip(f"RNNJAX_DATA does not name a folder with {place}")
    application = Forecast(data=str(path), **options)
    preset = laptop_of("forecast")
    config = Config(application, preset.make_cell(), preset.make_optimizer(), **preset.budget())
    train(config, (0,), tmp_path / "run", quiet=True)
    trained = load_trained(tmp_path / "run")
    found = application.evaluate(trained.model, trained.params, "test").metrics
    plain = application.baseline("test")
    for metric in ("rmse", "mae"):
        others = [of for key, of in plain.items() if key == metric or key.endswith("_" + metric)]
        assert found[metric] < min(others)
