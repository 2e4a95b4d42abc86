"""Plain and gated cells outside of the families of LSTM and GRU: what the laws do not say of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from references.functions import sigmoid
from sequences import assert_same, drawn_like, run

from rnnjax import (
    CFN,
    QRNN,
    SCRN,
    SRU,
    TGRU,
    TLSTM,
    TRNN,
    UGRNN,
    ClockworkRNN,
    Elman,
    FastGRNN,
    FastRNN,
    InputError,
    IntersectionRNN,
    MinimalRNN,
    Precision,
    unroll,
)
from rnnjax.cell import abstract_params

x64 = pytest.mark.usefixtures("x64")
DOUBLE = Precision("float64")
BATCH, TIME, INPUTS, FEATURES = 2, 12, 5, 8
SHUT, OPEN = -1e3, 1e3


def drawn(cell, inputs=INPUTS, seed=0):
    """Parameters drawn at random."""
    return drawn_like(abstract_params(cell, inputs), seed)


def sequence(inputs=INPUTS, time=TIME, seed=1):
    return drawn_like(jax.ShapeDtypeStruct((BATCH, time, inputs), jnp.float64), seed, scale=1.0)


def with_bias(cell, params, **gates):
    """The parameters with a constant bias for the named gates, by their place in the bias."""
    blocks = dict(zip(cell.gates, np.split(np.array(params["bias"]), len(cell.gates)), strict=True))
    for gate, value in gates.items():
        blocks[gate] = np.full_like(blocks[gate], value)
    return params | {"bias": np.concatenate(list(blocks.values()))}


# --- bad arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: SCRN(4, context_features=0), "SCRN.context_features", "0", "a positive int"),
        (lambda: SCRN(4, alpha=1.0), "SCRN.alpha", "1.0", "(0, 1)"),
        (lambda: ClockworkRNN(4, periods=(0, 2)), "ClockworkRNN.periods", "(0, 2)", "positive ints"),
        (lambda: ClockworkRNN(4, periods=()), "ClockworkRNN.periods", "()", "positive ints"),
        (lambda: ClockworkRNN(4, periods=3), "ClockworkRNN.periods", "3", "positive ints"),
        (lambda: ClockworkRNN(4, periods=(2, 1)), "ClockworkRNN.periods", "(2, 1)", "increasing"),
        (lambda: ClockworkRNN(2, periods=(1, 2, 4)), "ClockworkRNN.periods", "(1, 2, 4)", "features=2"),
        (
            lambda: ClockworkRNN(2, periods=(1, 512), precision=Precision("bfloat16")),
            "ClockworkRNN.periods", "(1, 512)", "up to 256, to which bfloat16 counts",
        ),
        (lambda: FastRNN(4, alpha_init="3"), "FastRNN.alpha_init", "'3'", "a number"),
        (lambda: FastRNN(4, beta_init=None), "FastRNN.beta_init", "None", "a number"),
        (lambda: FastGRNN(4, input_rank=0), "FastGRNN.input_rank", "0", "a positive int, or None"),
        (lambda: FastGRNN(4, recurrent_rank=2.5), "FastGRNN.recurrent_rank", "2.5", "a positive int, or None"),
        (lambda: FastGRNN(4, zeta_init=True), "FastGRNN.zeta_init", "True", "a number"),
        (lambda: FastGRNN(4, nu_init="x"), "FastGRNN.nu_init", "'x'", "a number"),
        (lambda: SRU(4, highway_bias=None), "SRU.highway_bias", "None", "a number"),
        (lambda: SRU(4, rescale=1), "SRU.rescale", "1", "True or False"),
        (lambda: QRNN(4, window=0), "QRNN.window", "0", "a positive int"),
        (lambda: QRNN(4, pooling="o"), "QRNN.pooling", "'o'", "f, fo, ifo"),
        (lambda: QRNN(4, pooling="f", bias_init={"output": 1.0}), "QRNN.bias_init gate", "'output'", "forget"),
        (lambda: QRNN(4).affine(None, None), "cell", "QRNN(4)", "window=1"),
        (lambda: UGRNN(4, preset="torch"), "UGRNN.preset", "'torch'", "default, paper"),
        *(
            (lambda cls=cls: cls(4).init(jax.random.key(0), 0), "in_features", "0", "a positive int")
            for cls in (SCRN, IntersectionRNN, MinimalRNN, CFN, FastRNN, FastGRNN, TRNN, TGRU, SRU, QRNN)
        ),
    ],
)  # fmt: skip
def test_bad_configuration_is_named(make, argument, given, expected):
    """A cell that cannot be says which field is wrong, what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert message.startswith(f"{argument}: got ") and given in message and expected in message, message


