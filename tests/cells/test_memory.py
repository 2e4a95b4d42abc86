"""What memories and reservoirs are for, beyond the laws of every cell."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from references.functions import sigmoid, softmax
from references.memory import hebbian
from sequences import assert_same, drawn_like, run
from sklearn.linear_model import Ridge

from rnnjax import LSTM, InputError, Precision, unroll
from rnnjax.cell import abstract_params
from rnnjax.cells.conv_gru import ConvGRU1D
from rnnjax.cells.conv_lstm import ConvLSTM1D, ConvLSTM2D
from rnnjax.cells.echo_state import EchoState, ridge_readout, spectral_radius
from rnnjax.cells.hopfield import Hopfield, HopfieldState, ModernHopfield
from rnnjax.cells.mlstm import MLSTM
from rnnjax.cells.ntm import NTM
from rnnjax.cells.slstm import SLSTM, SLSTMState
from rnnjax.initializers import Constant, Normal

x64 = pytest.mark.usefixtures("x64")
DOUBLE = Precision("float64")
KEY = jax.random.key(0)


def drawn(cell, in_features, seed=0):
    """Parameters drawn at random, biases too."""
    return drawn_like(abstract_params(cell, in_features), seed)


def draws(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: ConvLSTM2D(4, kernel_size=0), "ConvLSTM2D.kernel_size", "0", "a positive int"),
        (lambda: ConvGRU1D(4, kernel_size=2.0), "ConvGRU1D.kernel_size", "2.0", "a positive int"),
        (lambda: ConvLSTM1D(4, peepholes=1), "ConvLSTM1D.peepholes", "1", "True or False"),
        (lambda: ConvLSTM1D(4).init(KEY, 0), "in_features", "0", "a positive int"),
        (lambda: SLSTM(4, heads=3), "SLSTM.heads", "3", "divides features=4"),
        (lambda: MLSTM(4, heads=3), "MLSTM.heads", "3", "divides features=4"),
        (lambda: MLSTM(4, kernel_init={"forget": 1.0}), "MLSTM.kernel_init gate", "'forget'", "query, key, value"),
        (lambda: MLSTM(4, gate_bias_init={"key": 1.0}), "MLSTM.gate_bias_init gate", "'key'", "input, forget"),
        (lambda: MLSTM(4).init(KEY, 1.5), "in_features", "1.5", "a positive int"),
        (lambda: NTM(4, slots=0), "NTM.slots", "0", "an int >= 1"),
        (lambda: NTM(4, write_heads=0), "NTM.write_heads", "0", "an int >= 1"),
        (lambda: NTM(4, slots=4, shift_range=2), "NTM.shift_range", "2", "at most 1, for 4 slots"),
        (lambda: Hopfield(4, memories=0), "Hopfield.memories", "0", "a positive int, or None"),
        (lambda: Hopfield(4, update="random"), "Hopfield.update", "'random'", "asynchronous, synchronous"),
        (lambda: Hopfield(4, input_scale=0), "Hopfield.input_scale", "0", "a number > 0"),
        (lambda: Hopfield(4).init(KEY, 0), "in_features", "0", "a positive int"),
        (lambda: ModernHopfield(4, beta=-1.0), "ModernHopfield.beta", "-1.0", "a number > 0"),
        (lambda: EchoState(4, spectral_radius=-0.1), "EchoState.spectral_radius", "-0.1", "a number >= 0"),
        (lambda: EchoState(4, leak=0.0), "EchoState.leak", "0.0", "in (0, 1]"),
        (lambda: EchoState(4, connections=0), "EchoState.connections", "0", "a positive int"),
        (lambda: EchoState(4, input_scale="1"), "EchoState.input_scale", "'1'", "a number > 0"),
        (lambda: EchoState(4).init(KEY, True), "in_features", "True", "a positive int"),
        (lambda: ridge_readout(np.ones((5, 2)), np.ones((4, 1))), "targets", "shape (4, 1)", "(5,)"),
        (
            lambda: unroll(ConvLSTM2D(4), ConvLSTM2D(4).init(KEY, 3), np.ones((5, 6, 3), np.float32)),
            "xs", "shape (5, 6, 3)", "2 axes of places",
        ),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, argument, given, expected):
    """The error names the argument, what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert message.startswith(f"{argument}: got ") and given in message and expected in message, message


