"""Linear attention, plain and gated: a matrix that outer products of keys and values are added to."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.affine import AffineCell
from rnnjax.cells.key_value import KeyValueCell, positive
from rnnjax.errors import check
from rnnjax.initializers import Lecun
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot_inputs

Array = jax.Array

_EPSILON = 1e-6  # added to the normaliser, as in the authors' code


class LinearAttentionState(NamedTuple):
    """`memory`: for each head a matrix, a row a key feature and a column a value feature, all in one last axis.

    Plain linear attention has one column more, the sum of the keys: `[*batch, heads * keys * (values + 1)]`.
    """

    memory: Array


@dataclasses.dataclass(frozen=True, repr=False)
class _Attention(KeyValueCell, AffineCell):
    """What both have: queries, keys and values of each head, from one kernel."""

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        inputs, dtype = checked_width(in_features), self.precision.dtype("params")
        keys = self.heads * self.key_width
        widths = keys, keys, self.features
        draws = zip(jax.random.split(key, 3), widths, strict=True)
        blocks = [self.kernel_init(k, (inputs, n), dtype) for k, n in draws]
        return {"kernel": jnp.concatenate(blocks, axis=-1)}

    def project(self, weights, xs):
        keys = self.heads * self.key_width
        blocks = jnp.split(dot_inputs(xs, weights["kernel"]), [keys, 2 * keys], axis=-1)
        return dict(zip(("query", "key", "value"), blocks, strict=True))

    def by_head(self, leaf: Array) -> Array:
        """`[..., heads * n] -> [..., heads, n]`."""
        return leaf.reshape(*leaf.shape[:-1], self.heads, -1)

    def outer(self, keys: Array, values: Array) -> Array:
        """The outer product of each head, in one axis."""
        product = keys[..., :, None] * values[..., None, :]
        return product.reshape(*product.shape[:-3], -1)

    def recalled(self, carry: LinearAttentionState, queries: Array) -> Array:
        """What the memory answers to queries `[..., heads, keys]`: `[..., heads, columns]`."""
        memory = carry.memory.astype(queries.dtype)
        memory = memory.reshape(*memory.shape[:-1], self.heads, self.key_width, -1)
        return jnp.sum(queries[..., None] * memory, axis=-2)


@dataclasses.dataclass(frozen=True, repr=False)
class LinearAttention(_Attention):
    """Linear attention: a sum of outer products, that a query reads out of by weights of positive features.

        q, k, v = W_q x, W_k x, W_v x              (split into heads)
        S' = S + f(k) v^T,   n' = n + f(k),        f(a) = 1 + elu(a)
        y  = S'^T f(q) / (n' . f(q) + 1e-6)

    Katharopoulos, Vyas, Pappas & Fleuret 2020, arXiv:2006.16236: attention with the kernel f(q) . f(k) in the place of
    the exponential, as a recurrence; the fast weights of Schmidhuber 1992, doi:10.1162/neco.1992.4.1.131. The
    projection of the outputs is not part of the cell.

    Parameters: `kernel [in_features, 2 * heads * keys + features]` for queries, keys and values, LeCun-normal block by
    block; the paper says nothing of it.

    The FART of memax 0.1.1 departs from the paper: its normaliser is the last key and not the sum.

    Args:
      features: width of the outputs, that of all heads' values.
      heads: number of heads; it divides `features`.
      key_features: width of the keys of a head; `None` means that of its values, features / heads.
      kernel_init: initialiser of each block of the kernel.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    equation: ClassVar = "S' = S + f(k)v^T;  n' = n + f(k);  y = S'^T f(q) / (n'.f(q)),  f = 1+elu"
    source: ClassVar = "Katharopoulos, Vyas, Pappas & Fleuret 2020, arXiv:2006.16236"

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LinearAttentionState:
        return LinearAttentionState(self.zeros(batch_shape, self.heads * self.key_width * (self.value_width + 1)))

    def affine(self, weights, drive):
        keys, values = (self.by_head(drive[part].astype(self.state_dtype)) for part in ("key", "value"))
        counted = jnp.concatenate([values, jnp.ones_like(values[..., :1])], axis=-1)
        term = self.outer(1 + jax.nn.elu(keys), counted)
        return affine.Real(jnp.ones_like(term), term)

    def readout(self, weights, carry, drive):
        recalled = self.recalled(carry, 1 + jax.nn.elu(self.by_head(drive["query"])))
        y = recalled[..., :-1] / (recalled[..., -1:] + _EPSILON)
        return y.reshape(*y.shape[:-2], self.features)


