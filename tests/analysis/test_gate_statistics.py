"""Gates over time: constant gates, gates set by huge biases, padding and resets, and every cell of the catalog."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import network
from catalog import FLOAT64, every_registered_computation
from sequences import LENGTHS, RESETS, TIME, example, padded, run

from rnnjax import GRU, LRU, LSTM, InputError, Stack
from rnnjax.analysis import gate_activations, gate_statistics, saturation_figure, style

x64 = pytest.mark.usefixtures("x64")


def constant(cell, time=10):
    """A network whose gates see neither input nor state, only their biases."""
    cell, params, xs = network(cell, time)
    return cell, {name: leaf if name == "bias" else jnp.zeros_like(leaf) for name, leaf in params.items()}, xs


@x64
def test_constant_gates():
    """Without kernels a gate is sigmoid(b) in each step, and what it keeps is gone in 1 / (1 - sigmoid(b)) steps."""
    cell = LSTM(4, precision=FLOAT64)
    _, params, xs = constant(cell)
    found = gate_statistics(cell, params, xs, lengths=jnp.array([10, 3]), bins=7)
    assert tuple(found) == cell.gates
    for gate, bias in cell.split(params["bias"]).items():
        value = np.tanh(bias) if gate == "candidate" else jax.nn.sigmoid(bias)
        statistics = found[gate]
        np.testing.assert_allclose(statistics.mean, [value] * 2, rtol=1e-12)
        for row, steps in enumerate((10, 3)):
            expected = steps * np.histogram(value, statistics.edges)[0]
            np.testing.assert_array_equal(statistics.counts[row], expected)
    forget = np.asarray(found["forget"].mean)
    np.testing.assert_allclose(np.asarray(found["forget"].forget_time), 1 / (1 - forget), rtol=1e-12)
    assert found["input"].forget_time is None and found["candidate"].edges[0] == -1


@pytest.mark.parametrize(("bias", "left", "right"), [(50.0, 0, 1), (-50.0, 1, 0), (0.0, 0, 0), (-2.1, 0.0, 0.0)])
def test_gates_held_by_a_bias(bias, left, right):
    """Open, shut, half open, and just not shut: sigmoid(-2.1) is 0.109; tanh(-2.1) is below -0.8."""
    cell, params, xs = constant(GRU(3))
    params["bias"] = jnp.full_like(params["bias"], bias)
    for gate, statistics in gate_statistics(cell, params, xs).items():
        shut = 1.0 if gate == "candidate" and bias == -2.1 else left
        assert np.all(statistics.left == shut) and np.all(statistics.right == right)
        assert int(statistics.counts.sum()) == 2 * 10 * 3


def test_an_open_forget_gate_keeps_for_ever():
    cell, params, xs = constant(GRU(3))
    params["bias"] = jnp.full_like(params["bias"], 50.0)
    assert np.all(np.asarray(gate_statistics(cell, params, xs)["update"].forget_time) == np.inf)


@x64
def test_shares_and_means_are_over_valid_steps():
    cell, params, xs = network(LSTM(3, precision=FLOAT64), 40)
    xs, lengths = 5 * xs, np.array([40, 13])
    found = gate_statistics(cell, params, xs, lengths=lengths)
    activations = gate_activations(cell, params, xs, lengths=lengths)
    for gate, values in activations.items():
        statistics, low = found[gate], -1.0 if gate == "candidate" else 0.0
        for row, length in enumerate(lengths):
            assert np.all(np.isnan(values[row, length:]))
            valid = np.asarray(values[row, :length])
            np.testing.assert_allclose(statistics.mean[row], valid.mean(0), rtol=1e-12)
            np.testing.assert_allclose(statistics.left[row], (valid < low + 0.1 * (1 - low)).mean(0), rtol=1e-12)
            np.testing.assert_allclose(statistics.right[row], (valid > 1 - 0.1 * (1 - low)).mean(0), rtol=1e-12)
            assert statistics.counts[row].sum() == valid.size


@x64
@every_registered_computation
def test_activations_are_those_of_each_step(entry):
    """At each valid step they are `gate_values` of the state before it, the initial one at a reset."""
    cell, params, xs, carry, key = example(entry)
    if not cell.gates:
        with pytest.raises(InputError, match="a cell with gates"):
            gate_activations(cell, params, xs)
        return
    found = gate_activations(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS, key=key)
    assert tuple(found) == cell.gates
    _, _, carries = run(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS, key=key, return_carries=True)
    weights = cell.prepare(params, key=key, batch_shape=xs.shape[:1] + xs.shape[2:-1])
    initial = cell.initial_carry(xs.shape[2:-1])
    row, steps = 0, (0, 3, 5)
    for t in steps:
        before = jax.tree.map(lambda leaf: leaf[row], carry)
        if t:
            before = jax.tree.map(lambda leaf: leaf[row, t - 1], carries)  # noqa: B023
        before = initial if RESETS[row, t] else before
        expected = cell.gate_values(weights, before, cell.project(weights, xs[row, t]))
        for gate, values in found.items():
            np.testing.assert_allclose(values[row, t], expected[gate], rtol=1e-9, atol=1e-12)
    for values in found.values():
        there = ~np.isnan(np.asarray(values)).reshape(len(LENGTHS), TIME, -1).any(-1)
        np.testing.assert_array_equal(there, ~padded())


@x64
def test_layers_of_a_stack():
    """Each layer is seen on the outputs of the one below it; layers without gates have none."""
    cell = Stack((LSTM(4, precision=FLOAT64), LRU(4, precision=FLOAT64), GRU(3, precision=FLOAT64)))
    cell, params, xs = network(cell, 6)
    lengths, carry = jnp.array([6, 4]), jax.tree.map(lambda leaf: leaf + 0.5, cell.initial_carry((2,)))
    found = gate_activations(cell, params, xs, carry, lengths=lengths)
    assert list(found) == [f"layer_0/{gate}" for gate in LSTM.gates] + [f"layer_2/{gate}" for gate in GRU.gates]
    _, below = run(Stack(cell.cells[:2]), {name: params[name] for name in ("layer_0", "layer_1")}, xs, carry[:2])
    above = gate_activations(cell.cells[2], params["layer_2"], below, carry[2], lengths=lengths)
    np.testing.assert_allclose(found["layer_2/update"], above["update"], rtol=1e-12)
    statistics = gate_statistics(cell, params, xs, carry, lengths=lengths)
    assert statistics["layer_0/forget"].forget_time is not None and statistics["layer_0/candidate"].edges[0] == -1
    with pytest.raises(InputError, match="params"):
        gate_activations(cell, params["layer_0"], xs)


def test_nan_shows():
    """A state that is not a number makes a mean that is not a number, and is not taken for padding."""
    cell, params, xs = network(GRU(3), 6)
    found = gate_statistics(cell, params, xs.at[0, 3].set(jnp.nan))["update"]
    assert np.all(np.isnan(found.mean[0])) and np.all(np.isfinite(found.mean[1]))


@pytest.mark.parametrize("bins", [0, 1.5, True])
def test_arguments_are_checked(bins):
    with pytest.raises(InputError, match=r"bins: got .*, expected a positive int"):
        gate_statistics(*network(GRU(3), 6), bins=bins)
    with pytest.raises(InputError, match=r"cell: got LRU\(4\), expected a cell with gates"):
        gate_statistics(*network(LRU(4), 6))


def test_figure():
    cell, params, xs = network(LSTM(4), 10)
    found = gate_statistics(cell, params, xs, lengths=jnp.array([10, 0]))
    figure = saturation_figure(found, title="Title")
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(cell.gates)
    dots = np.asarray(figure.axes[1].lines[1].get_xydata())
    np.testing.assert_allclose(dots, np.stack([found["forget"].right[0], found["forget"].left[0]], 1))
    style.svg(figure)
    for count in (1, 6):
        style.svg(saturation_figure({f"gate_{index}": found["input"] for index in range(count)}))
    with pytest.raises(InputError, match="statistics"):
        saturation_figure({})