# --- xLSTM -------------------------------------------------------------------------------------------------------


@x64
def test_the_stabiliser_changes_no_output():
    """c and n divided by a number and m raised by its logarithm are the same memory."""
    cell = SLSTM(4, precision=DOUBLE)
    params, xs = drawn(cell, 3), draws(2, 6, 3)
    carry = SLSTMState(draws(2, 4), draws(2, 4), 1 + draws(2, 4) ** 2, draws(2, 4))
    shift = 3 * draws(2, 4, seed=5)
    moved = carry._replace(c=carry.c * np.exp(-shift), n=carry.n * np.exp(-shift), m=carry.m + shift)
    assert_same(run(cell, params, xs, moved)[1], run(cell, params, xs, carry)[1])


def at_the_bias(cell, in_features, **gates):
    """Parameters of zero, but for the bias of the named gates."""
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract_params(cell, in_features))
    blocks = dict(zip(cell.gates, np.split(params["bias"], len(cell.gates)), strict=True))
    for gate, value in gates.items():
        blocks[gate][:] = value
    return params


@x64
def test_a_loud_input_overwrites_what_was_stored():
    """An exponential input gate outweighs ten thousand steps of full memory, which a sigmoid gate cannot."""
    xs = np.where(np.arange(10_001) == 10_000, 1.0, 0.0)[:, None]

    def answer(cell, loudness):
        params = at_the_bias(cell, 1, forget=30.0, output=30.0, candidate=2.0)
        kernel = dict(zip(cell.gates, np.split(params["kernel"], 4, axis=1), strict=True))
        kernel["input"][:], kernel["candidate"][:] = loudness, -4.0
        return run(cell, params, xs)[1][[-2, -1], 0]

    before, after = answer(SLSTM(1, precision=DOUBLE), 30.0)
    assert abs(before - np.tanh(2.0)) < 1e-6 and abs(after + np.tanh(2.0)) < 1e-6
    before, after = answer(LSTM(1, precision=DOUBLE), 30.0)
    assert abs(before - 1) < 1e-6 and abs(after - 1) < 1e-6


@pytest.mark.parametrize("logit", [-300.0, 300.0])
@pytest.mark.parametrize("cls", [SLSTM, MLSTM])
def test_gates_of_any_size_are_finite(cls, logit):
    """Where exp(i) is far outside of float32, outputs and gradients are finite, from the first step on."""
    cell = cls(4)
    params = drawn(cell, 3)
    if cls is SLSTM:
        params["bias"][:4] = logit
    else:
        params["gate_bias"][:1] = logit
    loss = lambda params, xs: unroll(cell, params, xs)[1].sum()  # noqa: E731
    value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(params, draws(50, 3, dtype=np.float32))
    assert np.isfinite(value) and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    if cls is SLSTM:
        final, _ = run(cell, params, draws(50, 3, dtype=np.float32))
        assert np.all(final.n >= 1)


@x64
def test_slstm_starts_as_the_paper():
    """No recurrence, forget biases from 5 to -7 in each head, kernels of variance 2 / (5 in_features); or as given."""
    params = jax.device_get(SLSTM(64, heads=4, preset="paper", precision=DOUBLE).init(KEY, 50))
    assert not np.any(params["recurrent_kernel"]) and params["recurrent_kernel"].shape == (4, 16, 64)
    forget = np.reshape(np.split(params["bias"], 4)[1], (4, 16))
    np.testing.assert_allclose(forget[0], 5 - 12 * (np.arange(16) / 15) ** 0.3)
    np.testing.assert_array_equal(forget, np.tile(forget[0], (4, 1)))
    assert not np.any(np.delete(np.split(params["bias"], 4), 1, axis=0))
    assert abs(params["kernel"].var() * 50 * 5 / 2 - 1) < 0.1
    given = SLSTM(6, preset="paper", bias_init=Constant(0.5), kernel_init=Normal(0.0)).init(KEY, 3)
    assert np.all(given["bias"] == 0.5) and not np.any(given["kernel"])


