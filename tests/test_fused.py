"""The fused kernels against the scan engine.

On a CPU the kernels run in Pallas' interpret mode, and are lowered for CUDA. Where JAX runs on a GPU these same tests
run the kernels themselves: `python -m pytest tests/test_fused.py`.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sequences import (
    BATCH,
    HALF,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    evaluate,
    padded,
    row,
    run,
    weighed,
    with_nan_padding,
)

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, PeepholeLSTM, Precision, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines import Call
from rnnjax.engines.fused import Fused
from rnnjax.engines.fused.plan import SHARED_MEMORY, refused_width

ON_GPU = jax.default_backend() == "gpu"
FUSED = Fused(interpret=not ON_GPU)
INPUTS, WIDTH = 5, 16  # the narrowest head there is

FLOAT32_STATE = Precision("float32", "bfloat16", "float32")
BFLOAT16 = Precision("float32", "bfloat16")

ROUNDING = 1e-5  # float32: a few hundred roundings of size 1, where the order of summation is free


@pytest.fixture(autouse=True)
def exact_products():
    """float32 products in float32: on a GPU the default is TF32."""
    with jax.default_matmul_precision("highest"):
        yield


def drawn(cell, batch_shape=(BATCH,), time=TIME):
    """Parameters, inputs and carry, none zero anywhere; kernels of a size that keeps gates out of saturation."""
    params = drawn_like(abstract_params(cell, INPUTS), 0, scale=0.25)
    xs = drawn_like(jax.ShapeDtypeStruct((*batch_shape, time, INPUTS), np.float32), 1, scale=1.0)
    return params, xs, drawn_like(jax.eval_shape(lambda: cell.initial_carry(batch_shape)), 2)


IN_FULL = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)

CASES = {
    "elman": (Elman(WIDTH), {}),
    "elman_relu_heads_backwards": (Elman(2 * WIDTH, heads=2, activation="relu"), dict(reverse=True)),
    "lstm_heads": (LSTM(2 * WIDTH, heads=2), {}),
    "lstm_backwards": (LSTM(WIDTH), dict(reverse=True)),
    "gru": (GRU(WIDTH), {}),
    "gru_heads_backwards": (GRU(2 * WIDTH, heads=2), dict(reverse=True)),
}
every_case = pytest.mark.parametrize(("cell", "direction"), CASES.values(), ids=CASES)


@every_case
def test_fused_equals_scan(cell, direction):
    """Outputs, final carry, carries and all gradients, with padding, resets and three rows in a block of sixteen."""
    arguments = (cell, *drawn(cell))
    got = evaluate(*arguments, engine=FUSED, **direction, **IN_FULL)
    assert_same(got, evaluate(*arguments, engine="scan", **direction, **IN_FULL), ROUNDING)
    assert all(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(got.gradients)), "every gradient is seen"


@every_case
def test_padding_and_rows(cell, direction):
    """NaN in the padding changes nothing, padded outputs are zero, an empty row keeps its carry, rows are apart."""
    params, xs, carry = drawn(cell)
    options = dict(engine=FUSED, **direction, **IN_FULL)
    clean = evaluate(cell, params, xs, carry, **options)
    assert_identical(evaluate(cell, params, with_nan_padding(xs), carry, **options), clean)
    final, ys, _ = clean.outcome
    assert not ys[padded()].any() and not clean.xs[padded()].any()
    assert_identical(row(final, 1), row(carry, 1))
    moved = xs + np.array([0.0, 0.0, 1.0], np.float32)[:, None, None]
    others = evaluate(cell, params, moved, carry, **options)
    assert_identical(row(others.outcome, slice(2)), row(clean.outcome, slice(2)))
    assert np.abs(others.outcome[1][2] - ys[2]).max() > 1e-3


def test_resets_let_no_nan_through():
    """A state of NaN that a reset replaces at the first step leaves no trace in outputs or weight gradients."""
    cell, _ = CASES["lstm_heads"]
    params, xs, carry = drawn(cell)
    resets = RESETS | (np.arange(TIME) == 0)
    bad = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), carry)
    options = dict(engine=FUSED, resets=resets, through_carries=1.0, lengths=np.array([TIME, 3, HALF]))
    expected = evaluate(cell, params, xs, carry, **options)
    assert_identical(evaluate(cell, params, xs, bad, **options), expected)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))


@pytest.mark.parametrize("cell", [Elman(WIDTH), GRU(WIDTH)], ids=["elman", "gru"])
def test_chunks_equal_the_whole(cell):
    """Neither lengths nor resets: two chunks, the carry handed on, are one run, bit for bit, and equal the scan's."""
    params, xs, carry = drawn(cell)
    whole_final, whole = run(cell, params, xs, carry, engine=FUSED)
    middle, first = run(cell, params, xs[:, :HALF], carry, engine=FUSED)
    final, second = run(cell, params, xs[:, HALF:], middle, engine=FUSED)
    assert_identical((final, np.concatenate([first, second], axis=1)), (whole_final, whole))
    assert_same((whole_final, whole), run(cell, params, xs, carry, engine="scan"), ROUNDING)


