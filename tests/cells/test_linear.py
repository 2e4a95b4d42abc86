"""Linear recurrences: where they start, what they are special cases of, and how long they remember."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import assert_same, drawn_like

from rnnjax import FFM, S4D, DeltaNet, GatedDeltaNet, GatedLinearAttention, InputError, LinearAttention, Mamba, unroll
from rnnjax.cell import abstract_params
from rnnjax.initializers import Constant

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


# --- where they start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spectrum", ["lin", "inv", "legs"])
def test_eigenvalues_of_s4d(spectrum):
    """Real parts are -1/2 and imaginary ones those of the paper, each feature alike, with its own step size."""
    params = S4D(3, state_features=8, spectrum=spectrum).init(KEY, 3)
    np.testing.assert_allclose(-np.exp(params["eigenvalue_real_log"]), -0.5, rtol=1e-6)
    n = np.arange(8)
    if spectrum == "legs":  # S: the HiPPO-LegS matrix and its part of rank one, half of a skew-symmetric rest
        i, j = np.indices((16, 16))
        legs = -np.where(i > j, np.sqrt((2 * i + 1) * (2 * j + 1)), np.where(i == j, i + 1, 0))
        normal = legs + 0.5 * np.sqrt((2 * i + 1) * (2 * j + 1))
        expected = np.sort(np.imag(np.linalg.eigvals(normal)))[8:]
    else:
        expected = np.pi * n if spectrum == "lin" else 16 / np.pi * (16 / (2 * n + 1) - 1)
    for row in params["eigenvalue_imag"]:
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)
    assert len(np.unique(params["log_step"])) == 3


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_step_sizes_are_log_uniform(cls):
    """Step sizes lie between the two bounds, their logarithms spread evenly."""
    params = cls(2000, state_features=1, dt_min=0.01, dt_max=0.1).init(KEY, 2000)
    bias = params["log_step"] if cls is S4D else np.log(jax.nn.softplus(params["step_bias"]))
    shares = (np.asarray(bias) - np.log(0.01)) / np.log(10)
    assert shares.min() > -1e-4 and shares.max() < 1 + 1e-4
    assert abs(shares.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 2000)


def test_mamba_starts_as_in_the_authors_code():
    """A = -1 ... -n, D = 1, and kernels uniform within the roots of their rows."""
    params = Mamba(48, state_features=5).init(KEY, 48)
    np.testing.assert_allclose(np.exp(params["decay_log"]), np.tile(np.arange(1, 6), (48, 1)), rtol=1e-6)
    assert np.all(params["skip"] == 1) and params["kernel"].shape == (48, 3 + 2 * 5)
    for name, rows in (("kernel", 48), ("step_kernel", 3)):
        largest = np.abs(params[name]).max()
        assert 0.95 * rows**-0.5 < largest <= rows**-0.5
    assert "input_kernel" not in params and Mamba(48).init(KEY, 7)["input_kernel"].shape == (7, 48)


def test_ffm_starts_as_in_the_authors_code():
    """Rates from what 1024 steps in double precision admit to a hundredth left at the longest period."""
    params = FFM(4, memory_features=7, context_features=3, min_period=2.0, max_period=100.0).init(KEY, 5)
    rates = np.exp(params["rate_log"])
    np.testing.assert_allclose(np.diff(rates, 2), 0, atol=1e-6)
    np.testing.assert_allclose([rates[0], np.exp(-100 * rates[-1])], [np.log(2) - 0.02, 0.01], rtol=1e-4)
    np.testing.assert_allclose(2 * np.pi / params["frequency"], [2, 51, 100], rtol=1e-5)


def test_gates_of_gated_delta_net_start_open():
    """Rates are uniform below 16 and step sizes log-uniform in [0.001, 0.1]."""
    params = GatedDeltaNet(4000, heads=4000).init(KEY, 1)
    rates, steps = np.exp(params["rate_log"]), np.asarray(jax.nn.softplus(params["step_bias"]))
    assert 0 < rates.min() and rates.max() <= 16 and abs(rates.mean() - 8) < 4 * 16 / np.sqrt(12 * 4000)
    assert 0.99e-3 < steps.min() and steps.max() < 0.101


@pytest.mark.parametrize("cls", [LinearAttention, GatedLinearAttention, DeltaNet, GatedDeltaNet])
def test_blocks_are_drawn_by_their_initialiser(cls):
    params = cls(4, heads=2, key_features=3, kernel_init=Constant(0.25)).init(KEY, 5)
    assert params["kernel"].shape == (5, 2 * 6 + 4) and np.all(params["kernel"] == 0.25)
    one, other = (cls(64).init(jax.random.key(seed), 64)["kernel"][:, :64] for seed in (0, 1))
    assert np.any(one != other)
    assert len(np.unique(cls(64).init(KEY, 64)["kernel"])) > 0.99 * 64 * 192, "blocks are drawn independently"


# --- what they are -----------------------------------------------------------------------------------------------


@x64
def test_linear_attention_is_attention():
    """Outputs are averages of all values so far, weighed by f(q) . f(k)."""
    cell = LinearAttention(4, heads=2, key_features=3, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, 5), 0)
    xs = np.random.default_rng(0).normal(size=(7, 5))
    q, k, v = np.split(xs @ params["kernel"], [6, 12], axis=1)
    f = lambda a: np.where(a > 0, a + 1, np.exp(a)).reshape(7, 2, 3)  # noqa: E731
    weights = np.tril(np.einsum("thk,shk->hts", f(q), f(k)))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("hts,shv->thv", weights, v.reshape(7, 2, 2)).reshape(7, 4)
    assert_same(jax.device_get(unroll(cell, params, xs)[1]), expected, 1e-5)  # the normaliser has 1e-6 added


@x64
def test_trap_normaliser_is_a_sum():
    """Equal inputs give equal outputs at all steps: an average of equal values. A last key alone would not."""
    cell = LinearAttention(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, 5), 0)
    _, ys = unroll(cell, params, np.ones((6, 5)))
    np.testing.assert_allclose(ys, np.broadcast_to(ys[0], ys.shape), rtol=1e-5)


@x64
@pytest.mark.parametrize("cls", [DeltaNet, GatedDeltaNet])
def test_trap_delta_rule_acts_on_the_side_of_the_keys(cls):
    """With a gate of one, a key recalls its last value and keys orthogonal to it recall what they did."""
    cell = cls(4, key_features=3, precision=FLOAT64)
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(4, 3))
    key, other = np.eye(3)[:2]
    v = rng.normal(size=(1, 4))
    drive = {
        "query": key[None],
        "key": key[None],
        "value": v,
        "write": np.full((1,), 50.0),
        "forget": np.full((1,), -50.0),
    }
    weights = {"rate_log": np.zeros(1), "step_bias": np.zeros(1)}
    after, y = cell.recur(weights, cell.initial_carry()._replace(memory=jnp.ravel(memory)), drive)
    assert_same(np.asarray(y), v[0])
    after = np.reshape(after.memory, (4, 3))
    assert_same(after @ other, memory @ other)
    assert_same(after @ key, v[0])


@x64
def test_negative_eigenvalues_turn_a_memory_around():
    """With a write gate of two and a value of zero, what a key recalled changes its sign."""
    cell = DeltaNet(4, negative_eigenvalues=True, precision=FLOAT64)
    key, memory = np.eye(4)[0], np.random.default_rng(0).normal(size=(4, 4))
    drive = {"query": key[None], "key": key[None], "value": np.zeros((1, 4)), "write": np.full((1,), 50.0)}
    after, _ = cell.recur({}, cell.initial_carry()._replace(memory=jnp.ravel(memory)), drive)
    assert_same(np.reshape(after.memory, (4, 4)) @ key, -memory @ key)


@x64
def test_a_step_of_any_length_keeps_a_state_turns_it_around_or_forgets_it():
    """Mamba keeps exp(d A) of the state, or 2 exp(d A) - 1: a step without end leaves nothing, or the same negated."""
    carry = drawn_like(Mamba(4, state_features=3, precision=FLOAT64).initial_carry(), 1)
    for negative, bias, kept in ((False, 1e3, 0), (True, 1e3, -1), (True, -1e3, 1)):
        cell = Mamba(4, state_features=3, negative_eigenvalues=negative, precision=FLOAT64)
        params = drawn_like(abstract_params(cell, 4), 0) | {"step_bias": np.full(4, bias)}
        params["decay_log"] = np.zeros_like(params["decay_log"])
        after, _ = cell.step(params, carry, np.zeros(4))
        assert_same(np.asarray(after.memory), kept * np.asarray(carry.memory))


@x64
def test_gated_delta_net_without_forgetting_is_delta_net():
    gated, plain = GatedDeltaNet(4, heads=2, precision=FLOAT64), DeltaNet(4, heads=2, precision=FLOAT64)
    params = drawn_like(abstract_params(gated, 5), 0) | {"rate_log": np.full(2, -1e3)}
    inner = {"kernel": params["kernel"], "gate_kernel": params["gate_kernel"][:, 2:]}
    xs = np.random.default_rng(0).normal(size=(7, 5))
    assert_same(jax.device_get(unroll(gated, params, xs)), jax.device_get(unroll(plain, inner, xs)))


@x64
def test_s4d_is_the_convolution_of_the_paper():
    """y = K * x + D x with K_t = 2 Re sum C (a - 1) / L a^t."""
    cell = S4D(3, state_features=4, precision=FLOAT64)
    params = jax.device_get(cell.init(KEY, 3))
    xs = np.random.default_rng(0).normal(size=(9, 3))
    eigenvalues = -np.exp(params["eigenvalue_real_log"]) + 1j * params["eigenvalue_imag"]
    steps = np.exp(params["log_step"])[:, None]
    c = params["output_kernel_real"] + 1j * params["output_kernel_imag"]
    powers = np.exp(eigenvalues[..., None] * steps[..., None] * np.arange(9))
    kernel = 2 * np.einsum("hn,hnt->ht", c * (np.exp(eigenvalues * steps) - 1) / eigenvalues, powers).real
    expected = np.stack([np.convolve(kernel[h], xs[:, h])[:9] for h in range(3)], axis=1) + params["skip"] * xs
    assert_same(jax.device_get(unroll(cell, params, xs)[1]), expected)


@x64
def test_mamba_can_shut_an_input_out():
    """A step size of zero leaves the state as it is: the selection that the paper is about."""
    cell = Mamba(4, state_features=3, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, 4), 0) | {"step_bias": np.full(4, -1e3)}
    carry = drawn_like(cell.initial_carry(), 1)
    assert_same(jax.device_get(cell.step(params, carry, np.ones(4))[0]), carry)


# --- how long they remember --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [S4D(4), Mamba(4), FFM(4), LinearAttention(4)], ids=repr)
def test_gradients_reach_back_a_thousand_steps(cell):
    """At the start the last output depends on the first of a thousand inputs, by more than rounding."""
    params = cell.init(KEY, 4)
    xs = jax.random.normal(jax.random.key(1), (1000, 4))
    gradient = jax.jit(jax.grad(lambda xs: jnp.sum(unroll(cell, params, xs)[1][-1])))(xs)
    assert np.isfinite(gradient).all() and np.abs(gradient[0]).max() > 1e-7


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: S4D(4, state_features=0), "S4D.state_features", "0", "a positive int"),
        (lambda: S4D(4, spectrum="hippo"), "S4D.spectrum", "'hippo'", "lin, inv, legs"),
        (lambda: S4D(4, dt_min=0.0), "S4D.dt_min", "0.0", "a number > 0"),
        (lambda: S4D(4, dt_max=1e-4), "S4D.dt_max", "0.0001", "dt_min=0.001"),
        (lambda: Mamba(4, state_features=True), "Mamba.state_features", "True", "a positive int"),
        (lambda: Mamba(4, rank=0), "Mamba.rank", "0", "a positive int"),
        (lambda: Mamba(4, dt_min=-1.0), "Mamba.dt_min", "-1.0", "a number > 0"),
        (lambda: Mamba(4, dt_max=1e-4), "Mamba.dt_max", "0.0001", "dt_min=0.001"),
        (lambda: FFM(4, memory_features=0), "FFM.memory_features", "0", "a positive int"),
        (lambda: FFM(4, context_features=1.5), "FFM.context_features", "1.5", "a positive int"),
        (lambda: FFM(4, min_period=0.5), "FFM.min_period", "0.5", "a number >= 1"),
        (lambda: FFM(4, max_period=4.0), "FFM.max_period", "4.0", ">= 8"),
        (lambda: LinearAttention(4, heads=3), "LinearAttention.heads", "3", "divides features=4"),
        (lambda: LinearAttention(4, key_features=0), "LinearAttention.key_features", "0", "a positive int"),
        (lambda: LinearAttention(4, kernel_init=0.1), "LinearAttention.kernel_init", "0.1", "an Initializer"),
        (lambda: GatedLinearAttention(4, rank=0), "GatedLinearAttention.rank", "0", "a positive int"),
        (lambda: GatedLinearAttention(4, temperature=0), "GatedLinearAttention.temperature", "0", "a number > 0"),
        (lambda: DeltaNet(4, heads=0), "DeltaNet.heads", "0", "divides features=4"),
        (lambda: GatedDeltaNet(4, key_features=True), "GatedDeltaNet.key_features", "True", "a positive int"),
        (lambda: DeltaNet(4, kernel_init=None), "DeltaNet.kernel_init", "None", "an Initializer"),
        *(
            (lambda cls=cls: cls(4).init(KEY, 0), "in_features", "0", "a positive int")
            for cls in (S4D, Mamba, FFM, LinearAttention, GatedLinearAttention, DeltaNet, GatedDeltaNet)
        ),
    ],
)
def test_bad_configuration_is_named(make, argument, given, expected):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert given in message and expected in message, message