@x64
def test_matrix_memory_is_an_attention_over_what_was_written():
    """With open forget gates and input gates of exp(0) an output is the sum of values, weighed by keys times query."""
    cell = MLSTM(6, heads=2, precision=DOUBLE)
    params, xs = drawn(cell, 5), draws(7, 5)
    params["gate_kernel"][:], params["gate_bias"][:] = 0.0, [0.0, 0.0, 50.0, 50.0]
    blocks = xs @ params["kernel"] + params["bias"]
    scale = np.sqrt(3)  # of a head
    q, k, v, o = np.split(blocks, 4, axis=1)
    k = (k - params["bias"][6:12]) / scale + params["bias"][6:12]
    expected = []
    for part in (slice(0, 3), slice(3, 6)):
        scores = np.tril(q[:, part] @ k[:, part].T)
        expected.append(scores @ v[:, part] / np.maximum(abs(scores.sum(1)), 1)[:, None])
    assert_same(run(cell, params, xs)[1], sigmoid(o) * np.concatenate(expected, axis=1), 1e-11)


@x64
def test_matrix_memory_returns_values_for_their_keys():
    """Of eight pairs with orthogonal keys each value comes back, long after, when its key is the query."""
    width, pairs = 8, 8
    cell = MLSTM(width, precision=DOUBLE)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape), abstract_params(cell, 3 * width + 1))
    for block in range(3):  # query, key and value are parts of the input, and its last entry opens the input gate
        params["kernel"][block * width : (block + 1) * width, block * width : (block + 1) * width] = np.eye(width)
    params["bias"][3 * width :] = 50.0
    params["gate_kernel"][-1, 0], params["gate_bias"][:] = 100.0, [-100.0, 50.0]
    keys, values = np.sqrt(width) * np.eye(pairs, width), draws(pairs, width)
    nothing = np.zeros((pairs, width))
    writing = np.concatenate([nothing, keys, values, np.ones((pairs, 1))], axis=1)
    waiting = np.zeros((1000, 3 * width + 1))
    reading = np.concatenate([np.eye(pairs, width), nothing, nothing, np.zeros((pairs, 1))], axis=1)
    ys = run(cell, params, np.concatenate([writing, waiting, reading]))[1]
    np.testing.assert_allclose(ys[-pairs:], values, atol=1e-10)


def test_mlstm_starts_as_the_authors_code():
    """Gates that do not see the input, forget biases from 3 to 6 over the heads, small input biases; or as given."""
    params = MLSTM(512, heads=256).init(KEY, 3)
    i, f = np.split(params["gate_bias"], 2)
    assert not np.any(params["gate_kernel"]) and abs(i.std() - 0.1) < 0.02
    np.testing.assert_allclose(f, np.linspace(3, 6, 256), rtol=1e-6)
    i, f = np.split(MLSTM(4, heads=2, gate_bias_init={"input": -2.0}).init(KEY, 3)["gate_bias"], 2)
    assert i.tolist() == [-2, -2] and f.tolist() == [3, 6]
    i, f = np.split(MLSTM(4, heads=2, gate_bias_init={"forget": 1.0}).init(KEY, 3)["gate_bias"], 2)
    assert f.tolist() == [1, 1] and 0 < np.abs(i).max() < 0.5
    assert MLSTM(4, gate_bias_init=Constant(2.0)).init(KEY, 3)["gate_bias"].tolist() == [2, 2]


# --- the neural Turing machine -----------------------------------------------------------------------------------


def commanded(cell, **commands):
    """Parameters of zero, but for the biases of what all heads are told: `[heads, ...]` by name."""
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract_params(cell, 2))
    ends = np.cumsum(list(cell._widths().values()))[:-1]
    parts = dict(zip(cell._widths(), np.split(params["head_bias"], ends), strict=True))
    for name, value in commands.items():
        parts[name][:] = np.ravel(value)
    return params