@pytest.mark.parametrize("batch_shape", [(), (2, 10)], ids=str)
def test_any_batch_axes_and_blocks(batch_shape):
    """No batch axis, or several; rows that fill one block and a part of another; blocks of any size."""
    cell = LSTM(2 * WIDTH, heads=2)
    params, xs, carry = drawn(cell, batch_shape, time=3)
    expected = run(cell, params, xs, carry, engine="scan")
    for rows in (16, 32):
        engine = dataclasses.replace(FUSED, rows=rows, warps=2)
        assert_same(run(cell, params, xs, carry, engine=engine), expected, ROUNDING)


@pytest.mark.parametrize(("batch", "time"), [(BATCH, 0), (0, 2)])
def test_nothing_to_run(batch, time):
    """Without steps the carry is handed through with its gradient, without rows everything is empty."""
    cell = LSTM(WIDTH)
    params, xs, carry = drawn(cell, (batch,), time)
    got = evaluate(cell, params, xs, carry, rows=np.ones(batch), engine=FUSED)
    expected = evaluate(cell, params, xs, carry, rows=np.ones(batch), engine="scan")
    assert_identical(got, expected)


def test_maps_over_parameters():
    """`vmap` over parameters, as an ablation over seeds does it: each member is that of a run by itself."""
    cell = GRU(WIDTH)
    params, xs, carry = drawn(cell)
    scales = np.array([1.0, 0.5], np.float32)

    def gradient(scale):
        loss = lambda params: weighed(unroll(cell, params, xs, carry, engine=FUSED), np.ones(BATCH))  # noqa: E731
        return jax.grad(loss)(jax.tree.map(lambda leaf: scale * leaf, params))

    together = jax.jit(jax.vmap(gradient))(scales)
    alone = [jax.jit(gradient)(scale) for scale in scales]
    assert_same(
        jax.device_get(together), jax.device_get(jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)), ROUNDING
    )


@pytest.mark.parametrize(("cls", "policy"), [(LSTM, FLOAT32_STATE), (GRU, BFLOAT16)], ids=["lstm", "gru"])
def test_bfloat16_is_as_near_to_float32_as_the_scan(cls, policy):
    """In bfloat16 outputs and gradients are no further from those in float32 than the scan's are, by a quarter."""
    cell = cls(WIDTH, precision=policy)
    arguments = (cell, *drawn(cell))
    exact = evaluate(cls(WIDTH), *drawn(cls(WIDTH)), **IN_FULL)
    fused = evaluate(*arguments, engine=FUSED, **IN_FULL)
    scan = evaluate(*arguments, engine="scan", **IN_FULL)
    assert jax.tree.map(lambda leaf: leaf.dtype, fused) == jax.tree.map(lambda leaf: leaf.dtype, scan)
    for got, by_scan, truth in zip(*(jax.tree.leaves(e[1:]) for e in (fused, scan, exact)), strict=True):
        error, allowed = (np.linalg.norm(np.asarray(a, np.float32) - np.asarray(truth)) for a in (got, by_scan))
        assert 0 < error <= 1.25 * allowed, "rounding, not more"


# --- lowering ----------------------------------------------------------------------------------------------------

TARGET = "__gpu$xla.gpu.triton"
HOPPER = jax.sharding.AbstractDevice(device_kind="NVIDIA H100", num_cores=132, platform="gpu")


def lowered(function, *arguments):
    """The program of a function for CUDA, as text: no GPU is needed."""
    allowed = [jax.export.DisabledSafetyCheck.custom_call(TARGET)]
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=HOPPER)):
        exported = jax.export.export(jax.jit(function), platforms=["cuda"], disabled_checks=allowed)
        return exported(*arguments).mlir_module()


