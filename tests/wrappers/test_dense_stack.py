"""Stacks whose layers see all that is below."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LSTM, Dropout, InputError, MinGRU, Precision
from rnnjax.cell import abstract_params
from rnnjax.wrappers import DenseStack

x64 = pytest.mark.usefixtures("x64")


def drawn(cell, width=5):
    params = drawn_like(abstract_params(cell, width), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, width), np.float64), 1)
    return params, xs, drawn_like(cell.initial_carry((BATCH,)), 2)


@x64
@pytest.mark.parametrize("outputs", ["last", "all"])
@pytest.mark.parametrize("reverse", [False, True])
def test_layers_see_inputs_and_all_outputs_below(outputs, reverse):
    """A dense stack gives what unrolling the layers by hand gives, on inputs and outputs side by side."""
    cells = LSTM(6, precision=FLOAT64), MinGRU(4, precision=FLOAT64), GRU(3, precision=FLOAT64)
    stack = DenseStack(cells, outputs=outputs)
    params, xs, carry = drawn(stack)
    options = dict(lengths=LENGTHS, resets=RESETS, reverse=reverse)
    finals, below = [], [xs]
    for index, cell in enumerate(cells):
        joined = np.concatenate(below, axis=-1)
        final, ys = run(cell, params[f"layer_{index}"], joined, carry[index], **options)
        finals.append(final)
        below.append(ys)
    expected = np.concatenate(below[1:], axis=-1) if outputs == "all" else below[-1]
    assert_same(run(stack, params, xs, carry, **options), (tuple(finals), expected))
    assert stack.output_features == expected.shape[-1] == (13 if outputs == "all" else 3)


@x64
def test_step_by_step_equals_layer_by_layer():
    """Inside a wrapper, where it is run step by step, a dense stack gives what it gives alone, gradients too."""
    stack = DenseStack((LSTM(6, precision=FLOAT64), GRU(4, precision=FLOAT64)), outputs="all")
    arguments = drawn(stack)
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    assert_same(evaluate(Dropout(stack), *arguments, **options), evaluate(stack, *arguments, **options))
    params, xs, carry = arguments
    stepped = jax.device_get(stack.step(params, carry, xs[:, 0])[1])
    assert_same(stepped, run(stack, params, xs, carry)[1][:, 0])


def test_widths_grow_with_the_layers():
    """The inputs of a layer are as wide as those of the stack and all outputs below together."""
    stack = DenseStack((LSTM(6), GRU(4), GRU(3)))
    shapes = [params["kernel"].shape[0] for params in abstract_params(stack, 5).values()]
    assert shapes == [5, 11, 15]


def test_outputs_of_layers_of_different_precisions():
    """All outputs side by side have the dtype of the last layer, step by step and layer by layer."""
    cells = LSTM(6), GRU(4, precision=Precision("float32", "bfloat16"))
    stack = DenseStack(cells, outputs="all")
    params = stack.init(jax.random.key(0), 5)
    xs = np.ones((BATCH, TIME, 5), np.float32)
    assert run(stack, params, xs)[1].dtype == stack.output_dtype == jax.numpy.bfloat16
    assert stack.step(params, stack.initial_carry((BATCH,)), xs[:, 0])[1].dtype == jax.numpy.bfloat16


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: DenseStack(()), "DenseStack.cells", "()", "at least one cell"),
        (lambda: DenseStack((LSTM(3),), outputs="first"), "DenseStack.outputs", "'first'", "last, all"),
        (lambda: DenseStack((LSTM(3),)).init(jax.random.key(0), (2, 3)), "in_features", "(2, 3)", "a positive int"),
    ],
)
def test_bad_dense_stack_is_named(make, argument, given, expected):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value)
