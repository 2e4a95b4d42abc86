"""What the laws do not say of the variants of the LSTM: special cases, traps, initial values, and uneven times."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from references import lstm_family as references
from references.functions import sigmoid
from sequences import assert_identical, assert_same, drawn_like, run

from rnnjax import (
    CIFGLSTM,
    JANET,
    LSTM,
    LSTM1997,
    LSTMP,
    URLSTM,
    WMCLSTM,
    HyperLSTM,
    InputError,
    LayerNormLSTM,
    MogrifierLSTM,
    MultiplicativeLSTM,
    NASCell,
    PeepholeLSTM,
    PhasedLSTM,
    Precision,
    TimeAwareLSTM,
    unroll,
)
from rnnjax.cell import abstract_params
from rnnjax.cells.lstm import LSTMState
from rnnjax.cells.ur_lstm import UniformGates
from rnnjax.initializers import Chrono, Constant
from rnnjax.inputs import Timed

x64 = pytest.mark.usefixtures("x64")
BATCH, TIME, IN_FEATURES, FEATURES = 3, 6, 5, 4


def problem(cell, seed=0):
    """Parameters, inputs and a carry, drawn at random."""
    params = drawn_like(abstract_params(cell, IN_FEATURES), seed)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), seed + 1, scale=1.0)
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), seed + 2)
    return params, xs, carry


def without(params, *names):
    return {name: leaf for name, leaf in params.items() if name not in names}


def block(array, gate, cell):
    """The block of a gate of a parameter."""
    index = cell.gates.index(gate)
    return array[..., index * cell.features : (index + 1) * cell.features]


def elapsed_times(seed=5):
    return np.random.default_rng(seed).exponential(3.0, (BATCH, TIME, 1))


# --- special cases -----------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("cls", [LSTM1997, CIFGLSTM, LayerNormLSTM, NASCell, URLSTM])
def test_heads_are_a_block_diagonal_matrix(cls):
    """Two heads compute what one head computes whose recurrent matrices are zero between the halves of the state."""
    cell, dense = cls(FEATURES, heads=2, precision=FLOAT64), cls(FEATURES, precision=FLOAT64)
    params, xs, carry = problem(cell)
    heads = params["recurrent_kernel"].reshape(2, 2, len(cls.gates), 2)
    full = np.zeros((2, 2, len(cls.gates), 2, 2))
    for head in range(2):
        full[head, :, :, head] = heads[head]
    full = {"recurrent_kernel": full.reshape(FEATURES, len(cls.gates) * FEATURES)}
    assert_same(run(cell, params, xs, carry), run(dense, params | full, xs, carry))


@x64
@pytest.mark.parametrize("rounds", [0, 5])
def test_mogrifier_that_changes_nothing_is_an_lstm(rounds):
    """Without rounds, or with matrices of zero, whose gates are 2 sigmoid(0) = 1, it is the LSTM."""
    cell = MogrifierLSTM(FEATURES, rounds=rounds, precision=FLOAT64)
    params, xs, carry = problem(cell)
    names = [f"round_{r + 1}" for r in range(rounds)]
    silent = params | {name: np.zeros_like(params[name]) for name in names}
    plain = run(LSTM(FEATURES, precision=FLOAT64), without(params, *names), xs, carry)
    assert_same(run(cell, silent, xs, carry), plain)
    if rounds:
        assert not np.allclose(run(cell, params, xs, carry)[1], plain[1])


@x64
def test_mogrifier_of_full_rank_is_that_without_rank():
    """Factors multiplied out are the matrices of the rounds."""
    low, full = (MogrifierLSTM(FEATURES, rounds=2, rank=rank, precision=FLOAT64) for rank in (3, None))
    params, xs, carry = problem(low)
    product = {name: params[name]["left"] @ params[name]["right"] for name in ("round_1", "round_2")}
    assert_same(run(low, params, xs, carry), run(full, params | product, xs, carry))


@x64
def test_lstm_of_1997_never_forgets():
    """With shut input gates the cell state is what it was, to the last bit, and so is its gradient."""
    for cls, keeps in ((LSTM1997, True), (LSTM, False)):
        cell = cls(FEATURES, precision=FLOAT64)
        params, xs, carry = problem(cell)
        block(params["bias"], "input", cell)[:] = -1e4
        final = lambda c: unroll(cell, params, xs, carry._replace(c=c))[0].c  # noqa: B023, E731
        assert np.array_equal(jax.jit(final)(carry.c), carry.c) is keeps
        gradient = jax.jit(jax.grad(lambda c: final(c).sum()))(carry.c)  # noqa: B023
        assert np.array_equal(gradient, np.ones_like(carry.c)) is keeps


@x64
def test_multiplicative_lstm_is_deaf_to_its_state_without_input():
    """m = (W_m x) * (U_m h) is zero where x is: h does not reach the gates; in a plain LSTM it does."""
    for cls, same in ((MultiplicativeLSTM, True), (LSTM, False)):
        cell = cls(FEATURES, precision=FLOAT64)
        params, _, carry = problem(cell)
        x = np.zeros((BATCH, IN_FEATURES))
        other = carry._replace(h=carry.h + 1.0)
        results = [cell.step(params, start, x)[1] for start in (carry, other)]
        assert np.array_equal(*results) is same


@x64
def test_trap_third_leaf_of_nas_multiplies():
    """With a recurrent factor of zero the third leaf is zero, whatever the input; a sum would not be."""
    cell = NASCell(FEATURES, precision=FLOAT64)
    params, xs, carry = problem(cell)
    block(params["recurrent_kernel"], "leaf_3", cell)[:] = 0.0
    block(params["bias"], "leaf_3", cell)[:] = 0.0
    before = run(cell, params, xs, carry)
    block(params["kernel"], "leaf_3", cell)[:] += 1.0
    assert_identical(run(cell, params, xs, carry), before)
    block(params["kernel"], "leaf_2", cell)[:] += 1.0
    assert not np.allclose(run(cell, params, xs, carry)[1], before[1])


@x64
def test_working_memory_moves_gates_by_less_than_one():
    """However large the cell state, a gate's pre-activation changes by at most tanh = 1; through a peephole by more."""
    logit = lambda share: np.log(share) - np.log1p(-share)  # noqa: E731
    for cls, bounded in ((WMCLSTM, True), (PeepholeLSTM, False)):
        cell = cls(FEATURES, precision=FLOAT64)
        params, xs, carry = problem(cell)
        weights = cell.prepare(params)
        drive = cell.project(weights, xs[:, 0])
        changes = []
        for scale in (0.0, 20.0):
            gates = cell.gate_values(weights, carry._replace(c=scale * np.ones_like(carry.c)), drive)
            changes.append({gate: logit(np.asarray(gates[gate])) for gate in ("input", "forget")})
        moved = [np.abs(changes[1][gate] - changes[0][gate]).max() for gate in changes[0]]
        assert bool(max(moved) <= 1.0 + 1e-9) is bounded