@pytest.mark.parametrize("policy", [Precision(), BFLOAT16, FLOAT32_STATE], ids=["float32", "bfloat16", "float32_state"])
@pytest.mark.parametrize("cls", [Elman, LSTM, GRU])
@pytest.mark.parametrize("plain", [False, True], ids=["padding_and_resets", "plain"])
def test_kernels_are_lowered_for_cuda(cls, policy, plain):
    """Forward and backward kernels of each cell and dtype pass Pallas' lowering to Triton, one call each."""
    cell = cls(128, heads=2, precision=policy)
    params, xs, carry = drawn(cell, batch_shape=(20,), time=7)  # neither is a power of two
    masks = (None, None) if plain else (np.ones((7, 20), bool), np.zeros((7, 20), bool))
    xs = xs.swapaxes(0, 1)

    def forwards(params, xs, carry):
        return Fused().run(cell, cell.prepare(params), carry, xs, Call(*masks, return_carries=True))

    def loss(*arguments):
        return sum(leaf.astype(jnp.float32).sum() for leaf in jax.tree.leaves(forwards(*arguments)))

    assert lowered(forwards, params, xs, carry).count(TARGET) == 1
    program = lowered(jax.grad(loss, argnums=(0, 1, 2)), params, xs, carry)
    assert program.count(TARGET) == 2 and "rnn_forward" in program and "rnn_backward" in program


# --- what is refused ---------------------------------------------------------------------------------------------


def refused(cell, reason, **options):
    return pytest.param(cell, FUSED, options, reason, id=reason[-30:])


@pytest.mark.parametrize(
    ("cell", "engine", "options", "reason"),
    [
        refused(PeepholeLSTM(16), "cover Elman (tanh, relu), LSTM and GRU (reset_after), not PeepholeLSTM"),
        refused(GRU(16, reset_after=False), "not GRU(16, reset_after=False)"),
        refused(Elman(16, activation="sigmoid"), "not Elman(16, activation='sigmoid')"),
        refused(Dropout(LSTM(16), output=0.5), "not Dropout(LSTM(16), output=0.5)"),
        refused(LSTM(24), "24 units wide, and the kernels take powers of two from 16"),
        refused(LSTM(32, heads=4), "8 units wide"),
        refused(LSTM(512), "4 gates of 512 x 512 in float32 and 16 rows take"),
        refused(LSTM(16, precision=Precision("float16")), "compute and carry in float32 or bfloat16"),
        refused(LSTM(16, precision=Precision("float32", carry="bfloat16")), "too coarse for the outputs"),
        refused(LSTM(16), "know no remat", remat=True),
        refused(LSTM(16), "take no unroll", unroll=2),
        refused(LSTM(16), "hoist cannot be turned off", hoist=False),
        pytest.param(
            LSTM(16), Fused(), {}, "run on a GPU, and JAX runs on cpu", id="cpu",
            marks=pytest.mark.skipif(ON_GPU, reason="JAX runs on a GPU"),
        ),
    ],
)  # fmt: skip
def test_calls_that_are_refused(cell, engine, options, reason):
    """A call the kernels do not cover raises an InputError that says why."""
    with pytest.raises(InputError) as error:
        unroll(cell, drawn(cell)[0], np.zeros((2, 3, INPUTS), np.float32), engine=engine, **options)
    assert error.value.argument == "engine" and "'fused'" in str(error.value) and reason in str(error.value)


def test_float64_is_refused(x64):
    """Double precision is not among what the kernels cover."""
    cell = LSTM(16, precision=Precision("float64"))
    with pytest.raises(InputError, match="compute and carry in float32 or bfloat16"):
        unroll(cell, drawn(cell)[0], np.zeros((2, 3, INPUTS)), engine=FUSED)


def test_what_fits_on_chip():
    """The widest LSTM: 64 units in float32 on any GPU from Ampere on, 128 in bfloat16 where there is memory for it."""
    for capability in SHARED_MEMORY:
        roomy = capability in ("8.0", "8.7", "9.0", "10.0", "10.3")
        assert (refused_width(64, 4, "float32", 16, capability) is None) == (capability != "7.5")
        assert (refused_width(128, 4, "bfloat16", 16, capability) is None) == roomy
        assert refused_width(32, 4, "float32", 16, capability) is None
    assert refused_width(64, 4, "float32", 16, "unknown") is not None


@pytest.mark.parametrize(
    ("options", "argument"),
    [(dict(rows=8), "rows"), (dict(rows=24), "rows"), (dict(rows=True), "rows"), (dict(warps=3), "warps")],
)
def test_bad_options_are_named(options, argument):
    """Rows and warps are powers of two."""
    with pytest.raises(InputError, match=f"Fused.{argument}: got .* expected a power of two"):
        Fused(**options)
