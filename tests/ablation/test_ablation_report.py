"""The report of an ablation shows what is in its folder: all seeds, intervals, and no best of them."""

from __future__ import annotations

import math

import numpy as np
import pandas
import pytest
from ablation.made_up_grid import GRID, write_results

from rnnjax.ablation import Store, bootstrap, expand, figures, write_report
from rnnjax.ablation import report as module
from rnnjax.ablation.statistics import Estimate
from rnnjax.ablation.tables import write_tables
from rnnjax.analysis import wilson
from rnnjax.cli import main
from rnnjax.errors import InputError


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """`(store, planned)`: 27 settings of five seeds, all of them finished but for one run."""
    store, planned = Store(tmp_path_factory.mktemp("made_up") / "grid"), expand(GRID, range(5))
    write_results(store, planned, keep=lambda run: run is not planned[0])
    return store, planned


@pytest.fixture(scope="module")
def results(made_up):
    return module.results_of(*made_up)


def of(results, **settings):
    """The rows with these settings, by the last parts of the factors' names."""
    return [row for row in results.rows if all(str(row[f]).startswith(str(v)) for k, v in settings.items()
                                               for f in results.factors if f.endswith(k))]  # fmt: skip


def test_the_table_of_settings_has_all_runs_and_orders_by_the_interquartile_mean(results):
    header, lines = module.settings_table(results)
    assert header[:4] == ["length", "cell", "learning rate", "runs"] and len(lines) == 27
    assert sum(int(line[3]) for line in lines) == len(results.rows) == 134
    values = [math.inf if line[4] == "diverges" else float(line[4].split()[0]) for line in lines]
    assert values == sorted(values)
    line = next(line for line in lines if line[:3] == ["100", "GRU(4)", "0.001"])
    rows = of(results, length=100, cell="GRU", learning_rate=0.001)
    estimate, solved = bootstrap([row["best"] for row in rows]), sum(row["solved_at"] is not None for row in rows)
    assert line[4] == f"{estimate.value:.4g} ({estimate.lower:.4g} to {estimate.upper:.4g})"
    low, high = wilson(solved, 5)
    assert line[5] == f"{solved} ({low:.0%} to {high:.0%})"


def test_a_run_that_diverged_counts_as_the_worst(results):
    """Three of five: the setting has no mean. It is last, whatever the two others came to."""
    rows = of(results, cell="Elman", learning_rate=0.01)
    assert sum(row["diverged"] for row in rows) == 9
    assert results.estimate(rows[:5]).value == math.inf
    assert [line[4] for line in module.settings_table(results)[1][-3:]] == ["diverges"] * 3
    highest = results._replace(mode="max")
    assert highest.value(rows[0]) == -math.inf and highest.estimate(rows[:5]).value == -math.inf


def test_factors_are_what_differs_in_their_order(results):
    assert results.factors == ("task.length", "cell", "optimizer.learning_rate")
    assert list(results.by(["task.length"])) == [(50,), (100,), (200,)]
    back = results._replace(rows=results.rows[::-1])
    assert list(back.by(["task.length"])) == [(50,), (100,), (200,)] and back.values("cell")[0] == "Elman(4)"


def test_the_report_is_one_file_from_the_folder_alone(made_up, tmp_path, capsys):
    store, planned = made_up
    file = tmp_path / "page.html"
    assert main(["report", str(store.path), "--out", str(file)]) == 0
    text = file.read_text()
    assert "134 of 135 runs" in text and text.count("<svg") == 2 + 3 + 3 + 1
    for title in ("Settings, the best first", "Success against length", "Each factor", "Pairs of factors", "Learning"):
        assert f"<h2>{title}" in text, title
    assert not any(link in text for link in ('src="http', 'href="http', "<script"))
    assert str(file) in capsys.readouterr().out
    assert main(["report", str(store.path), "--out", str(tmp_path / "none" / "page.html")]) == 2
    assert "--out: got" in capsys.readouterr().err