@x64
def test_layer_norm_is_over_all_gates_together():
    """All pre-activations may be scaled at will; those of one gate may not, for the gates are normalised together."""
    cell = LayerNormLSTM(FEATURES, epsilon=1e-14, precision=FLOAT64)
    params, xs, carry = problem(cell)
    names = ("kernel", "recurrent_kernel")
    plain = run(cell, params, xs, carry)
    assert_same(run(cell, params | {name: 7 * params[name] for name in names}, xs, carry), plain, tolerance=1e-9)
    for name in names:
        block(params[name], "forget", cell)[:] *= 7
    assert not np.allclose(run(cell, params, xs, carry)[1], plain[1])


@x64
def test_hyper_lstm_starts_with_constant_scales():
    """At the start the small network scales all weights by 0.1 and says nothing else; later it does."""
    cell = HyperLSTM(FEATURES, precision=FLOAT64)
    start = cell.init(jax.random.key(0), IN_FEATURES)
    params, xs, carry = problem(cell)
    loud = carry._replace(hyper_h=carry.hyper_h + 1.0)
    a, b = (run(cell, start, xs, initial) for initial in (carry, loud))
    assert_same(a[1], b[1])
    assert not np.allclose(run(cell, params, xs, carry)[1], run(cell, params, xs, loud)[1])
    scaled = {name: 0.1 * start[name] for name in ("kernel", "recurrent_kernel")} | {"bias": start["bias"]}
    plain = run(LSTM(FEATURES, precision=FLOAT64), scaled, xs, LSTMState(carry.h, carry.c))
    assert_same(a[1], plain[1])


def test_hyper_lstm_is_an_eighth_as_wide_by_default():
    """The small network has 128 units for a thousand, as in the paper's models, and never fewer than 4."""
    assert [HyperLSTM(n).hyper_width for n in (1000, 64, 8)] == [125, 8, 4]
    assert HyperLSTM(8, hyper_features=3).hyper_width == 3


