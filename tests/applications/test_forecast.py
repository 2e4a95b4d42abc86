"""Forecasts of made-up series: no leak, figures by hand, better than naive where there is something to learn."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.applications import Forecast, get
from rnnjax.applications.forecast_answers import naive_forecasts
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, train

ROWS, SEASON = 160, 8


def growing(rows=ROWS):
    """A season that grows by a tenth each time, and another column."""
    time = np.arange(rows)
    values = (20 + 8 * np.sin(2 * np.pi * time / SEASON)) * 1.1 ** (time / SEASON)
    return values, np.cos(time)


def write(path, values, other, missing=()):
    cells = ["" if row in missing else f"{value!r}" for row, value in enumerate(values.tolist())]
    lines = [f"{row},{cell},{beside!r}" for row, (cell, beside) in enumerate(zip(cells, other.tolist(), strict=True))]
    path.write_text("\n".join(["t,y,x", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("series") / "growing.csv", *growing())


def forecast(file, **options):
    given = {"column": "y", "horizon": 4, "lag": 8, "season": SEASON, "width": 8}
    return Forecast(data=str(file), **given | options)


@pytest.fixture(scope="module")
def direct(file):
    """An application with everything on, its model, and parameters away from their start."""
    application = forecast(file, inputs=("x",), transform="log", cycles=(4,), linear=2, attention="additive")
    return application, *started(application)


def started(application, cell=None):
    model = application.model(cell or Elman(3))
    batch = application.batches(2, 0)[0]
    params = jax.jit(model.init)(jax.random.key(0), batch.inputs, batch.lengths)["params"]
    leaves, tree = jax.tree.flatten(params)
    return model, tree.unflatten([leaf + 0.05 for leaf in leaves])


def test_an_untrained_model_is_the_seasonal_naive_forecast(file):
    """All figures of the baseline are those of a model whose readout is zero."""
    application = forecast(file, transform="log", calibrate=False)
    model = application.model(Elman(3))
    batch = application.batches(2, 0)[0]
    params = jax.jit(model.init)(jax.random.key(0), batch.inputs, batch.lengths)["params"]
    found, plain = application.evaluate(model, params, "test").metrics, application.baseline("test")
    for name in ("rmse", "mae", "mase"):
        assert found[name] == pytest.approx(plain[name], rel=1e-4)


def test_figures_are_those_of_the_definition(direct):
    """RMSE, MAE and MASE, and those of the naive forecast, from the values of the file alone."""
    application, model, params = direct
    values, _ = growing()
    evaluation = application.evaluate(model, params, "test")
    origins = np.arange(round(0.8 * ROWS), ROWS - 3)
    targets = np.stack([values[origin : origin + 4] for origin in origins])
    middle = np.stack(evaluation.answers)[..., 1]
    scale = np.mean(np.abs(values[SEASON:112] - values[: 112 - SEASON]))
    errors = np.abs(middle - targets)
    assert evaluation.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-9)
    assert evaluation.metrics["mae"] == pytest.approx(errors.mean(), rel=1e-9)
    assert evaluation.metrics["mase"] == pytest.approx(errors.mean() / scale, rel=1e-9)
    naive = np.stack([values[origin - SEASON : origin - SEASON + 4] for origin in origins])
    assert application.baseline("test")["mae"] == pytest.approx(np.abs(naive - targets).mean(), rel=1e-9)
    last = values[origins - 1][:, None]
    assert application.baseline("test")["last_value_mae"] == pytest.approx(np.abs(last - targets).mean(), rel=1e-9)


def test_the_loss_is_the_pinball_loss_of_scaled_targets(direct):
    application, model, params = direct
    batch = application.collate(application.examples("test")[:3], 8)
    outputs = np.asarray(model.apply({"params": params}, batch.inputs, batch.lengths)[1])
    errors = batch.targets[..., None] - outputs
    levels = np.array([0.05, 0.5, 0.95])
    expected = np.mean(np.maximum(levels * errors, (levels - 1) * errors))
    assert float(application.loss(outputs, batch)) == pytest.approx(expected, rel=1e-5)
    hidden = batch._replace(mask=np.zeros_like(batch.mask), targets=np.full_like(batch.targets, np.nan))
    assert float(application.loss(outputs, hidden)) == 0


def test_the_test_part_changes_nothing_that_is_fitted(direct, file, tmp_path):
    application = direct[0]
    values, other = growing()
    values[112:] *= 7
    changed = dataclasses.replace(application, data=str(write(tmp_path / "changed.csv", values, other)))
    assert changed.fit_data() == application.fit_data()


def test_what_was_fitted_survives_json(direct, tmp_path):
    """Read back from a run's folder, it makes the same batches, without the training data."""
    application, model, params = direct
    (tmp_path / "prepared.json").write_text(json.dumps(application.record()))
    alone = dataclasses.replace(application, data="", prepared=str(tmp_path))
    examples = application.examples("test")[:2]
    one, two = application.collate(examples, 8), alone.collate(examples, 8)
    jax.tree.map(np.testing.assert_array_equal, one, two)
    assert alone.predict(model, params, examples) == dataclasses.replace(alone, calibrate=False).predict(
        model, params, examples
    )


