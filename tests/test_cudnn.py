"""The cuDNN engine against the scan engine.

cuDNN runs on a GPU alone. On a CPU JAX's reference of the call takes its place, which has the same arguments and the
same layout of weights, so that all the engine does around the call is tested; where JAX runs on a GPU these same tests
call cuDNN: `python -m pytest tests/test_cudnn.py`.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from jax.experimental import rnn
from sequences import (
    BATCH,
    HALF,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    padded,
    row,
    weighed,
    with_nan_padding,
)

from rnnjax import GRU, LSTM, InputError, PeepholeLSTM, Precision, Residual, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines.cudnn import Cudnn, packed

ON_GPU = jax.default_backend() == "gpu"
CELL, INPUTS = LSTM(4), 5

ROUNDING = 1e-5  # float32: a few hundred roundings of size 1, where the order of summation is free


@dataclasses.dataclass(frozen=True)
class Anywhere(Cudnn):
    """The engine with all its refusals but the one for the lack of a GPU."""

    def refusal(self, *arguments):
        reason = super().refusal(*arguments)
        return None if reason is not None and reason.startswith("cuDNN runs on a GPU") else reason


@pytest.fixture(autouse=True)
def reference_in_place_of_cudnn(monkeypatch):
    """On a CPU: JAX's reference, which checks what cuDNN asks for, lengths of 1 and more."""
    if not ON_GPU:
        monkeypatch.setattr(rnn, "lstm", reference)


def reference(x, h, c, weights, lengths, inputs, features, layers, dropout, bidirectional, precision):
    """What `jax.experimental.rnn.lstm` computes, by its own reference."""
    assert precision in (jax.lax.Precision.HIGH, jax.lax.Precision.HIGHEST)
    jax.debug.callback(lambda lengths: np.testing.assert_array_less(0, lengths), lengths)
    sizes = (inputs, features, layers)
    matrices = rnn.unpack_lstm_weights(weights, *sizes, bidirectional)
    return rnn.lstm_ref(x, h, c, *matrices, lengths, *sizes, dropout, bidirectional)


def drawn(cell=CELL, batch_shape=(BATCH,), time=TIME):
    """Parameters, inputs and carry, none zero anywhere."""
    params = drawn_like(abstract_params(cell, INPUTS), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((*batch_shape, time, INPUTS), np.float32), 1, scale=1.0)
    return params, xs, drawn_like(jax.eval_shape(lambda: cell.initial_carry(batch_shape)), 2)


def evaluate(params, xs, carry, engine, **options):
    """Final carry and outputs, and the gradients of a weighed sum of the two: parameters, inputs and carry."""

    def loss(params, xs, carry):
        outcome = unroll(CELL, params, xs, carry, engine=engine, **options)
        return weighed(outcome, np.ones(len(xs))), outcome

    differentiated = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    (_, outcome), gradients = jax.jit(differentiated)(params, xs, carry)
    jax.effects_barrier()
    return jax.device_get((outcome, gradients))


EXACT = Anywhere(precision="highest")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
def test_cudnn_equals_scan(reverse, lengths):
    """Outputs, final carry and all gradients, in both directions; an empty row among the lengths."""
    options = dict(reverse=reverse, lengths=lengths)
    expected = evaluate(*drawn(), "scan", **options)
    with jax.default_matmul_precision("highest"):
        assert_same(evaluate(*drawn(), EXACT, **options), expected, ROUNDING)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding(reverse):
    """NaN in the padding changes nothing, padded outputs are zero, and an empty row keeps its carry, be it NaN."""
    params, xs, carry = drawn()
    options = dict(reverse=reverse, lengths=LENGTHS)
    clean = evaluate(params, xs, carry, EXACT, **options)
    assert_identical(evaluate(params, with_nan_padding(xs), carry, EXACT, **options), clean)
    (final, ys), (_, of_xs, _) = clean
    assert not ys[padded()].any() and not of_xs[padded()].any()
    assert_identical(row(final, 1), row(carry, 1))
    bad = jax.tree.map(lambda leaf: np.where(np.arange(BATCH)[:, None] == 1, np.float32(np.nan), leaf), carry)
    (final, _), gradients = evaluate(params, xs, bad, EXACT, **options)
    assert all(np.isnan(leaf[1]).all() and np.isfinite(leaf[[0, 2]]).all() for leaf in final)
    assert_identical(gradients, clean[1])


