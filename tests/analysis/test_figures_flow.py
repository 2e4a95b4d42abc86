"""Figures of flows over training, gates, parameters and steps: they show the data, whatever the data are."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import (
    GateStatistics,
    GradientShares,
    StepSpectra,
    flow_over_training_figure,
    forget_times_figure,
    gate_gradients_figure,
    gate_histograms_figure,
    gates_over_training_figure,
    gradient_shares_figure,
    parameter_gradients_figure,
    step_spectra_figure,
    style,
)

TIME, UPDATES = 30, np.array([0, 10, 100, 1000])
RNG = np.random.default_rng(0)
FALL = -0.3 * np.arange(TIME)[::-1]
ODD = {"zero": -np.inf, "nan": np.nan, "inf": np.inf}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible() and axes.get_title(loc="left")]


# --- flows -------------------------------------------------------------------------------------------------------


def test_flow_over_training_shows_the_median_by_lag():
    rates = np.array([1.0, 2.0, 3.0, 4.0])
    logs = np.log(10) * rates[:, None, None] * FALL + 0.0 * RNG.standard_normal((4, 3, TIME))
    figure = flow_over_training_figure({"LSTM": logs, "tanh": 0.5 * logs}, UPDATES, title="Title", floor=-10)
    assert titles(figure) == ["LSTM", "tanh"]
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(4, TIME)
    np.testing.assert_allclose(shown, -rates[:, None] * 0.3 * np.arange(TIME), atol=1e-12)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0", "10", "100", "1,000"]
    assert figure.axes[0].collections[0].get_clim() == (-10, 0)
    assert style.svg(figure) == style.svg(figure)


def test_flow_over_training_of_any_values():
    flows = {}
    for name, value in ODD.items():
        flows[name] = np.broadcast_to(FALL, (4, 2, TIME)).copy()
        flows[name][1] = flows[name][2, :, : TIME // 2] = value
    assert len(flow_over_training_figure(flows, UPDATES, relative=True).axes) == 4
    flow_over_training_figure({"zero": np.full((4, TIME), -np.inf)}, UPDATES)


def test_gates_keep_their_colours():
    gates = {"input": FALL, "forget": np.stack([FALL, 2 * FALL])}
    figure = gate_gradients_figure({"LSTM": gates, "other": {"forget": np.where(FALL < -4, -np.inf, FALL)}})
    assert titles(figure) == ["LSTM", "other"]
    first, second = figure.axes
    lines = [line for line in first.lines if len(line.get_xdata()) == TIME]
    np.testing.assert_allclose(lines[0].get_ydata(), FALL[::-1] / np.log(10))
    assert second.lines[0].get_color() == lines[1].get_color() != lines[0].get_color()
    style.svg(figure)
    gate_gradients_figure({name: {"write": np.full(TIME, value)} for name, value in ODD.items()})


def spectra(scale: float) -> StepSpectra:
    radius = scale * RNG.standard_normal((3, TIME))
    return StepSpectra(radius, radius + 0.1, 4 * radius)


def test_step_spectra():
    found = spectra(0.1)
    figure = step_spectra_figure({"GRU": found, "other": spectra(0.2)}, title="Title")
    middle = figure.axes[1].lines[1]
    expected = np.sort(np.exp(found.log_norm), axis=0)[1]
    np.testing.assert_allclose(middle.get_ydata(), expected)
    odd = {name: StepSpectra(*(np.full((2, TIME), value) for _ in range(3))) for name, value in ODD.items()}
    assert np.all(np.isfinite(step_spectra_figure(odd).axes[2].get_ylim()))


# --- parameters --------------------------------------------------------------------------------------------------


def shares(rows: int = 2) -> GradientShares:
    signed = np.broadcast_to(0.5 ** np.arange(1.0, TIME + 1)[::-1] / rows, (rows, TIME))
    return GradientShares(signed, FALL, {}, 1.0, {})


def test_shares_are_summed_from_the_loss_backwards():
    figure = gradient_shares_figure({"a": shares()}, title="Title")
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), (FALL[::-1] - 1) / np.log(10))
    np.testing.assert_allclose(right.lines[0].get_ydata(), 1 - 0.5 ** np.arange(1.0, TIME + 1), rtol=1e-12)
    ragged = shares()._replace(shares=np.where(np.arange(TIME) < [[TIME], [10]], 0.1, 0.0))
    summed = gradient_shares_figure({"a": ragged}).axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(np.diff(summed), np.where(np.arange(1, TIME) < 10, 0.2, 0.1))
    nan = np.full(TIME, np.nan)
    odd = {name: GradientShares(nan, np.full(TIME, value), {}, value, {}) for name, value in ODD.items()}
    style.svg(gradient_shares_figure({**odd, "a": shares()}))


BLOCKS: dict[str, Any] = {
    "bias/input": -1.0, "bias/forget": -2.0, "kernel/input": 0.0, "kernel/forget": -np.inf, "peephole": 1.0,
    "layer_0/kernel": np.nan, "layer_0/bias": 0.5, "cell/gain": 2.0,
}  # fmt: skip


def test_parameters_by_leaf_and_gate():
    figure = parameter_gradients_figure(BLOCKS, title="Title")
    (axes,) = figure.axes
    leaves = [label.get_text() for label in axes.get_yticklabels()]
    assert leaves == ["bias", "kernel", "peephole", "layer 0/kernel", "layer 0/bias", "cell/gain"]
    assert [float(line.get_xdata()[0]) for line in axes.lines[:2]] == [-1 / np.log(10), -2 / np.log(10)]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["input", "forget"]
    parameter_gradients_figure({"kernel": -np.inf})
    over = {name: value + np.zeros(4) for name, value in BLOCKS.items()}
    figure = parameter_gradients_figure(over, UPDATES)
    assert titles(figure) == leaves


# --- gates -------------------------------------------------------------------------------------------------------


def statistics(leading: tuple[int, ...], low: float = 0.0, forget: float | None = None) -> GateStatistics:
    edges = np.broadcast_to(np.linspace(low, 1, 11), (*leading, 11))
    counts = RNG.integers(0, 9, (*leading, 2, 10))
    mean = RNG.uniform(0.1, 0.9, (*leading, 2, 5))
    return GateStatistics(mean, mean, mean, None if forget is None else forget / (1 - mean), counts, edges)


def test_histograms_of_gates():
    found = {"forget": statistics((), forget=1.0), "candidate": statistics((), -1.0)}
    figure = gate_histograms_figure(found, title="Title")
    assert titles(figure) == ["forget", "candidate"]
    counts = np.sum(found["forget"].counts, axis=0)
    np.testing.assert_allclose(figure.axes[0].patches[-1].get_data().values, counts / counts.sum())
    style.svg(figure)
    style.svg(
        gate_histograms_figure({f"gate_{i}": statistics(())._replace(counts=np.zeros((2, 10))) for i in range(5)})
    )
    with pytest.raises(InputError, match=r"statistics\['forget'\]: got .*, expected statistics of one network"):
        gate_histograms_figure({"forget": statistics((4,))})


def test_gates_over_training():
    found = {"forget": statistics((4,), forget=1.0), "candidate": statistics((4,), -1.0), "out_gate": statistics((4,))}
    figure = gates_over_training_figure(found, UPDATES, title="Title")
    assert titles(figure) == ["forget", "candidate", "out gate"]
    counts = np.sum(found["forget"].counts, axis=1)
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(10, 4)
    np.testing.assert_allclose(shown, (counts / counts.sum(-1, keepdims=True)).T)
    with pytest.raises(InputError, match="updates: got"):
        gates_over_training_figure(found, UPDATES[:3])


def test_forget_times():
    found = {"forget": statistics((4,), forget=1.0), "candidate": statistics((4,), -1.0)}
    forever = {"update": found["forget"]._replace(forget_time=np.full((4, 2, 5), np.inf))}
    figure = forget_times_figure({"LSTM": found, "for ever": forever}, UPDATES, title="Title")
    middle = np.sort(np.log10(found["forget"].forget_time).reshape(4, -1), axis=1)[:, 4:6]
    line = np.asarray(figure.axes[0].lines[0].get_ydata())
    assert np.all((line >= middle[:, 0] - 1e-12) & (line <= middle[:, 1] + 1e-12))
    style.svg(figure)
    with pytest.raises(InputError, match=r"statistics\['GRU'\]: got .*, expected a gate that keeps the state"):
        forget_times_figure({"GRU": {"candidate": found["candidate"]}}, UPDATES)


def test_errors_name_the_argument():
    for draw in (gate_gradients_figure, gradient_shares_figure, parameter_gradients_figure, step_spectra_figure,
                 gate_histograms_figure):  # fmt: skip
        with pytest.raises(InputError, match="a mapping from name to data"):
            draw({})
    for draw in (flow_over_training_figure, gates_over_training_figure, forget_times_figure):
        with pytest.raises(InputError, match="a mapping from name to data"):
            draw({}, UPDATES)
    with pytest.raises(InputError, match=r"flows\['a'\]: got shape \(3, 30\)"):
        flow_over_training_figure({"a": np.zeros((3, TIME))}, UPDATES)
    with pytest.raises(InputError, match=r"blocks\['bias'\]: got shape \(3,\)"):
        parameter_gradients_figure({"bias": np.zeros(3)}, UPDATES)