# --- where they start from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "constants"),
    [
        (UGRNN(FEATURES), {"update": 1.0, "candidate": 0.0}),
        (IntersectionRNN(FEATURES), {"update": 1.0, "candidate": 0.0, "depth": 1.0, "output_candidate": 0.0}),
        (MinimalRNN(FEATURES), {"update": 1.0, "candidate": 0.0}),
        (CFN(FEATURES, preset="paper"), {"forget": 1.0, "input": -1.0}),
        (FastRNN(FEATURES, preset="paper"), {"candidate": 1.0}),
        (FastGRNN(FEATURES, preset="paper"), {"update": 1.0, "candidate": 1.0}),
        (TLSTM(FEATURES), {"candidate": 0.0, "forget": 1.0, "output": 0.0}),
        (SRU(FEATURES), {"forget": 1.0, "reset": 0.0}),
        (SRU(FEATURES, preset="paper", highway_bias=-2.0), {"forget": 0.0, "reset": -2.0}),
        (SRU(FEATURES, highway_bias=-2.0, bias_init={"forget": 3.0}), {"forget": 3.0, "reset": -2.0}),
        (QRNN(FEATURES), {"candidate": 0.0, "forget": 1.0, "output": 0.0}),
    ],
    ids=repr,
)
def test_initial_biases(cell, constants):
    """Each gate's bias starts at the constant that the paper, its code or the docstring says."""
    bias = cell.init(jax.random.key(0), INPUTS)["bias"]
    np.testing.assert_array_equal(bias, np.repeat(list(constants.values()), FEATURES).astype(np.float32))


@pytest.mark.parametrize(
    ("cell", "std"),
    [
        (
            SCRN(64, preset="paper"),
            dict.fromkeys(["kernel", "slow_kernel", "recurrent_kernel", "context_kernel"], 0.05),
        ),
        (CFN(64, preset="paper"), {"kernel": 0.07 / 3**0.5, "recurrent_kernel": 0.07 / 3**0.5}),
        (ClockworkRNN(64, preset="paper"), {"kernel": 0.1, "recurrent_kernel": 0.1}),
        (FastRNN(64, preset="paper"), {"kernel": 0.1, "recurrent_kernel": 0.1}),
        (
            FastGRNN(64, preset="paper", input_rank=32, recurrent_rank=32),
            dict.fromkeys(["kernel", "kernel_factor", "recurrent_kernel", "recurrent_factor"], 0.1),
        ),
        (SRU(64, preset="paper"), {"recurrent_vector": 0.5**0.5, "highway_kernel": (3 / 32) ** 0.5}),
        (TGRU(64), {"kernel": 64**-0.5, "previous_kernel": 64**-0.5}),  # two inputs of 32 features: a fan-in of 64
        (QRNN(64, window=4), {"kernel": 128**-0.5, "previous_kernel": 128**-0.5}),
    ],
    ids=repr,
)
def test_initial_scales(cell, std):
    """Kernels start with the standard deviation that the paper, its code or the docstring says."""
    draws = jax.vmap(lambda key: cell.init(key, 32))(jax.random.split(jax.random.key(0), 64))
    for name, expected in std.items():
        assert abs(np.std(draws[name]) / expected - 1) < 0.05, name
        assert abs(np.mean(draws[name])) < 0.05 * expected, name


def test_gates_of_the_official_sru_start_with_half_the_variance():
    """The candidate's kernel has variance 1/fan_in, those of the gates half of it, all within the uniform's bounds."""
    blocks = np.split(np.asarray(SRU(256, preset="paper").init(jax.random.key(0), 128)["kernel"]), 3, axis=1)
    for block, share in zip(blocks, (1.0, 0.5, 0.5), strict=True):
        assert abs(block.var() / (share / 128) - 1) < 0.03
        assert np.abs(block).max() <= (3 * share / 128) ** 0.5


@pytest.mark.parametrize(
    ("cell", "names", "values"),
    [
        (FastRNN(4), ("alpha", "beta"), (-3.0, 3.0)),
        (FastRNN(4, alpha_init=-1.0, beta_init=2.0), ("alpha", "beta"), (-1.0, 2.0)),
        (FastGRNN(4), ("zeta", "nu"), (1.0, -4.0)),
        (FastGRNN(4, zeta_init=2.0, nu_init=-3.0), ("zeta", "nu"), (2.0, -3.0)),
    ],
    ids=repr,
)
def test_scalars_start_where_they_are_told(cell, names, values):
    """The trained numbers start as in the authors' code: a fast cell keeps 95 % of its state at first."""
    params = cell.init(jax.random.key(0), INPUTS)
    assert tuple(float(params[name][0]) for name in names) == values


