"""Facts of the GRU's relatives that the laws for all cells do not cover."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import FLOAT64
from sequences import assert_identical, assert_same, drawn_like, run

from rnnjax import Chrono, InputError, cells, unroll
from rnnjax.cell import abstract_params
from rnnjax.cells.atr import ATR
from rnnjax.cells.brc import BRC, NBRC
from rnnjax.cells.gru import GRU
from rnnjax.cells.gru_d import GRUD
from rnnjax.cells.layer_norm_gru import LayerNormGRU
from rnnjax.cells.ligru import LiGRU
from rnnjax.cells.mgu import MGU, UpdateGateGRU
from rnnjax.cells.mut import MUT1, MUT2, MUT3
from rnnjax.cells.ran import RAN
from rnnjax.cells.rhn import RHN
from rnnjax.cells.star import STAR
from rnnjax.initializers import Constant
from rnnjax.inputs import Observed, Timed

x64 = pytest.mark.usefixtures("x64")
BATCH, TIME, INPUTS, FEATURES = 3, 8, 5, 4
KEY = jax.random.key(0)


def drawn(cell, in_features=INPUTS, seed=0):
    """Parameters and inputs, all drawn at random."""
    params = drawn_like(abstract_params(cell, in_features), seed)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, in_features), jnp.float64), seed + 1, scale=1.0)
    return params, xs


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: MGU(4, bias_init={"forget": 1.0}), "MGU.bias_init gate", "'forget'", "write, candidate"),
        (lambda: MGU(4, preset="torch"), "MGU.preset", "'torch'", "default, paper"),
        (lambda: MUT1(4, recurrent_init={"write": 1.0}), "MUT1.recurrent_init gate", "'write'", "reset, candidate"),
        (lambda: STAR(4, recurrent_init={"candidate": 1.0}), "STAR.recurrent_init gate", "'candidate'", "one of write"),
        (lambda: RAN(4, bias_init={"candidate": 1.0}), "RAN.bias_init gate", "'candidate'", "input, forget"),
        (lambda: RAN(4, activation="tahn"), "RAN.activation", "'tahn'", "tanh"),
        (lambda: LiGRU(4, activation=None), "LiGRU.activation", "None", "a function"),
        (lambda: LiGRU(4, heads=3), "LiGRU.heads", "3", "divides features=4"),
        (lambda: RHN(4, depth=0), "RHN.depth", "0", "a positive int"),
        (lambda: RHN(4, depth=True), "RHN.depth", "True", "a positive int"),
        (lambda: LayerNormGRU(4, epsilon=0.0), "LayerNormGRU.epsilon", "0.0", "a number > 0"),
        (lambda: GRUD(4, in_features=0), "GRUD.in_features", "0", "a positive int, or None"),
        (lambda: GRUD(4, decay=-0.1), "GRUD.decay", "-0.1", "a number >= 0"),
        (lambda: GRUD(4).init(KEY, 5), "in_features", "5", "4, the width that GRUD(4) was made for"),
        (lambda: GRUD(4).init(KEY, Observed(4, 3, 1)), "in_features", "mask=3", "Observed(width, width, 1)"),
        (lambda: GRUD(4).init(KEY, Timed(4, 2)), "in_features.elapsed", "2", "1, the time"),
        *((lambda cls=cls: cls(4).init(KEY, 0), "in_features", "0", "a positive int") for cls in (MUT1, STAR, BRC)),
    ],
)  # fmt: skip
def test_bad_configuration_is_named(make, argument, given, expected):
    """The field or argument that is wrong, what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert given in message and expected in message, message


# --- where they start --------------------------------------------------------------------------------------------


def initial(cell, in_features=64):
    params = cell.init(KEY, in_features)
    blocks = {name: dict(zip(cell.gates, np.split(params[name], len(cell.gates), -1), strict=True)) for name in params
              if params[name].shape[-1] == len(cell.gates) * cell.features}  # fmt: skip
    return params, blocks


@pytest.mark.parametrize("cls", [MGU, UpdateGateGRU, MUT2, MUT3, LiGRU, ATR])
def test_recurrent_kernels_start_orthogonal_per_gate(cls):
    """Each gate's recurrent kernel is orthogonal by itself, and biases are zero."""
    params, blocks = initial(cls(64))
    for block in blocks["recurrent_kernel"].values():
        np.testing.assert_allclose(block.T @ block, np.eye(64), atol=1e-5)
    assert not np.any(params["bias"])


