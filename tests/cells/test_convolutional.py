"""Facts of convolutional cells that the laws for all cells do not cover."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sequences import assert_same, drawn_like, run

from rnnjax import GRU, LSTM, Dropout, InputError, Precision, Stack, unroll
from rnnjax.analysis import gradient_flow
from rnnjax.cell import abstract_params
from rnnjax.cells.conv_gru import ConvGRU1D, ConvGRU2D
from rnnjax.cells.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D

x64 = pytest.mark.usefixtures("x64")
DOUBLE = Precision("float64")
KEY = jax.random.key(0)


def drawn(cell, in_features, seed=0):
    """Parameters drawn at random, biases too."""
    return drawn_like(abstract_params(cell, in_features), seed)


def draws(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@x64
@pytest.mark.parametrize(
    ("convolutional", "plain"),
    [
        (ConvLSTM2D(4, kernel_size=1, precision=DOUBLE), LSTM(4, precision=DOUBLE)),
        (ConvGRU2D(4, kernel_size=1, precision=DOUBLE), GRU(4, reset_after=False, precision=DOUBLE)),
    ],
    ids=lambda cell: type(cell).__name__,
)
def test_a_window_of_one_place_makes_a_plain_cell_at_each(convolutional, plain):
    """With windows of one place every place is a row of its own."""
    params = drawn(convolutional, 5)
    dense = {name: leaf.reshape(leaf.shape[-2:]) if leaf.ndim > 1 else leaf for name, leaf in params.items()}
    xs = draws(2, 6, 3, 4, 5)
    ys = run(convolutional, params, xs)[1]
    by_place = np.moveaxis(xs, 1, 3)
    assert_same(ys, np.moveaxis(run(plain, dense, by_place)[1], 3, 1))


@x64
@pytest.mark.parametrize("cls", [ConvLSTM1D, ConvGRU1D])
def test_news_travels_as_far_as_the_windows_reach(cls):
    """Each step takes an input a place further to either side: two places where a gate's window precedes another."""
    cell, steps = cls(3, precision=DOUBLE), 3
    params, xs = drawn(cell, 2), draws(steps, 21, 2)
    carry = drawn_like(cell.initial_carry((21,)), 3)
    gradient = jax.grad(lambda xs: unroll(cell, params, xs, carry, engine="scan")[1][-1, 10].sum())(jnp.asarray(xs))
    for t in range(steps):
        (places,) = np.nonzero(np.any(gradient[t], axis=-1))
        reach = (steps - t) * (2 if cls is ConvGRU1D else 1)
        assert places.tolist() == list(range(10 - reach, 10 + reach + 1))


@x64
def test_images_are_treated_alike_wherever_things_stand_in_them():
    """Inputs moved by two places give outputs moved by two places, as far as no edge is in sight."""
    cell = ConvLSTM2D(3, precision=DOUBLE)
    params, xs = drawn(cell, 2), draws(2, 12, 12, 2)
    ys, moved = (run(cell, params, images)[1] for images in (xs, np.roll(xs, 2, axis=2)))
    assert_same(ys[:, 4:8, 4:7], moved[:, 4:8, 6:9])
    assert np.abs(ys[:, 4:8, 4:7] - moved[:, 4:8, 4:7]).max() > 0.01


@x64
@pytest.mark.parametrize("engine", ["scan", "newton"])
def test_places_are_no_rows(engine):
    """Lengths and resets are those of images, forwards and backwards, with any batch axes, time first or not."""
    cell = ConvLSTM2D(3, precision=DOUBLE)
    params, xs = drawn(cell, 2), draws(2, 3, 5, 4, 3, 2)  # two batch axes, five steps, 4 x 3 places
    lengths = np.array([[5, 3, 0], [2, 5, 4]], np.int32)
    resets = np.random.default_rng(2).random((2, 3, 5)) < 0.3
    final, ys, carries = run(
        cell, params, xs, lengths=lengths, resets=resets, reverse=True, return_carries=True, engine=engine
    )
    assert ys.shape == carries.h.shape == (2, 3, 5, 4, 3, 3) and final.h.shape == (2, 3, 4, 3, 3)
    for index in np.ndindex(2, 3):
        length = lengths[index]
        state = cell.initial_carry((4, 3))
        for t in reversed(range(length)):
            state = cell.initial_carry((4, 3)) if resets[index][t] else state
            state, y = cell.step(params, state, xs[index][t])
            assert_same(ys[index][t], np.asarray(y), 1e-11)
        assert not np.any(ys[index][length:])
        assert_same(jax.tree.map(lambda leaf, index=index: leaf[index], final), jax.device_get(state), 1e-11)
    options = dict(resets=np.moveaxis(resets, 2, 0), lengths=lengths, reverse=True, time_major=True, engine=engine)
    late, time_first = run(cell, params, np.moveaxis(xs, 2, 0), **options)
    assert_same(late, final)
    assert_same(np.moveaxis(time_first, 0, 2), ys)