# --- units that keep, and units that are kept apart --------------------------------------------------------------


@x64
@pytest.mark.parametrize(
    ("cell", "gate", "state"),
    [
        (UGRNN(FEATURES, precision=DOUBLE), "update", "h"),
        (IntersectionRNN(FEATURES, precision=DOUBLE), "update", "hidden"),
        (MinimalRNN(FEATURES, precision=DOUBLE), "update", "h"),
        (TRNN(FEATURES, precision=DOUBLE), "forget", "h"),
        (TLSTM(FEATURES, precision=DOUBLE), "forget", "c"),
        (QRNN(FEATURES, precision=DOUBLE), "forget", "c"),
        (QRNN(FEATURES, window=1, pooling="f", precision=DOUBLE), "forget", "c"),
    ],
    ids=repr,
)
def test_trap_an_open_gate_keeps_the_state(cell, gate, state):
    """With its gate open the state stays as it is, bit for bit; shut, the state is the candidate."""
    params, xs = drawn(cell), sequence()
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), 2)
    kept, _ = run(cell, with_bias(cell, params, **{gate: OPEN}), xs, carry)
    np.testing.assert_array_equal(getattr(kept, state), getattr(carry, state))
    weights = cell.prepare(with_bias(cell, params, **{gate: SHUT}))
    drive = cell.project(weights, xs[:, 0])
    after, _ = cell.advance(weights, carry, drive)
    assert_same(getattr(after, state), cell.gate_values(weights, carry, drive)["candidate"])


@x64
def test_depth_gate_hands_the_input_through():
    """An intersection network with its depth gate open is the identity, whatever its state does."""
    cell = IntersectionRNN(FEATURES, precision=DOUBLE)
    params, xs = drawn(cell, FEATURES), sequence(FEATURES)
    assert_same(run(cell, with_bias(cell, params, depth=OPEN), xs)[1], xs)


@x64
def test_state_of_a_minimal_network_stays_among_the_encoded_inputs():
    """The state lies between the smallest and the largest latent input so far, unit by unit."""
    cell = MinimalRNN(FEATURES, precision=DOUBLE)
    params, xs = drawn(cell), sequence()
    z = np.tanh(xs @ params["kernel"] + params["bias"][FEATURES:])
    seen = np.concatenate([np.zeros_like(z[:, :1]), z], axis=1)
    _, ys = run(cell, params, xs)
    assert np.all(ys <= np.maximum.accumulate(seen, axis=1)[:, 1:])
    assert np.all(ys >= np.minimum.accumulate(seen, axis=1)[:, 1:])


@x64
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_chaos_free_network_relaxes_to_zero(scale):
    """Without input every unit comes closer to zero in each step, for parameters of any size."""
    cell = CFN(FEATURES, precision=DOUBLE)
    params = jax.tree.map(lambda leaf: scale * leaf, drawn(cell))
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), 2, scale=3.0)
    _, ys = run(cell, params, np.zeros((BATCH, 500, INPUTS)), carry)
    sizes = np.abs(np.concatenate([carry.h[:, None], ys], axis=1))
    assert np.all((sizes[:, 1:] < sizes[:, :-1]) | (sizes[:, 1:] == 0))
    assert sizes[:, -1].max() < 0.1


# --- slow units --------------------------------------------------------------------------------------------------


@x64
def test_context_units_are_exponential_traces_of_the_input():
    """s_t = (1 - alpha) sum over k of alpha^k B x_{t-k}, and the output shows both kinds of units."""
    cell = SCRN(FEATURES, context_features=3, alpha=0.8, precision=DOUBLE)
    params, xs = drawn(cell), sequence()
    final, ys = run(cell, params, xs)
    assert ys.shape[-1] == cell.output_features == FEATURES + 3
    seen = xs @ params["slow_kernel"]
    for t in range(TIME):
        weights = 0.2 * 0.8 ** np.arange(t + 1)[::-1]
        assert_same(ys[:, t, FEATURES:], np.einsum("t,btn->bn", weights, seen[:, : t + 1]))
    assert_same(np.concatenate(final, axis=-1), ys[:, -1])