def test_paper_presets_are_those_of_the_papers():
    """Orthogonal kernels for STAR, ones for BRC, U(-0.04, 0.04) and shut gates for RHN, Glorot-uniform for RAN."""
    star = STAR(64, preset="paper").init(KEY, 64)
    for block in (*np.split(star["kernel"], 2, -1), star["recurrent_kernel"]):
        np.testing.assert_allclose(block.T @ block, np.eye(64), atol=1e-5)
    assert np.all(np.split(star["bias"], 2)[0] == -1.0) and not np.any(np.split(star["bias"], 2)[1])

    brc = BRC(64, preset="paper").init(KEY, 32)
    assert np.all(brc["recurrent_weight"] == 1.0) and brc["recurrent_weight"].shape == (128,)
    bound = np.sqrt(6 / (32 + 64))
    assert 0.95 * bound < np.abs(brc["kernel"]).max() <= bound

    rhn = RHN(64, preset="paper").init(KEY, 64)
    for name in ("kernel", "recurrent_kernel"):
        assert 0.039 < np.abs(rhn[name]).max() <= 0.04
    candidate, write = np.split(rhn["bias"], 2, axis=-1)
    assert np.all(write == -2.0) and 0.03 < np.abs(candidate).max() <= 0.04

    ran = RAN(64, preset="paper").init(KEY, 64)
    bound = np.sqrt(6 / 128)
    assert 0.95 * bound < np.abs(ran["recurrent_kernel"]).max() <= bound and not np.any(ran["bias"])


def test_layers_of_a_highway_network_start_from_draws_of_their_own():
    """No two layers share a recurrent kernel."""
    kernels = RHN(8, depth=3).init(KEY, 5)["recurrent_kernel"]
    assert kernels.shape == (3, 8, 16)
    assert not np.allclose(kernels[0], kernels[1]) and not np.allclose(kernels[1], kernels[2])


@pytest.mark.parametrize("cls", [MGU, UpdateGateGRU, MUT1, MUT2, MUT3, STAR, RHN, RAN, LiGRU, NBRC, GRU, GRUD])
def test_chrono_biases_make_a_long_memory(cls):
    """With `Chrono(t_max)` every gate that mixes the state keeps between 1/2 and 1 - 1/t_max of it, without input."""
    cell = cls(64, bias_init=Chrono(100), kernel_init=Constant(0.0), recurrent_init=Constant(0.0))
    params = cell.init(KEY, 64)
    weights = cell.prepare(params)
    carry = cell.initial_carry((1,))
    gates = cell.gate_values(weights, carry, cell.project(weights, jnp.zeros((1, 64))))
    kept = [gates[name] for name in ("forget", "update") if name in gates]
    kept += [1 - gates[name] for name in ("write",) if name in gates]
    assert kept
    for share in kept:
        assert np.all(share >= 0.5 - 1e-6) and np.all(share <= 0.99 + 1e-6) and share.max() > 0.95
        assert share.max() - share.min() > 0.1


# --- one cell as another -----------------------------------------------------------------------------------------


@x64
def test_the_minimal_gated_unit_is_a_gru_with_tied_gates():
    """MGU is the GRU of the paper's third version with r = f and its z = 1 - f; UpdateGateGRU has r = 1 - z."""
    gru = GRU(FEATURES, reset_after=False, precision=FLOAT64)
    for cell, sign in ((MGU(FEATURES, precision=FLOAT64), 1), (UpdateGateGRU(FEATURES, precision=FLOAT64), -1)):
        params, xs = drawn(cell)
        tied = {}
        for name, leaf in params.items():
            write, candidate = np.split(leaf, 2, axis=-1)
            tied[name] = np.concatenate([sign * write, -write, candidate], axis=-1)
        assert_same(run(cell, params, xs)[1], run(gru, tied, xs)[1])


@x64
def test_the_second_mutation_is_a_gru():
    """MUT2 is the GRU with the reset gate first, its update gate turned round."""
    cell, gru = MUT2(FEATURES, precision=FLOAT64), GRU(FEATURES, reset_after=False, precision=FLOAT64)
    params, xs = drawn(cell)
    turned = {}
    for name, leaf in params.items():
        write, reset, candidate = np.split(leaf, 3, axis=-1)
        turned[name] = np.concatenate([reset, -write, candidate], axis=-1)
    assert_same(run(cell, params, xs)[1], run(gru, turned, xs)[1])