@x64
def test_gradients_flow_back_to_images():
    """The analysis has one number for each image and step, and places are part of its state."""
    cell = ConvLSTM1D(2, precision=DOUBLE)
    params, xs = drawn(cell, 2), draws(3, 4, 5, 2)
    flow = gradient_flow(cell, params, xs)
    assert flow.log_norms.shape == (3, 4)

    def loss(bump):  # of the state before the last step
        carry, _ = unroll(cell, params, xs[:, :-1])
        carry = jax.tree.map(jnp.add, carry, bump)
        return 0.5 * jnp.sum(cell.step(params, carry, xs[:, -1])[1] ** 2)

    gradient = jax.grad(loss)(jax.tree.map(jnp.zeros_like, cell.initial_carry((3, 5))))
    norms = np.sqrt(sum(np.sum(np.asarray(leaf) ** 2, axis=(1, 2)) for leaf in gradient))
    np.testing.assert_allclose(np.exp(flow.log_norms[:, -2]), norms, rtol=1e-9)


def test_convolutional_cells_are_stacked_and_lose_inputs_but_no_recurrent_units():
    """A stack of them runs; dropout of inputs too; recurrent dropout says that it has no kernel to act on."""
    cell = Dropout(Stack((ConvLSTM2D(3), ConvGRU2D(4))), input=0.5)
    params, xs = cell.init(KEY, 2), draws(2, 5, 4, 3, 2, dtype=np.float32)
    assert run(cell, params, xs, key=KEY)[1].shape == (2, 5, 4, 3, 4)
    with pytest.raises(InputError, match="no recurrent kernel"):
        unroll(Dropout(ConvLSTM2D(3), recurrent=0.5), ConvLSTM2D(3).init(KEY, 2), xs, key=KEY)
    with pytest.raises(InputError, match="as many spatial axes"):
        Stack((ConvLSTM2D(3), LSTM(3)))


@pytest.mark.parametrize(("preset", "columns"), [("default", 5), ("keras", 20)])
def test_recurrent_windows_start_with_orthonormal_columns(preset, columns):
    """Gate by gate, or all gates together as in Keras."""
    kernel = ConvLSTM3D(5, preset=preset).init(KEY, 2)["recurrent_kernel"]
    for block in np.split(np.reshape(kernel, (27 * 5, 20)), 20 // columns, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(columns), atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "variances"),
    [
        ("default", (1 / (9 * 8), 1 / (9 * 16))),
        ("keras", (2 / (9 * 8 + 9 * 64), 1 / (9 * 16))),
        ("flax", (1 / (9 * 8), 1 / (9 * 16))),
    ],
)
def test_windows_count_in_the_scale_of_kernels(preset, variances):
    """Fan-in and fan-out are counted over the window; the forget bias is 1."""
    params = ConvLSTM2D(16, preset=preset).init(KEY, 8)
    for name, variance in zip(("kernel", "recurrent_kernel"), variances, strict=True):
        assert abs(params[name].var() / variance - 1) < 0.1
    np.testing.assert_array_equal(params["bias"], np.repeat([0.0, 1.0, 0.0, 0.0], 16))


@x64
def test_peepholes_of_zero_are_none():
    """They start at zero, and the cell is then the one without."""
    cell, plain = ConvLSTM2D(3, peepholes=True, precision=DOUBLE), ConvLSTM2D(3, precision=DOUBLE)
    params, xs = cell.init(KEY, 2), draws(2, 5, 4, 3, 2)
    without = {name: leaf for name, leaf in params.items() if name != "peephole"}
    assert params.keys() - without.keys() == {"peephole"} and not np.any(params["peephole"])
    assert_same(run(cell, params, xs), run(plain, without, xs))