@x64
def test_hidden_units_see_the_context_of_their_own_step():
    """The paper's P s_t, where its authors' code has P s_{t-1}: the first context counts in the first step."""
    cell = SCRN(FEATURES, precision=DOUBLE)
    params, x = drawn(cell), sequence()[:, 0]
    state, _ = cell.step(params, cell.initial_carry((BATCH,)), x)
    expected = sigmoid(x @ params["kernel"] + state.context @ params["context_kernel"] + params["bias"])
    assert_same(np.asarray(state.hidden), expected)


@x64
def test_modules_run_at_their_periods():
    """A module's units change in the steps that its period divides, counted from zero, and in no other."""
    cell = ClockworkRNN(FEATURES, periods=(1, 2, 3), precision=DOUBLE)
    np.testing.assert_array_equal(cell.unit_periods, [1, 1, 1, 2, 2, 2, 3, 3])
    final, ys = run(cell, drawn(cell), sequence())
    before = np.concatenate([np.zeros((BATCH, 1, FEATURES)), ys[:, :-1]], axis=1)
    runs = np.arange(TIME)[:, None] % cell.unit_periods == 0
    np.testing.assert_array_equal(ys != before, np.broadcast_to(runs, ys.shape))
    np.testing.assert_array_equal(final.clock, np.full((BATCH, 1), TIME))


@x64
def test_faster_modules_do_not_reach_slower_ones():
    """The gradient of what leads from a faster module to a slower one is zero, of everything else it is not."""
    cell = ClockworkRNN(FEATURES, periods=(1, 2), precision=DOUBLE)
    params, xs = drawn(cell), sequence()

    def loss(kernel):
        return jnp.sum(unroll(cell, params | {"recurrent_kernel": kernel}, xs)[1] ** 2)

    gradient = np.asarray(jax.grad(loss)(params["recurrent_kernel"]))
    periods = cell.unit_periods
    np.testing.assert_array_equal(gradient != 0, periods[:, None] >= periods)