def test_tables_have_a_row_a_run_with_configuration_metrics_and_time(made_up):
    store, planned = made_up
    write_tables(store)
    read = pandas.read_csv(store.path / "table.csv"), pandas.read_parquet(store.path / "table.parquet")
    for table in read:
        assert len(table) == 134 and table["run"].is_unique
        for run in planned[1:]:
            (row,) = table[table["run"] == run.name].to_dict("records")
            assert row["task.length"] == row["config.task.length"] == run.config.task.length
            assert row["config.optimizer.learning_rate"] == run.config.optimizer.learning_rate
            assert row["config.cell.type"] == type(run.config.cell).__name__ and row["seed"] == run.seed
            assert (row["compile_seconds"], row["run_seconds"]) == (1.0, 5.0) and row["best"] <= row["last_loss"]
    curves = pandas.read_parquet(store.path / "curves.parquet")
    assert set(curves["run"]) == {run.name for run in planned[1:]} and (curves["validation_loss"] > 0).all()


def axes_of(figure):
    return figure.get_axes()[0]


def test_a_factor_shows_every_run_and_counts_those_without_a_value():
    runs = {"a": [1.0, 2.0, math.inf], "b": [3.0, 4.0, 5.0]}
    estimates = {"a": Estimate(2.0, 1.0, math.inf, 3), "b": Estimate(4.0, 3.0, 5.0, 3)}
    axes = axes_of(figures.factor_figure("kind", runs, estimates, "loss"))
    drawn = [line.get_ydata().tolist() for line in axes.lines]
    assert drawn == [[1.0, 2.0], [2.0, 2.0], [3.0, 4.0, 5.0], [4.0, 4.0]]
    assert [text.get_text() for text in axes.texts] == ["1 of 3 diverged"]
    ends = [collection.get_segments()[0][:, 1].tolist() for collection in axes.collections]
    assert ends == [[3.0, 5.0]]  # no bar to infinity


def test_a_pair_shows_its_numbers_where_they_belong():
    values = np.array([[0.1, np.nan, 3.0], [np.inf, 20.0, 500.0]])
    axes = axes_of(figures.pair_figure("one", "other", ["x", "y", "z"], ["u", "v"], values, "loss", log=True))
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "0.1", (2, 0): "3", (0, 1): "diverged", (1, 1): "20", (2, 1): "500"}
    np.testing.assert_array_equal(axes.images[0].get_array().filled(-1), np.where(np.isfinite(values), values, -1))
    figures.pair_figure("one", "other", ["x"], ["u"], np.array([[np.inf]]), "loss")  # nothing to scale by


def test_curves_have_bands_that_hold_their_line():
    values = np.array([[4.0, 2.0, 1.0], [5.0, 3.0, 2.0], [6.0, 4.0, np.inf], [5.0, 2.0, np.inf]])
    axes = axes_of(figures.bands_figure({"a": values}, np.array([10, 20, 30]), "loss"))
    middle = axes.lines[0].get_ydata()
    assert middle[:2].tolist() == [5.0, 2.5] and math.isnan(middle[2])
    band = axes.collections[0].get_paths()[0].vertices
    for at, value in zip((10, 20), middle, strict=False):
        heights = band[band[:, 0] == at, 1]
        assert heights.min() <= value <= heights.max() and heights.max() > heights.min()


def test_a_stopped_run_keeps_its_last_value_and_a_diverged_one_the_worst():
    steps = [10, 20, 30]
    assert module._held({10: 2.0, 20: 1.0}, {"diverged": False}, steps, math.inf) == [2.0, 1.0, 1.0]
    assert module._held({10: 2.0, 20: None}, {"diverged": True}, steps, math.inf) == [2.0, math.inf, math.inf]
    assert module._held({10: 2.0}, {"diverged": True}, steps, -math.inf) == [2.0, -math.inf, -math.inf]


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(InputError, match="ablation folder: got"):
        write_report(tmp_path)
    store, planned = Store(tmp_path / "grid"), expand(GRID, (0,))
    with store.opened(planned):
        pass
    with pytest.raises(InputError, match="expected one with at least one finished run"):
        write_report(store.path)
    store.grid.write_text("{}")
    with pytest.raises(InputError, match=r"expected a folder with a whole grid\.json"):
        write_report(store.path)
