"""Block-diagonal recurrent kernels: a cell with heads is the dense cell whose matrices are zero outside the blocks."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, evaluate

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, PeepholeLSTM
from rnnjax.cell import abstract_params
from rnnjax.initializers import Identity, Orthogonal
from rnnjax.kernel import contract, dot

HEADS, WIDTH = 3, 2
FEATURES = HEADS * WIDTH

CELLS = {
    "elman": Elman(FEATURES, heads=HEADS, precision=FLOAT64),
    "lstm": LSTM(FEATURES, heads=HEADS, precision=FLOAT64),
    "peephole_lstm": PeepholeLSTM(FEATURES, heads=HEADS, precision=FLOAT64),
    "gru": GRU(FEATURES, heads=HEADS, precision=FLOAT64),
    "gru_reset_before": GRU(FEATURES, heads=HEADS, reset_after=False, precision=FLOAT64),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
pytestmark = pytest.mark.usefixtures("x64")


def filled_in(blocks: Any) -> np.ndarray:
    """The dense kernel `[features, gates * features]` of blocks `[heads, width, gates * width]`, entry by entry."""
    heads, width, columns = blocks.shape
    gates = columns // width
    dense = np.zeros((heads * width, gates, heads * width), blocks.dtype)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for gate in range(gates):
            dense[part, gate, part] = blocks[head, :, gate * width : (gate + 1) * width]
    return dense.reshape(heads * width, gates * heads * width)


def blocks_of(dense: Any) -> np.ndarray:
    """The blocks on the diagonal of a dense kernel: what `filled_in` put there."""
    gates = dense.shape[1] // FEATURES
    dense = np.asarray(dense).reshape(HEADS, WIDTH, gates, HEADS, WIDTH)
    return np.stack([dense[head, :, :, head].reshape(WIDTH, gates * WIDTH) for head in range(HEADS)])


def drawn(cell):
    """Parameters, inputs and carry of a cell, none of which is zero anywhere."""
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), np.float64), 1, scale=1.0)
    return params, xs, drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), 2)


@every_cell
def test_heads_equal_the_dense_cell_with_a_block_diagonal_matrix(cell):
    """Outputs, carries and gradients, with padding and resets; the kernel's gradient is that of the blocks' entries."""
    params, xs, carry = drawn(cell)
    dense_cell = dataclasses.replace(cell, heads=1)
    dense_params = params | {"recurrent_kernel": filled_in(params["recurrent_kernel"])}
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    got = evaluate(cell, params, xs, carry, **options)
    dense = evaluate(dense_cell, dense_params, xs, carry, **options)
    recurrent = blocks_of(dense.params["recurrent_kernel"])
    assert_same(got, dense._replace(params=dense.params | {"recurrent_kernel": recurrent}))
    assert got.params["recurrent_kernel"].any()


@pytest.mark.parametrize("cell", [CELLS["lstm"], CELLS["gru_reset_before"]], ids=["lstm", "gru_reset_before"])
@pytest.mark.parametrize("dropped", [False, True], ids=["plain", "dropout"])
def test_hoisted_gradients_of_heads_equal_plain_ones(cell, dropped):
    """Weight gradients computed after the loop equal those of plain autodiff, with a recurrent dropout mask too."""
    params, xs, carry = drawn(cell)
    cell = Dropout(cell, recurrent=0.4) if dropped else cell
    options = dict(lengths=LENGTHS, resets=RESETS, key=jax.random.key(3), through_carries=1.0)
    hoisted = evaluate(cell, params, xs, carry, **options)
    assert_same(hoisted, evaluate(cell, params, xs, carry, hoist=False, **options))


def test_dropout_masks_of_heads_are_those_of_the_dense_cell():
    """The recurrent mask is as wide as the state, and the same key drops the same units."""
    cell = CELLS["lstm"]
    params, xs, carry = drawn(cell)
    dense_params = params | {"recurrent_kernel": filled_in(params["recurrent_kernel"])}
    options = dict(key=jax.random.key(5))
    got = evaluate(Dropout(cell, recurrent=0.5), params, xs, carry, **options)
    dense_cell = Dropout(dataclasses.replace(cell, heads=1), recurrent=0.5)
    dense = evaluate(dense_cell, dense_params, xs, carry, **options)
    assert_same(got.outcome, dense.outcome)
    assert np.abs(got.outcome[1] - evaluate(cell, params, xs, carry).outcome[1]).max() > 1e-3


@every_cell
def test_a_part_of_the_state_sees_itself_alone(cell):
    """What one head starts from does not reach the outputs of another, and reaches its own."""
    params, xs, carry = drawn(cell)
    part = slice(WIDTH, 2 * WIDTH)
    moved = jax.tree.map(lambda leaf: leaf + np.where(np.arange(FEATURES) // WIDTH == 1, 0.5, 0.0), carry)
    ys, others = (evaluate(cell, params, xs, start).outcome[1] for start in (carry, moved))
    difference = np.abs(ys - others)
    assert not difference[..., :WIDTH].any() and not difference[..., 2 * WIDTH :].any()
    assert difference[..., part].max() > 1e-3


@every_cell
def test_blocks_are_drawn_one_by_one(cell):
    """Each gate's block of each head is orthogonal, no two are equal, and other initialisers act on the blocks too."""
    kernel = cell.init(jax.random.key(0), IN_FEATURES)["recurrent_kernel"]
    gates = len(cell.gates)
    assert kernel.shape == (HEADS, WIDTH, gates * WIDTH)
    blocks = np.asarray(kernel).reshape(HEADS, WIDTH, gates, WIDTH).transpose(0, 2, 1, 3).reshape(-1, WIDTH, WIDTH)
    assert_same(blocks.transpose(0, 2, 1) @ blocks, np.broadcast_to(np.eye(WIDTH), blocks.shape))
    assert len({tuple(block.ravel()) for block in blocks}) == HEADS * gates
    last = cell.gates[-1]
    chosen = dataclasses.replace(cell, recurrent_init={last: Identity(0.5)})
    ends = np.asarray(chosen.init(jax.random.key(0), IN_FEATURES)["recurrent_kernel"])[..., -WIDTH:]
    assert_same(ends, np.broadcast_to(0.5 * np.eye(WIDTH), ends.shape))
    scaled = dataclasses.replace(cell, recurrent_init=Orthogonal(2.0)).init(jax.random.key(0), IN_FEATURES)
    assert_same(np.asarray(scaled["recurrent_kernel"]), 2.0 * np.asarray(kernel))