@x64
def test_one_module_of_period_one_is_a_plain_network():
    """A clockwork of one module that always runs is an Elman network, from any clock."""
    cell, plain = ClockworkRNN(FEATURES, periods=(1,), precision=DOUBLE), Elman(FEATURES, precision=DOUBLE)
    params, xs = drawn(cell), sequence()
    carry = cell.initial_carry((BATCH,))
    carry = carry._replace(clock=carry.clock + 5)
    assert_same(run(cell, params, xs, carry)[1], run(plain, params, xs)[1])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_trap_clock_goes_on_where_the_dtype_stops_counting(dtype):
    """In bfloat16 256 + 1 is 256: the clock starts again before, and modules run at their periods for ever."""
    cell = ClockworkRNN(4, periods=(1, 3), precision=Precision(dtype))
    highest = 2 ** (jnp.finfo(dtype).nmant + 1)
    carry = cell.initial_carry()
    late = carry._replace(clock=jnp.full_like(carry.clock, highest // 3 * 3 - 6))
    params, xs = cell.init(jax.random.key(0), 2), jnp.ones((12, 2), dtype)
    (final, ys), (_, expected) = run(cell, params, xs, late), run(cell, params, xs, carry)
    np.testing.assert_array_equal(ys, expected)
    assert float(final.clock[0]) == 6


# --- kernels of low rank, highways, windows ----------------------------------------------------------------------


@x64
def test_low_rank_kernels_are_their_products():
    """A FastGRNN of low rank is one with the products as kernels, and has fewer parameters where ranks are low."""
    narrow = FastGRNN(FEATURES, input_rank=2, recurrent_rank=3, precision=DOUBLE)
    full = FastGRNN(FEATURES, precision=DOUBLE)
    params, xs = drawn(narrow), sequence()
    products = {name: params[name] for name in ("bias", "zeta", "nu")} | {
        "kernel": params["kernel"] @ params["kernel_factor"],
        "recurrent_kernel": params["recurrent_kernel"] @ params["recurrent_factor"],
    }
    assert_same(run(narrow, params, xs), run(full, products, xs))
    fewer = FEATURES * (INPUTS + FEATURES) - 2 * (INPUTS + FEATURES) - 3 * 2 * FEATURES
    assert full.parameter_count(INPUTS) - narrow.parameter_count(INPUTS) == fewer


@x64
@pytest.mark.parametrize(
    ("fields", "alpha"), [({}, 3**0.5), ({"highway_bias": -1.0}, 1.31748), ({"rescale": False}, 1)]
)
def test_highway_of_an_sru_is_the_scaled_input(fields, alpha):
    """With the reset gate shut the output is alpha x, alpha = sqrt(1 + 2 exp(highway_bias)), or x without rescaling."""
    cell = SRU(FEATURES, precision=DOUBLE, **fields)
    params, xs = drawn(cell, FEATURES), sequence(FEATURES)
    params["bias"] = np.concatenate([params["bias"][:FEATURES], np.full(FEATURES, SHUT)])
    _, ys = run(cell, params, xs)
    assert_same(ys, cell.highway_scale * xs)
    assert abs(cell.highway_scale - alpha) < 1e-4


@x64
def test_gates_of_an_sru_without_vectors_see_the_input_alone():
    """Without v, as in the first version of the paper, the step is affine in c; with it the gates see the state."""
    cell = SRU(FEATURES, precision=DOUBLE)
    params, x = drawn(cell), sequence()[:, 0]
    low, high = cell.initial_carry((BATCH,)), cell.initial_carry((BATCH,))._replace(c=jnp.full((BATCH, FEATURES), 2.0))
    for vector, alike in ((0.0 * params["recurrent_vector"], True), (params["recurrent_vector"], False)):
        weights = cell.prepare(params | {"recurrent_vector": vector})
        forget = [cell.gate_values(weights, carry, cell.project(weights, x))["forget"] for carry in (low, high)]
        assert np.array_equal(*forget) is alike


def windows(xs, taps):
    """What kernels `[taps, in_features, n]` make of each step's last inputs, zero before the first."""
    padded = np.concatenate([np.zeros((len(xs), len(taps) - 1, xs.shape[-1])), xs], axis=1)
    return sum(padded[:, len(taps) - 1 - k : padded.shape[1] - k] @ tap for k, tap in enumerate(taps))


@x64
@pytest.mark.parametrize("pooling", ["f", "fo", "ifo"])
@pytest.mark.parametrize("window", [1, 2, 4])
def test_quasi_recurrent_network_is_a_convolution_and_a_pooling(window, pooling):
    """Gates are a masked convolution of the whole sequence, at once; the state is pooled with them."""
    cell = QRNN(FEATURES, window=window, pooling=pooling, precision=DOUBLE)
    params, xs = drawn(cell), sequence()
    taps = np.concatenate([params["kernel"][None], params.get("previous_kernel", params["kernel"][None][:0])])
    z, f, *more = np.split(windows(xs, taps) + params["bias"], len(pooling) + 1, axis=-1)
    c, expected = np.zeros((BATCH, FEATURES)), []
    for t in range(TIME):
        keep = sigmoid(f[:, t])
        c = keep * c + (sigmoid(more[1][:, t]) if pooling == "ifo" else 1 - keep) * np.tanh(z[:, t])
        expected.append(sigmoid(more[0][:, t]) * c if more else c)
    assert_same(run(cell, params, xs)[1], np.stack(expected, axis=1))


def test_facts_of_a_quasi_recurrent_network_are_those_of_its_options():
    """Gates follow from the pooling; one input makes the cell affine in its state, more make it see the last ones."""
    assert QRNN(4, pooling="f").gates == ("candidate", "forget")
    assert QRNN(4).gates == QRNN.gates == ("candidate", "forget", "output")
    assert QRNN(4, pooling="ifo").gates == ("candidate", "forget", "output", "input")
    assert [QRNN(4, window=k).affine_in_state for k in (1, 2, 3)] == [True, False, False]
    assert [QRNN(4, window=k).jacobian for k in (1, 2)] == ["diagonal", "block"]
    assert "previous_kernel" not in QRNN(4, window=1).init(jax.random.key(0), INPUTS)


@x64
@pytest.mark.parametrize("cls", [TGRU, TLSTM])
def test_strongly_typed_gates_see_this_input_and_the_last(cls):
    """Gates are functions of x_t and x_{t-1}, zero before the first: nothing else of the past reaches them."""
    cell = cls(FEATURES, precision=DOUBLE)
    params, xs = drawn(cell), sequence()
    z, f, o = np.split(
        windows(xs, np.concatenate([params["kernel"][None], params["previous_kernel"]])) + params["bias"], 3, axis=-1
    )
    state, expected = np.zeros((BATCH, FEATURES)), []
    for t in range(TIME):
        keep, out = sigmoid(f[:, t]), np.tanh(o[:, t])
        state = keep * state + (z[:, t] * out if cls is TGRU else (1 - keep) * z[:, t])
        expected.append(state if cls is TGRU else state * out)
    assert_same(run(cell, params, xs)[1], np.stack(expected, axis=1))