@x64
def test_heads_walk_along_the_slots_and_write():
    """With content ignored and shifts of one, both heads go a slot further each step, around the ring."""
    cell = NTM(3, slots=5, slot_features=2, precision=DOUBLE)
    ahead = [[0, 0, 60]] * 2
    params = commanded(cell, gate=-60, shift=ahead, sharpness=50, erase=60, add=[0.25, -4])
    _, ys, carries = run(cell, params, np.zeros((7, 2)), return_carries=True)
    for t in range(7):
        on = np.eye(5)[(t + 1) % 5]
        np.testing.assert_allclose(carries.focus[t], [on, on], atol=1e-12)
        written = [(slot + 1) % 5 for slot in range(t + 1)]
        memory = np.full((5, 2), 1e-6)
        memory[written] = [0.25, -4]
        np.testing.assert_allclose(carries.memory[t], memory, atol=1e-12)
        np.testing.assert_allclose(ys[t, 3:], [0.25, -4], atol=1e-12)


@x64
def test_heads_find_what_is_like_their_key():
    """With a strong key and no shift the read head returns the slot of the same direction, wherever it was before."""
    cell = NTM(3, slots=6, slot_features=4, precision=DOUBLE)
    stay = [[0, 60, 0]] * 2
    memory = draws(6, 4)
    key = np.stack([3 * memory[4], np.zeros(4)])
    params = commanded(cell, key=key, strength=500, gate=60, shift=stay, erase=-60)
    carry = cell.initial_carry()._replace(memory=memory)
    after, y = run(cell, params, np.zeros((1, 2)), carry)
    np.testing.assert_allclose(y[0, 3:], memory[4], rtol=1e-6)
    np.testing.assert_allclose(after.focus[0], np.eye(6)[4], atol=1e-6)
    assert_same(after.memory, memory)


@x64
def test_sharpening_focuses_what_shifts_have_blurred():
    """Blurred by each step, a focus spreads over all slots; sharpened, it stays on the first."""
    blur = [[0.1, 1.0, 0.1]] * 2
    spread = []
    for sharpness in (-60, 5):
        cell = NTM(3, slots=9, slot_features=2, precision=DOUBLE)
        params = commanded(cell, gate=-60, shift=np.log(blur), sharpness=sharpness)
        spread.append(run(cell, params, np.zeros((200, 2)))[0].focus[0, 0])
    assert abs(spread[0] - 1 / 9) < 1e-3 and spread[1] > 0.99


# --- Hopfield networks -------------------------------------------------------------------------------------------


def signs(*shape, seed=0):
    return np.where(np.random.default_rng(seed).random(shape) < 0.5, -1.0, 1.0)


def recalled(cell, patterns, states, steps=10):
    """The states after so many steps without input."""
    params = {"patterns": patterns, "kernel": np.zeros((1, cell.features)), "bias": np.zeros(cell.features)}
    dtype = cell.precision.dtype("params")
    params = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params)
    xs = np.zeros((len(states), steps, 1), dtype)
    return run(cell, params, xs, HopfieldState(np.asarray(states, dtype)))[1]