@x64
@pytest.mark.parametrize(("cls", "gate"), [(MUT1, "candidate"), (MUT2, "reset")])
def test_mutations_of_the_paper_add_the_input_itself(cls, gate):
    """With the identity as kernel the input enters as it is: tanh(x) in MUT1, x in the reset gate of MUT2."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, xs = drawn(cell, FEATURES)
    index = cell.gates.index(gate)
    params["kernel"][:, index * FEATURES : (index + 1) * FEATURES] = np.eye(FEATURES)
    params["bias"] = np.zeros_like(params["bias"])
    weights = cell.prepare(params)
    gates = cell.gate_values(weights, cell.initial_carry((BATCH,)), cell.project(weights, xs[:, 0]))
    expected = np.tanh(np.tanh(xs[:, 0])) if cls is MUT1 else 1 / (1 + np.exp(-xs[:, 0]))
    assert_same(np.asarray(gates[gate]), expected)


@x64
def test_a_highway_network_with_closed_gates_keeps_its_state():
    """Shut transform gates carry the state through all layers; open ones make the last layer's candidate of it."""
    cell = RHN(FEATURES, precision=FLOAT64)
    params, xs = drawn(cell)
    carry = drawn_like(cell.initial_carry((BATCH,)), 5)
    params["bias"][:, FEATURES:] = -1e3
    assert_same(run(cell, params, xs, carry)[0].h, carry.h)
    params["bias"][:, FEATURES:] = 1e3
    s = carry.h
    for layer in range(3):
        s = s @ params["recurrent_kernel"][layer, :, :FEATURES] + params["bias"][layer, :FEATURES]
        s = np.tanh(s + xs[:, 0] @ params["kernel"][:, :FEATURES] if layer == 0 else s)
    assert_same(run(cell, params, xs[:, :1], carry)[0].h, s)


@x64
def test_bistable_units_hold_either_sign():
    """With feedback above 1 a unit stays where an input has put it; with feedback below 1 it forgets."""
    for feedback, holds in ((1.0, True), (-1.0, False)):
        cell = BRC(2, precision=FLOAT64)
        params = jax.tree.map(jnp.zeros_like, cell.init(KEY, 1))
        params["bias"] = params["bias"].at[:2].set(feedback)
        carry = cell.initial_carry()._replace(h=jnp.array([0.5, -0.5]))
        final, _ = run(cell, params, np.zeros((400, 1)), carry)
        if holds:
            assert final.h[0] > 0.5 and final.h[1] < -0.5
        else:
            assert np.all(np.abs(final.h) < 1e-3)


@x64
def test_layer_normalisation_forgets_scale_and_shift():
    """Kernels ten times as large, or with a constant added to all columns of a normalised part, change nothing."""
    cell = LayerNormGRU(FEATURES, epsilon=1e-12, precision=FLOAT64)
    params, xs = drawn(cell)
    ys = run(cell, params, xs)[1]
    assert_same(run(cell, params | {"kernel": 10 * params["kernel"]}, xs)[1], ys, 1e-7)
    shifted = params["recurrent_kernel"] + np.repeat([1.0, -2.0], [2 * FEATURES, FEATURES])
    assert_same(run(cell, params | {"recurrent_kernel": shifted}, xs)[1], ys, 1e-7)


@x64
def test_ran_states_are_weighted_sums_of_inputs():
    """Twice the content kernel makes twice the sum, for given gates."""
    cell = RAN(FEATURES, precision=FLOAT64)
    params, xs = drawn(cell)
    params["recurrent_kernel"] = np.zeros_like(params["recurrent_kernel"])
    doubled = params | {"kernel": params["kernel"] * np.repeat([1.0, 1.0, 2.0], FEATURES)}
    assert_same(run(cell, doubled, xs)[0].c, 2 * run(cell, params, xs)[0].c)


# --- missing values ----------------------------------------------------------------------------------------------


def with_gaps(cell, seed=0):
    """Parameters, inputs with NaN, masks and times between steps."""
    params, xs = drawn(cell, seed=seed)
    rng = np.random.default_rng(seed)
    mask = (rng.random(xs.shape) < 0.5).astype(xs.dtype)
    mask[0, :, 0] = 0  # never observed
    elapsed = rng.exponential(size=(*xs.shape[:-1], 1))
    return params, np.where(mask > 0, xs, np.nan), mask, elapsed


GRU_D = GRUD(FEATURES, in_features=INPUTS, precision=FLOAT64)