def test_chunks_with_carry_handed_on_equal_the_whole():
    """Two chunks, the carry of the first handed to the second, equal one run; lengths may be traced."""
    params, xs, carry = drawn()
    lengths = np.array([TIME, 2, 5])
    run = jax.jit(lambda xs, carry, lengths: unroll(CELL, params, xs, carry, lengths=lengths, engine=EXACT))
    final, ys = run(xs, carry, lengths)
    pieces = []
    for start in (0, HALF):
        part = np.clip(lengths - start, 0, HALF)
        carry, piece = run(xs[:, start : start + HALF], carry, part)
        pieces.append(piece)
    assert_same(np.concatenate(pieces, axis=1), np.asarray(ys), ROUNDING)
    assert_same(jax.device_get(carry), jax.device_get(final), ROUNDING)


@pytest.mark.parametrize("batch_shape", [(), (2, 3)], ids=str)
def test_any_batch_axes(batch_shape):
    """No batch axis, or several."""
    params, xs, carry = drawn(batch_shape=batch_shape)
    got, expected = (jax.device_get(unroll(CELL, params, xs, carry, engine=e)) for e in (EXACT, "scan"))
    assert_same(got, expected, ROUNDING)


@pytest.mark.parametrize(("batch", "time"), [(BATCH, 0), (0, 2)])
def test_nothing_to_run(batch, time):
    """Without steps the carry is handed through, without rows everything is empty."""
    params, xs, carry = drawn(batch_shape=(batch,), time=time)
    assert_identical(evaluate(params, xs, carry, EXACT), evaluate(params, xs, carry, "scan"))


def test_layout_of_the_weights():
    """The packed vector taken apart again: input and recurrent matrix and bias of each gate, and a second bias of 0."""
    params, _, _ = drawn()
    weights = packed(CELL.prepare(params))
    assert weights.shape == (rnn.get_num_params_in_lstm(INPUTS, 4, 1, False),)
    parts = [part[0] for part in rnn.unpack_lstm_weights(weights, INPUTS, 4, 1, False)]
    names = ("kernel", "recurrent_kernel", "bias")
    for part, name in zip(parts[:3], names, strict=True):
        assert_identical(np.asarray(part), params[name].T)
    assert not np.asarray(parts[3]).any()


@pytest.mark.parametrize(
    ("precision", "by_default", "expected"),
    [
        (None, None, "HIGH"), (None, "highest", "HIGHEST"), (None, "float32", "HIGHEST"), (None, "bfloat16", "HIGH"),
        ("highest", None, "HIGHEST"), ("high", "highest", "HIGH"),
    ],
)  # fmt: skip
def test_precision(monkeypatch, precision, by_default, expected):
    """The precision given, or that of JAX's products: TF32 unless `jax_default_matmul_precision` asks for more."""
    seen = []

    def spy(*arguments):
        seen.append(arguments[-1])
        return reference(*arguments)

    monkeypatch.setattr(rnn, "lstm", spy)
    params, xs, carry = drawn()
    with jax.default_matmul_precision(by_default):
        jax.eval_shape(lambda: unroll(CELL, params, xs, carry, engine=Anywhere(precision=precision)))
    assert seen == [jax.lax.Precision[expected]]


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    [
        (GRU(4), {}, "covers LSTM here, not GRU(4)"),
        (PeepholeLSTM(4), {}, "covers LSTM here, not PeepholeLSTM(4)"),
        (Residual(LSTM(INPUTS)), {}, "not Residual(LSTM(5))"),
        (LSTM(4, heads=2), {}, "not heads=2"),
        (LSTM(4, precision=Precision("float32", "bfloat16")), {}, "called in float32"),
        (LSTM(4, precision=Precision("float32", output="bfloat16")), {}, "called in float32"),
        (CELL, dict(resets=RESETS), "knows no resets"),
        (CELL, dict(return_carries=True), "return_carries is not to be had"),
        (CELL, dict(remat=2), "knows no remat"),
        (CELL, dict(unroll=2), "takes no unroll"),
        (CELL, dict(hoist=False), "hoist cannot be turned off"),
        pytest.param(
            CELL, {}, "cuDNN runs on a GPU, and JAX runs on cpu",
            marks=pytest.mark.skipif(ON_GPU, reason="JAX runs on a GPU"),
        ),
    ],
)  # fmt: skip
def test_calls_that_are_refused(cell, options, reason):
    """A call that cuDNN does not cover raises an InputError that says why."""
    params, xs, carry = drawn(cell)
    with pytest.raises(InputError) as error:
        unroll(cell, params, xs, carry, engine=Cudnn(), **options)
    assert error.value.argument == "engine" and "'cudnn'" in str(error.value) and reason in str(error.value)


def test_bad_precision_is_named():
    """Only the two precisions that cuDNN has."""
    with pytest.raises(InputError, match=r"Cudnn.precision: got 'bfloat16', expected one of None, high, highest"):
        Cudnn(precision="bfloat16")