@every_cell
def test_one_head_is_the_dense_cell(cell):
    """`heads=1` is the default: the same value, the same parameters from the same key."""
    dense = dataclasses.replace(cell, heads=1)
    assert dense == type(cell)(FEATURES, precision=FLOAT64, **_given(cell))
    assert "heads" not in repr(dense) and f"heads={HEADS}" in repr(cell)
    assert dense.init(jax.random.key(0), IN_FEATURES)["recurrent_kernel"].shape == (
        FEATURES,
        len(cell.gates) * FEATURES,
    )
    assert cell.dynamics.heads == HEADS


def _given(cell):
    return {"reset_after": cell.reset_after} if isinstance(cell, GRU) else {}


@pytest.mark.parametrize("gates", [1, 4])
@pytest.mark.parametrize("batch_shape", [(), (3,), (2, 3)])
def test_dot_and_its_contraction(gates, batch_shape):
    """`dot` with blocks is the product with the dense kernel, on any batch axes, and `contract` its transpose."""
    rng = np.random.default_rng(0)
    h = rng.standard_normal((*batch_shape, FEATURES))
    kernel = rng.standard_normal((HEADS, WIDTH, gates * WIDTH))
    product, transpose = jax.vjp(lambda kernel: dot(h, kernel), kernel)
    assert_same(np.asarray(product), h @ filled_in(kernel))
    d = rng.standard_normal(product.shape)
    assert_same(np.asarray(contract(h, d, kernel.shape)), np.asarray(transpose(d)[0]))


@dataclasses.dataclass(frozen=True, repr=False)
class Mapped(LSTM):
    """A cell that multiplies with its blocks by `vmap`, which takes no stand-in for an array."""

    def gate_values(self, weights, carry, drive):
        parts = carry.h.reshape(*carry.h.shape[:-1], self.heads, self.head_features)
        product = jax.vmap(jnp.dot, in_axes=(-2, 0), out_axes=-2)(parts, weights["recurrent_kernel"])
        gates = product.reshape(*product.shape[:-1], len(self.gates), self.head_features).swapaxes(-2, -3)
        sums = self.split(gates.reshape(*carry.h.shape[:-1], -1))
        sigmoids = {name: jax.nn.sigmoid(drive[name] + value) for name, value in sums.items()}
        return sigmoids | {"candidate": jnp.tanh(drive["candidate"] + sums["candidate"])}


def test_blocks_may_be_used_in_other_ways():
    """A cell outside the library whose blocks do not go through `dot` is differentiated plainly, and correctly."""
    params, xs, carry = drawn(CELLS["lstm"])
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    got = evaluate(Mapped(FEATURES, heads=HEADS, precision=FLOAT64), params, xs, carry, **options)
    assert_same(got, evaluate(CELLS["lstm"], params, xs, carry, **options))


@pytest.mark.parametrize("heads", [0, -1, 4, 2.0, True, "2"])
@pytest.mark.parametrize("cls", [Elman, LSTM, PeepholeLSTM, GRU])
def test_heads_that_do_not_divide_the_features(cls, heads):
    """Heads that are no positive int, or do not divide the features, are named."""
    with pytest.raises(
        InputError, match=rf"{cls.__name__}.heads: got .*expected a positive int that divides features=6"
    ):
        cls(FEATURES, heads=heads)
