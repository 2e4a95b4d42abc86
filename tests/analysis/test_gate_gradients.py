"""Gradients of gates: a tanh unit in closed form, and the gradients that their biases receive."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network
from catalog import FLOAT64, REGISTERED, Entry
from sequences import TIME, example, weighed

from rnnjax import LRU, CfC, Elman, InputError, MinGRU, unroll
from rnnjax.analysis import gate_gradients, gradient_flow, gradient_shares

x64 = pytest.mark.usefixtures("x64")
_gates_of = jax.jit(gate_gradients, static_argnames=("cell", "loss"))
_shares_of = jax.jit(gradient_shares, static_argnames=("cell", "loss"))


def everything(ys, carry):
    """A loss that every output and every part of the final state has a say in."""
    return weighed((ys, carry), jnp.ones(len(ys)))


@x64
def test_a_tanh_unit():
    """h' = tanh(a) has dL/da_t = (1 - h_t^2) dL/dh_t."""
    cell, params, xs = network(Elman(1, precision=FLOAT64), 30)
    found = gate_gradients(cell, params, xs)
    assert list(found) == ["candidate"] and found["candidate"].shape == (2, 30)
    _, ys = unroll(cell, params, xs)
    expected = gradient_flow(cell, params, xs).log_norms + jnp.log1p(-(ys[..., 0] ** 2))
    np.testing.assert_allclose(found["candidate"], expected, rtol=1e-10, atol=1e-12)


@x64
def test_far_below_the_range_of_floats():
    """In a linear network the pre-activation is the state."""
    network = linear(0.5 * np.eye(4), 1500)
    found, flow = gate_gradients(*network), gradient_flow(*network)
    np.testing.assert_allclose(found["candidate"], flow.log_norms, rtol=1e-12)


BRIEF = ("lstm",)


def cases():
    marks = [pytest.mark.exhaustive, pytest.mark.slow]
    return [pytest.param(entry, id=str(entry), marks=[] if entry.name in BRIEF else marks) for entry in REGISTERED]


@x64
@pytest.mark.parametrize("entry", cases())
def test_a_bias_receives_the_gradient_of_its_gate(entry: Entry):
    """What step t of a single row gives to the bias of a gate is dL/da_t itself, where a_t = ... + b."""
    cell, params, xs, carry, _ = example(entry, batch_shape=(1,))
    if not cell.gates:
        with pytest.raises(InputError, match="a cell with gates"):
            gate_gradients(cell, params, xs)
        return
    resets = jnp.zeros((1, TIME), bool).at[0, 2].set(True)
    given = dict(lengths=jnp.array([TIME - 1]), resets=resets)
    found = _gates_of(cell, params, xs, everything, carry, **given)
    assert set(found) == set(cell.gates)
    for logs in found.values():
        assert logs.shape == (1, TIME) and not np.any(np.isnan(logs)) and np.isneginf(logs[0, -1])
    gates = with_a_bias(entry, cell, params, xs)
    if not gates:
        return
    shares = _shares_of(cell, params, xs, everything, carry, **given)
    norms, alone = shares.log_block_norms, len(cell.gates) == 1
    if "bias" in norms and not alone:
        return  # it has blocks for some gates only, and is not taken apart
    for gate in gates:
        block = norms["bias" if alone else f"bias/{gate}"]
        np.testing.assert_allclose(np.exp(found[gate][0]), np.exp(block), rtol=1e-9, atol=1e-14)


def with_a_bias(entry, cell, params, xs) -> list[str]:
    """The gates to whose drive a bias is added, as it is and once a row."""
    if "bias" not in params or cell.spatial_axes:
        return []
    if entry.name == "mogrifier_lstm":  # it is added in the step
        return list(cell.gates)
    drives = []
    for by in (0.0, 1.0):
        drive = cell.project(cell.prepare(params | {"bias": params["bias"] + by}, batch_shape=(1,)), xs)
        drives.append(drive if isinstance(drive, dict) else {cell.gates[0]: drive})
    before, after = drives
    return [gate for gate in cell.gates if gate in before and np.allclose(after[gate] - before[gate], 1)]


@x64
@pytest.mark.exhaustive
@pytest.mark.slow
def test_gates_that_inputs_reach_together():
    """Of CfC: tanh(a), tanh(b) and sigmoid(r dt + s); its head bias receives the gradients of a, b, r and s."""
    cell, params, xs = network(CfC(3, precision=FLOAT64), 6, (1,), in_features=4)
    found = {gate: np.exp(logs[0]) for gate, logs in gate_gradients(cell, params, xs).items()}
    whole = np.exp(gradient_shares(cell, params, xs).log_block_norms["head_bias"])
    elapsed = cell.project(params, xs)["elapsed"][0, :, 0]
    by_part = found["candidate"] ** 2 + found["late_candidate"] ** 2 + (1 + elapsed**2) * found["time"] ** 2
    np.testing.assert_allclose(np.sqrt(by_part), whole, rtol=1e-10)


def test_errors_name_the_argument():
    with pytest.raises(InputError, match=r"cell: got LRU\(4\), expected a cell with gates"):
        gate_gradients(*network(LRU(4), 6))
    with pytest.raises(InputError, match=r"loss: got shape \(2,\)"):
        gate_gradients(*network(MinGRU(4), 6), lambda ys, carry: ys[:, -1, 0])