def test_a_prediction_begins_where_the_file_ends(direct, file, tmp_path):
    """The forecast after the first rows of a file is that of the window whose origin lies there."""
    application, model, params = direct
    examples = application.examples("test")
    place, origin = 5, examples[5].origin
    values, other = growing()
    path = write(tmp_path / "shorter.csv", values[:origin], other[:origin])
    rows = application.predict(model, params, application.read_inputs(str(path)))
    answer = application.evaluate(model, params, "test").answers[place]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    np.testing.assert_allclose([[row["low"], row["forecast"], row["high"]] for row in rows], answer, rtol=1e-5)


def test_calibrated_intervals_cover_the_validation_part(direct):
    """As many of its values as were asked for, at the least, and they hold the forecast."""
    application, model, params = direct
    found = application.evaluate(model, params, "test").answers
    assert all((row[:, 0] <= row[:, 1]).all() and (row[:, 1] <= row[:, 2]).all() for row in found)
    from rnnjax.applications.forecast_answers import calibrated

    known = application.evaluate(model, params, "validation")
    widened = calibrated(application, model, params, known.answers, 64)
    assert application.score(widened, application.examples("validation"))["coverage"] >= application.coverage


def test_recursive_forecasts_take_each_step_for_its_value(file, tmp_path):
    """Two steps at once are one step, written into the file, and another one."""
    application = forecast(file, strategy="recursive", horizon=2, objective="squared", detrend="last", calibrate=False)
    model, params = started(application)
    values, other = growing()
    both = application.predict(model, params, application.read_inputs(str(file)))
    assert [row["step"] for row in both] == [1, 2] and set(both[0]) == {"step", "forecast"}
    longer = write(tmp_path / "longer.csv", np.append(values, both[0]["forecast"]), np.append(other, 0.0))
    again = application.predict(model, params, application.read_inputs(str(longer)))
    assert again[0]["forecast"] == pytest.approx(both[1]["forecast"], rel=1e-5)


def test_missing_values_are_masked_not_scored(tmp_path):
    """Where they are asked to be; else they are an error with file and line."""
    values, other = growing()
    gone = {3, 20, 21, 22, 23, 24, 130, 150}
    path = write(tmp_path / "gaps.csv", values, other, gone)
    with pytest.raises(InputError, match=r"gaps\.csv, line 5"):
        forecast(path).examples("train")
    application = forecast(path, missing="mask", transform="log")
    batch = application.collate(list(application.examples("test")), 8)
    assert 0 < batch.mask.sum() < batch.mask.size and np.isfinite(batch.targets).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(batch.inputs))
    model, params = started(application)
    assert np.isfinite(list(application.evaluate(model, params, "test").metrics.values())).all()
    assert all(np.isfinite(forecasts).all() for forecasts in naive_forecasts(application).values())


def test_a_small_network_learns_the_growth(file, tmp_path):
    """Which the seasonal naive forecast does not know: less than a third of its error, of all rows ahead."""
    application = forecast(file, transform="log", horizon=2)
    config = Config(application, Elman(4), Optimizer(learning_rate=0.02), steps=60, batch_size=16, evaluate_every=30)
    state = train(config, (0,), quiet=True).state
    params = jax.tree.map(lambda leaf: leaf[0], state.params)
    found, plain = application.evaluate(application.model(Elman(4)), params, "test").metrics, application.baseline()
    assert found["mae"] < plain["mae"] / 3 and found["rmse"] < plain["rmse"] / 3
    sections = application.figures(application.model(Elman(4)), params)
    assert len(sections[0].figures) == 2 and [row[0] for row in sections[0].tables[0][1]][:2] == [
        "network",
        "seasonal naive",
    ]


def test_the_registry_has_it():
    assert get("forecast", column="y").column == "y"


@pytest.mark.parametrize(
    "options",
    [
        {"horizon": 0},
        {"lag": 0},
        {"season": 0},
        {"cycles": (1,)},
        {"detrend": "mean"},
        {"transform": "exp"},
        {"strategy": "beam"},
        {"objective": "nll"},
        {"attention": "dot"},
        {"coverage": 1.0},
        {"linear": 99},
        {"attention": "multi_head", "width": 6},
        {"head_dropout": 1.0},
        {"missing": "drop"},
        {"tfds": "ett"},
    ],
)
def test_bad_options_are_one_error(file, options):
    with pytest.raises(InputError, match=next(iter(options)) if len(options) == 1 else "width"):
        forecast(file, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"column": "z"}, "column: got 'z'"),
        ({"column": ""}, "column"),
        ({"lag": 110}, "train part"),
        ({"column": "x", "transform": "log"}, "values above zero"),
        ({"splits": (200, 10, 10)}, "splits"),
    ],
)
def test_a_file_that_does_not_fit_is_one_error(file, options, words):
    with pytest.raises(InputError, match=words):
        forecast(file, **options).examples("train")


def test_inputs_that_are_too_short_are_one_error(direct, tmp_path):
    values, other = growing(10)
    with pytest.raises(InputError, match="--input"):
        direct[0].read_inputs(str(write(tmp_path / "short.csv", values, other)))