@x64
def test_effective_forget_gate_reaches_beyond_the_forget_gate():
    """With the refine gate open it is 1 - (1 - f)^2, with it shut f^2: nearer to 1 and to 0 than f."""
    cell = URLSTM(FEATURES, precision=FLOAT64)
    params, xs, carry = problem(cell)
    block(params["kernel"], "candidate", cell)[:] = 0.0
    block(params["recurrent_kernel"], "candidate", cell)[:] = 0.0
    block(params["bias"], "candidate", cell)[:] = 0.0  # what is kept of c is then the effective gate times c
    weights = cell.prepare(params)
    f = cell.gate_values(weights, carry, cell.project(weights, xs[:, 0]))["forget"]
    for bias, expected in ((1e4, 1 - (1 - f) ** 2), (-1e4, f**2)):
        block(params["bias"], "refine", cell)[:] = bias
        after, _ = cell.step(params, carry, xs[:, 0])
        assert_same(np.asarray(after.c / carry.c), np.asarray(expected))


# --- time --------------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("cls", [PhasedLSTM, TimeAwareLSTM])
def test_plain_inputs_are_one_unit_of_time_apart(cls):
    """A plain array is `Timed` with ones; other times give other outputs; parameters are the same for both."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, xs, carry = problem(cell)
    plain = run(cell, params, xs, carry)
    assert_identical(run(cell, params, Timed(xs, np.ones((BATCH, TIME, 1))), carry), plain)
    assert not np.allclose(run(cell, params, Timed(xs, elapsed_times()), carry)[1], plain[1])
    timed = cell.init(jax.random.key(0), Timed(IN_FEATURES, 1))
    assert_identical(timed, cell.init(jax.random.key(0), IN_FEATURES))
    with pytest.raises(InputError, match="elapsed"):
        cell.init(jax.random.key(0), Timed(IN_FEATURES, 2))


@x64
def test_time_aware_lstm_follows_its_equations_at_uneven_times():
    """The short-term memory fades with the logarithm of the elapsed time; where none passed, the cell is an LSTM."""
    cell = TimeAwareLSTM(FEATURES, precision=FLOAT64)
    params, xs, carry = problem(cell)
    elapsed = elapsed_times()
    _, ys = run(cell, params, Timed(xs, elapsed), carry)
    for row in range(BATCH):
        state = tuple(leaf[row] for leaf in carry)
        for t in range(TIME):
            state, y = references.time_aware_lstm(params, state, xs[row, t], elapsed[row, t, 0])
            assert_same(ys[row, t], y)
    still = run(cell, params, Timed(xs, np.zeros((BATCH, TIME, 1))), carry)
    plain = without(params, "decomposition_kernel", "decomposition_bias")
    assert_same(still, run(LSTM(FEATURES, precision=FLOAT64), plain, xs, carry))


@x64
def test_phased_lstm_opens_and_closes_in_its_period():
    """k rises from 0 to 1 and falls again in the first share r of the period, and is leak * phi in the rest."""
    cell = PhasedLSTM(1, leak=0.01, precision=FLOAT64)
    params = cell.init(jax.random.key(0), IN_FEATURES)
    clock = {"log_period": np.log([10.0]), "shift": np.array([3.0]), "ratio_logit": np.log([0.25])}  # r = 0.2
    weights = cell.prepare(params | clock)
    times = np.array([3.0, 3.5, 4.0, 4.5, 5.0 + 1e-9, 8.0, 12.0, 14.0, -6.0])
    openness = np.ravel(cell.openness(weights, times[:, None]))
    np.testing.assert_allclose(openness, [0.0, 0.5, 1.0, 0.5, 0.002, 0.005, 0.009, 1.0, 1.0], atol=1e-8)


@x64
def test_phased_lstm_keeps_the_state_of_closed_units():
    """Without leak a closed unit keeps h and c to the last bit, and the gradient through it is one."""
    cell = PhasedLSTM(FEATURES, leak=0.0, precision=FLOAT64)
    params, xs, carry = problem(cell)
    # All units are open up to t = 1, and then closed up to t = 1000.
    clock = {"log_period": np.log(1e3), "shift": 0.0, "ratio_logit": np.log(1e-3) - np.log1p(-1e-3)}
    params |= {name: np.full(FEATURES, value) for name, value in clock.items()}
    carry = carry._replace(time=np.ones((BATCH, 1)))

    def final(c):
        return unroll(cell, params, xs, carry._replace(c=c))[0]

    after = jax.jit(final)(carry.c)
    assert_identical((np.asarray(after.h), np.asarray(after.c)), (carry.h, carry.c))
    assert_same(np.asarray(after.time), carry.time + TIME)
    gradient = jax.jit(jax.grad(lambda c: final(c).c.sum()))(carry.c)
    assert_identical(np.asarray(gradient), np.ones_like(carry.c))


@x64
def test_elapsed_times_add_up():
    """The clock after a sequence is the sum of what elapsed, from zero."""
    cell = PhasedLSTM(FEATURES, precision=FLOAT64)
    params, xs, _ = problem(cell)
    elapsed = elapsed_times()
    final, _ = run(cell, params, Timed(xs, elapsed))
    assert_same(final.time, elapsed.sum(1))


@pytest.mark.parametrize(("carry", "count"), [("bfloat16", 256.0), ("float32", 300.0)])
def test_trap_a_clock_needs_a_wide_carry(carry, count):
    """In bfloat16 256 + 1 is 256: the clock stands still."""
    cell = PhasedLSTM(2, precision=Precision("float32", "bfloat16", carry))
    params = cell.init(jax.random.key(0), 1)
    final, _ = jax.jit(lambda xs: unroll(cell, params, xs))(jnp.zeros((300, 1)))
    assert final.time.item() == count


# --- initial values ----------------------------------------------------------------------------------------------


def test_clocks_start_as_stated():
    """Periods are log-uniform between their bounds, shifts uniform in the period, and the open share a constant."""
    cell = PhasedLSTM(1000, period_min=2.0, period_max=200.0, ratio_on=0.1, recurrent_init=Constant(0.0))
    clock = jax.jit(lambda key: cell.init(key, 1))(jax.random.key(0))
    share = (clock["log_period"] - np.log(2.0)) / np.log(100.0)
    for shares in (share, clock["shift"] / np.exp(clock["log_period"])):
        assert shares.min() >= 0 and shares.max() <= 1 + 1e-6
        np.testing.assert_allclose(np.quantile(shares, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.08)
    assert abs(np.corrcoef(share, clock["shift"] / np.exp(clock["log_period"]))[0, 1]) < 0.15, "drawn apart"
    np.testing.assert_allclose(sigmoid(np.asarray(clock["ratio_logit"])), 0.1, rtol=1e-5)


def test_forget_gates_start_uniform():
    """sigmoid(b_f) is U(1/n, 1 - 1/n), b_r = -b_f, all other biases are zero; a given bias replaces one gate's."""
    cell = URLSTM(2000)
    bias = np.asarray(UniformGates().blocks(jax.random.key(0), cell.gates, (2000,)))
    forget, refine, candidate, output = np.split(bias, 4)
    shares = sigmoid(forget)
    assert shares.min() >= 1 / 2000 - 1e-6 and shares.max() <= 1 - 1 / 2000 + 1e-6
    np.testing.assert_allclose(np.quantile(shares, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.04)
    assert np.array_equal(refine, -forget) and not np.any(candidate) and not np.any(output)
    params = URLSTM(8, bias_init={"forget": 2.0}).init(jax.random.key(0), 3)
    assert np.array_equal(np.unique(np.split(params["bias"], 4)[0]), [2.0])
    assert np.isfinite(URLSTM(1).init(jax.random.key(0), 3)["bias"]).all()
    long = URLSTM(8, bias_init=Chrono(50)).init(jax.random.key(0), 3)
    assert np.all(np.split(long["bias"], 4)[0] > 0)


def test_presets_of_the_papers():
    """The biases that a paper or its code gives to gates, and the spread of what it draws."""
    gates = {
        LSTM1997: {"input": -3.0, "output": -1.0},
        PhasedLSTM: {"forget": 2.0, "input": 0.0},
        TimeAwareLSTM: {"forget": 0.0},
        LayerNormLSTM: {"forget": 0.0},
    }
    for cls, constants in gates.items():
        cell = cls(64, preset="paper")
        params = cell.init(jax.random.key(0), 32)
        for gate, value in constants.items():
            assert np.all(block(params["bias"], gate, cell) == value), (cls, gate)
    for cls in (PhasedLSTM, TimeAwareLSTM, CIFGLSTM):
        params = cls(64, preset="paper").init(jax.random.key(0), 32)
        for name in ("kernel", "recurrent_kernel"):
            assert abs(np.std(params[name]) / 0.1 - 1) < 0.05, cls
    for bound, cell in ((0.1, LSTM1997(64, preset="paper")), (0.02, LSTMP(64, preset="paper"))):
        params = cell.init(jax.random.key(0), 32)
        for name in ("kernel", "recurrent_kernel", *(["projection"] if "projection" in params else [])):
            assert 0.98 * bound < np.abs(params[name]).max() <= bound, name
    wide = LSTMP(100, projection_features=4, preset="torch").init(jax.random.key(0), 4)
    for name in ("kernel", "recurrent_kernel", "projection"):
        assert 0.09 < np.abs(wide[name]).max() <= 0.1, f"{name}: 1 / sqrt(100), the width of the memory"


def test_hyper_lstm_starts_as_stated():
    """Zero, one, 0.1 / e and N(0, 0.01^2), in the blocks that the paper says; the forget bias is added last."""
    cell = HyperLSTM(32, hyper_features=64, embedding_features=5, layer_norm=True)
    params = cell.init(jax.random.key(0), 3)
    embedding, scaling = np.split(params["embedding_kernel"], 3, axis=1), np.split(params["scaling_kernel"], 3, axis=1)
    assert not np.any(embedding[0]) and not np.any(embedding[1]) and not np.any(scaling[2])
    assert abs(np.std(embedding[2]) / 0.01 - 1) < 0.1
    assert np.all(params["embedding_bias"] == 1)
    np.testing.assert_allclose(np.concatenate(scaling[:2], axis=1), 0.1 / 5)
    assert np.all(block(params["gate_bias"], "forget", cell) == 1) and not np.any(params["bias"])
    plain = HyperLSTM(32)
    params = plain.init(jax.random.key(0), 3)
    assert np.all(block(params["bias"], "forget", plain) == 1)


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: LSTM1997(4, squashing="relu"), "LSTM1997.squashing", "'relu'", "tanh, logistic"),
        (lambda: LSTM1997(4, bias_init={"forget": 1.0}), "LSTM1997.bias_init gate", "'forget'", "input, candidate"),
        (lambda: LSTMP(4, projection_features=0), "LSTMP.projection_features", "0", "below features=4"),
        (lambda: LSTMP(4, projection_features=4), "LSTMP.projection_features", "4", "below features=4"),
        (lambda: LSTMP(4, projection_init=1.0), "LSTMP.projection_init", "1.0", "an Initializer"),
        (lambda: CIFGLSTM(4, bias_init={"input": 1.0}), "CIFGLSTM.bias_init gate", "'input'", "forget, candidate"),
        (lambda: CIFGLSTM(4, heads=3), "CIFGLSTM.heads", "3", "divides features=4"),
        (lambda: LayerNormLSTM(4, epsilon=0.0), "LayerNormLSTM.epsilon", "0.0", "a number > 0"),
        (lambda: MogrifierLSTM(4, rounds=-1), "MogrifierLSTM.rounds", "-1", "an int >= 0"),
        (lambda: MogrifierLSTM(4, rounds=True), "MogrifierLSTM.rounds", "True", "an int >= 0"),
        (lambda: MogrifierLSTM(4, rank=0), "MogrifierLSTM.rank", "0", "a positive int"),
        (lambda: MogrifierLSTM(4, mogrifier_init="x"), "MogrifierLSTM.mogrifier_init", "'x'", "an Initializer"),
        (lambda: HyperLSTM(4, hyper_features=0), "HyperLSTM.hyper_features", "0", "a positive int"),
        (lambda: HyperLSTM(4, embedding_features=None), "HyperLSTM.embedding_features", "None", "a positive int"),
        (lambda: HyperLSTM(4, layer_norm=1), "HyperLSTM.layer_norm", "1", "True or False"),
        (lambda: HyperLSTM(4, epsilon=-1.0), "HyperLSTM.epsilon", "-1.0", "a number > 0"),
        (lambda: PhasedLSTM(4, leak=1.5), "PhasedLSTM.leak", "1.5", "a number in [0, 1]"),
        (lambda: PhasedLSTM(4, period_min=0.0), "PhasedLSTM.period_min", "0.0", "a number > 0"),
        (lambda: PhasedLSTM(4, period_max=0.5), "PhasedLSTM.period_max", "0.5", "at least period_min=1.0"),
        (lambda: PhasedLSTM(4, ratio_on=1.0), "PhasedLSTM.ratio_on", "1.0", "(0, 1)"),
        (lambda: WMCLSTM(4, memory_init={"candidate": 0.1}), "WMCLSTM.memory_init gate", "'candidate'", "one of input"),
        (lambda: UniformGates().blocks(jax.random.key(0), ("reset",), (4,)), "UniformGates", "('reset',)", "forget"),
        (lambda: JANET(4, beta="1"), "JANET.beta", "'1'", "a number"),
        *((lambda cls=cls: cls(4).init(jax.random.key(0), 0), "in_features", "0", "a positive int")
          for cls in (LSTMP, MogrifierLSTM, HyperLSTM, PhasedLSTM, TimeAwareLSTM)),
    ],
)  # fmt: skip
def test_bad_configuration_is_named(make, argument, given, expected):
    """A cell that cannot be says which field is wrong, what was given and what was expected, when it is made."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert message.startswith(f"{argument}: got ") and given in message and expected in message, message