@x64
@pytest.mark.parametrize("form", ["plain", "timed", "observed"])
def test_gru_d_computes_the_equations_of_the_paper(form):
    """Missing inputs fade to their means from their last values, and the state fades, in all forms of inputs."""
    params, xs, mask, elapsed = with_gaps(GRU_D)
    elapsed = np.ones_like(elapsed) if form == "plain" else elapsed
    given = {"plain": xs, "timed": Timed(xs, elapsed), "observed": Observed(xs, mask, elapsed)}[form]
    final, ys = run(GRU_D, params, given)
    for index in range(BATCH):
        state = tuple(map(np.asarray, GRU_D.initial_carry()))
        for t in range(TIME):
            x, m, wait = xs[index, t], mask[index, t], elapsed[index, t]
            state, y = references.EQUATIONS["gru_d"](params, state, x, m, wait)
            assert_same(ys[index, t], y)
        assert_same(tuple(leaf[index] for leaf in final), state)


@x64
def test_gru_d_remembers_when_and_what_was_observed():
    """`since` grows from the last observation on, `last` is its value less the mean; the first step has no past."""
    params, *_ = with_gaps(GRU_D)
    nan = np.nan
    xs = np.array([[nan, 1, nan, 5, 5], [nan, nan, nan, 5, nan], [2, nan, nan, nan, 7.0]])
    elapsed = np.array([[100.0], [0.5], [2.0]])
    final, _ = run(GRU_D, params, Timed(xs, elapsed))
    assert_same(final.since, np.array([0, 2.5, 2.5, 2.0, 0]))
    assert_same(final.last, np.where([1, 1, 0, 1, 1], np.array([2, 1, 0, 5, 7.0]) - params["mean"], 0.0))
    assert_same(final.started, np.ones(1))


@x64
def test_what_stands_in_missing_places_has_no_effect():
    """With a mask, the numbers behind it change neither outputs nor gradients, not even NaN."""
    params, xs, mask, elapsed = with_gaps(GRU_D)

    def loss(params, x):
        return jnp.sum(unroll(GRU_D, params, Observed(x, mask, elapsed))[1] ** 2)

    gradient = jax.grad(loss, argnums=(0, 1))
    assert_identical(gradient(params, xs), gradient(params, np.where(mask > 0, xs, 1e9)))
    of_params, of_xs = gradient(params, xs)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((of_params, of_xs)))
    assert np.any(of_params["input_decay"]) and np.any(of_params["hidden_decay"])
    assert not np.any(np.asarray(of_xs)[mask == 0]) and np.any(np.asarray(of_xs)[mask > 0])


@x64
def test_an_input_that_was_never_observed_is_at_its_mean():
    """Nothing observed is the same as means observed, but for the mask and the fading of the state."""
    params, xs, _, elapsed = with_gaps(GRU_D)
    names = ("mask_kernel", "hidden_decay", "hidden_decay_bias")
    params |= {name: np.zeros_like(params[name]) for name in names}
    missing = run(GRU_D, params, Timed(np.full_like(xs, np.nan), elapsed))[1]
    assert_same(missing, run(GRU_D, params, np.broadcast_to(params["mean"], xs.shape))[1])


@x64
def test_gru_d_without_decay_and_mask_is_a_gru():
    """Complete inputs, no decay of the state and no mask kernel leave a GRU with the reset gate first."""
    cell, gru = GRU_D, GRU(FEATURES, reset_after=False, precision=FLOAT64)
    params, xs = drawn(cell)
    nothing = {name: np.zeros_like(params[name]) for name in ("mask_kernel", "hidden_decay", "hidden_decay_bias")}
    plain = {name: params[name] for name in ("kernel", "recurrent_kernel", "bias")}
    assert_same(run(cell, params | nothing, xs)[1], run(gru, plain, xs)[1])


def test_gru_d_starts_from_slow_decay():
    """Inputs lose 1 % per unit of time, and the state too while everything is observed; means are zero."""
    cell = GRUD(8, in_features=5)
    params = cell.init(KEY, Observed(5, 5, 1))
    np.testing.assert_allclose(params["input_decay"], 0.01)
    np.testing.assert_allclose(params["hidden_decay"].sum(0), 0.01, rtol=1e-6)
    assert not np.any(params["mean"]) and cell.fixed == ("mean",)
    assert cell == dataclasses.replace(cell) and cells.get("gru_d", 8, in_features=5) == cell