@pytest.mark.parametrize("update", ["asynchronous", "synchronous"])
def test_stored_patterns_are_recalled_from_corrupted_ones(update):
    """Far below its capacity a network keeps its patterns, and completes those with an eighth of the signs turned."""
    features, count = 200, 8
    cell = Hopfield(features, memories=count, update=update)
    patterns = signs(count, features)
    np.testing.assert_array_equal(recalled(cell, patterns, patterns)[:, -1], patterns)
    corrupted = patterns.copy()
    corrupted[:, np.random.default_rng(1).permutation(features)[: features // 8]] *= -1
    ys = recalled(cell, patterns, corrupted, steps=4)
    np.testing.assert_array_equal(ys[:, -1], patterns)


def test_capacity_is_a_share_of_the_units():
    """Patterns are kept at 5 % of the units, and lost at 30 %, on either side of the 14 % of the literature."""
    features = 300
    overlaps = {}
    for share in (0.05, 0.3):
        patterns = signs(int(share * features), features)
        last = recalled(Hopfield(features, memories=len(patterns)), patterns, patterns, steps=30)[:, -1]
        overlaps[share] = np.mean(last * patterns, axis=1)
    assert overlaps[0.05].min() > 0.99
    assert np.median(overlaps[0.3]) < 0.7


@x64
def test_energy_never_grows_one_by_one_and_two_units_at_once_may_cycle():
    """Asynchronous updates end in a fixed point, also in a field; of two opposed units at once both turn for ever."""
    features = 40
    cell = Hopfield(features, memories=30, precision=DOUBLE)  # overloaded: no pattern is near
    params = drawn(cell, 3) | {"patterns": signs(30, features)}
    xs = np.repeat(draws(4, 1, 3), 50, axis=1)
    states = run(cell, params, xs, HopfieldState(signs(4, features, seed=3)))[1]
    weights = hebbian(params["patterns"]) / features
    field = xs @ params["kernel"] + params["bias"]
    energy = -0.5 * np.einsum("bti,ij,btj->bt", states, weights, states) - (field * states).sum(-1)
    assert np.all(np.diff(energy, axis=1) <= 1e-10) and np.any(np.diff(energy, axis=1) < 0)
    np.testing.assert_array_equal(states[:, -1], states[:, -2])

    opposed, start = np.array([[1.0, -1.0]]), np.ones((1, 2))
    both = recalled(Hopfield(2, update="synchronous"), opposed, start, steps=4)
    np.testing.assert_array_equal(both[0, :, 0], [-1, 1, -1, 1])
    np.testing.assert_array_equal(recalled(Hopfield(2), opposed, start, steps=4), [[[-1, 1]] * 4])


def test_the_network_takes_the_first_field_for_a_cue():
    """From the state of zero a noisy pattern as input is recalled; units without field keep their state."""
    patterns = signs(5, 100)
    cell = Hopfield(100, memories=5)
    params = {"patterns": patterns, "kernel": np.eye(100), "bias": np.zeros(100)}
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)
    cue = patterns.copy()
    cue[:, :15] *= -1
    xs = np.concatenate([cue[:, None], np.zeros((5, 4, 100))], axis=1).astype(np.float32)
    np.testing.assert_array_equal(run(cell, params, xs)[1][:, -1], patterns)
    assert not np.any(run(cell, params, np.zeros((1, 3, 100), np.float32))[1])


@x64
def test_a_modern_network_stores_more_patterns_than_units():
    """Of ten times as many patterns as units each comes back in one step with an eighth of its signs turned."""
    features, count = 64, 640
    patterns = signs(count, features)
    corrupted = patterns.copy()
    corrupted[:, ::8] *= -1
    cell = ModernHopfield(features, memories=count, beta=2.0, precision=DOUBLE)
    ys = recalled(cell, patterns, corrupted, steps=2)
    assert np.mean(np.abs(ys[:, 0] - patterns).max(1) < 1e-3) > 0.99
    few = recalled(Hopfield(features, memories=count, precision=DOUBLE), patterns, corrupted, steps=2)
    assert np.mean(few[:, 1] * patterns) < 0.5


@x64
def test_a_modern_network_is_an_attention_and_averages_when_it_is_soft():
    """One step is softmax(beta q X^T) X; a small beta, or a start at zero, gives the mean of the patterns."""
    patterns, states = draws(7, 5), draws(3, 5, seed=2)
    cell = ModernHopfield(5, memories=7, beta=0.6, precision=DOUBLE)
    assert_same(recalled(cell, patterns, states, 1)[:, 0], softmax(0.6 * states @ patterns.T) @ patterns)
    mean = np.broadcast_to(patterns.mean(0), (3, 5))
    assert_same(recalled(cell, patterns, np.zeros((3, 5)), 1)[:, 0], mean)
    soft = ModernHopfield(5, memories=7, beta=1e-6, precision=DOUBLE)
    np.testing.assert_allclose(recalled(soft, patterns, states, 1)[:, 0], mean, atol=1e-4)


# --- reservoirs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("features", "radius"), [(1, 0.9), (3, 0.0), (50, 1.3), (200, 0.9)])
def test_reservoir_starts_with_the_spectral_radius_asked_for(features, radius):
    """The eigenvalues of U, found by NumPy, and the number of units that each unit sees."""
    params = jax.jit(EchoState(features, spectral_radius=radius).init, static_argnums=1)(KEY, 3)
    kernel = np.asarray(params["recurrent_kernel"], np.float64)
    assert abs(np.abs(np.linalg.eigvals(kernel)).max() - radius) < 1e-4
    if radius:
        np.testing.assert_array_equal((kernel != 0).sum(0), min(features, 10))
    assert np.abs(params["kernel"]).max() <= 1 and np.abs(params["bias"]).max() <= 1


@x64
@pytest.mark.parametrize(
    "matrix",
    [
        [[0.0, -2.0], [2.0, 0.0]],  # a pair of complex eigenvalues
        [[3.0, 1e6], [0.0, 3.0]],  # a defective one
        [[1.0, 0.0], [0.0, -1.0]],
        draws(30, 30),
    ],
    ids=["rotation", "shear", "signs", "random"],
)
def test_spectral_radius_is_that_of_the_eigenvalues(matrix):
    """Complex, defective and opposite eigenvalues are no exception."""
    expected = np.abs(np.linalg.eigvals(np.asarray(matrix))).max()
    np.testing.assert_allclose(spectral_radius(jnp.asarray(matrix)), expected, rtol=1e-5)


@x64
def test_reservoir_forgets_where_it_started():
    """With a spectral radius well below one two states meet; well above it, without input, they do not."""
    for radius, meet in ((0.5, True), (3.0, False)):
        cell = EchoState(50, spectral_radius=radius, input_scale=0.1, precision=DOUBLE)
        params, xs = cell.init(KEY, 1), np.zeros((200, 1))
        one, other = (run(cell, params, xs, cell.initial_carry()._replace(h=draws(50, seed=s)))[0].h for s in (1, 2))
        assert (np.abs(one - other).max() < 1e-9) == meet


def test_every_parameter_of_a_reservoir_is_fixed():
    """What training is told to leave alone is all that there is."""
    assert set(EchoState.fixed) == set(EchoState(4).init(KEY, 3))


@x64
@pytest.mark.parametrize("penalty", [1e-8, 0.1, 100.0])
def test_ridge_readout_is_that_of_scikit_learn(penalty):
    """The same kernel and bias, for samples along several axes."""
    states, targets = draws(4, 30, 6), draws(4, 30, 2, seed=2)
    kernel, bias = ridge_readout(states, targets, penalty)
    theirs = Ridge(alpha=penalty).fit(states.reshape(-1, 6), targets.reshape(-1, 2))
    np.testing.assert_allclose(kernel, theirs.coef_.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(bias, theirs.intercept_, rtol=1e-9, atol=1e-12)


def test_ridge_readout_is_exact_in_single_precision():
    """Nearly dependent states do not spoil it: the normal equations would lose all digits here."""
    base = draws(200, 1, dtype=np.float32)
    states = np.concatenate([base, base + 1e-3 * draws(200, 1, seed=2, dtype=np.float32)], axis=1)
    kernel, bias = ridge_readout(states, states @ np.array([[1.0], [-2.0]], np.float32) + 3, 0.0)
    np.testing.assert_allclose(kernel, [[1.0], [-2.0]], rtol=2e-3)
    np.testing.assert_allclose(bias, [3.0], rtol=1e-4)


@x64
def test_a_trained_readout_recalls_the_past_of_the_input():
    """A reservoir of 100 units holds what it heard five steps ago; a readout of the input alone does not."""
    cell = EchoState(100, spectral_radius=0.9, input_scale=0.1, precision=DOUBLE)
    xs = np.random.default_rng(0).uniform(-1, 1, (2000, 1))
    ys = run(cell, cell.init(KEY, 1), xs)[1]
    wanted = np.roll(xs, 5, axis=0)
    train, test = slice(100, 1500), slice(1500, None)
    for states, error in ((ys, 0.02), (xs, None)):
        kernel, bias = ridge_readout(states[train], wanted[train], 1e-8)
        left = np.mean((states[test] @ kernel + bias - wanted[test]) ** 2) / wanted[test].var()
        assert left < error if error else left > 0.9