@dataclasses.dataclass(frozen=True, repr=False)
class GatedLinearAttention(_Attention):
    """Gated linear attention: fast weights that each key feature forgets at a rate which the input sets.

        q, k, v = W_q x, W_k x, W_v x              (split into heads)
        f  = sigmoid(W_2 W_1 x + b)^(1/16)         (one for each key feature)
        S' = diag(f) S + k v^T
        y  = S'^T q / sqrt(keys)

    Yang, Wang, Shen, Panda & Kim 2024, arXiv:2312.06635. The normalisation, gate and projection of the outputs are not
    part of the cell.

    Parameters: `kernel [in_features, 2 * heads * keys + features]` for queries, keys and values; `gate_kernel_in
    [in_features, rank]`, `gate_kernel [rank, heads * keys]` and `gate_bias [heads * keys]`, the W_1, W_2 and b. Kernels
    start LeCun-normal, block by block, and the bias at zero.

    Args:
      features: width of the outputs, that of all heads' values.
      heads: number of heads; it divides `features`.
      key_features: width of the keys of a head; `None` means that of its values, features / heads.
      kernel_init: initialiser of each block of the kernel.
      rank: of the map from inputs to forget gates.
      temperature: the root that is taken of the gates, 16 in the paper: the higher, the longer the memory.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    gates: ClassVar = ("forget",)
    equation: ClassVar = "f = sigmoid(W_2 W_1 x+b)^(1/16);  S' = diag(f)S + kv^T;  y = S'^T q"
    source: ClassVar = "Yang, Wang, Shen, Panda & Kim 2024, arXiv:2312.06635"
    verified: ClassVar[tuple[str, ...]] = ("fla 0.6.0",)

    _: dataclasses.KW_ONLY
    rank: int = 16
    temperature: float = 16.0

    def __post_init__(self):
        super().__post_init__()
        check(positive(self.rank), "GatedLinearAttention.rank", self.rank, "a positive int")
        check(self.temperature > 0, "GatedLinearAttention.temperature", self.temperature, "a number > 0")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, in_key, gate_key = jax.random.split(key, 3)
        dtype, keys = self.precision.dtype("params"), self.heads * self.key_width
        return super().init(key, in_features) | {
            "gate_kernel_in": Lecun()(in_key, (checked_width(in_features), self.rank), dtype),
            "gate_kernel": Lecun()(gate_key, (self.rank, keys), dtype),
            "gate_bias": jnp.zeros((keys,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LinearAttentionState:
        return LinearAttentionState(self.zeros(batch_shape, self.heads * self.key_width * self.value_width))

    def project(self, weights, xs):
        low = dot_inputs(xs, weights["gate_kernel_in"])
        return super().project(weights, xs) | {"forget": dot_inputs(low, weights["gate_kernel"]) + weights["gate_bias"]}

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {"forget": self._forget(drive)}

    def _forget(self, drive):
        return jnp.exp(jax.nn.log_sigmoid(drive["forget"]) / self.temperature)

    def affine(self, weights, drive):
        wide = {name: self.by_head(leaf.astype(self.state_dtype)) for name, leaf in drive.items()}
        values = wide["value"]
        return affine.Real(self.outer(self._forget(wide), jnp.ones_like(values)), self.outer(wide["key"], values))

    def readout(self, weights, carry, drive):
        y = self.recalled(carry, self.by_head(drive["query"]) * self.key_width**-0.5)
        return y.reshape(*y.shape[:-2], self.features)
