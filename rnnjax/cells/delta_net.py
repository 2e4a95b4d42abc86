"""Fast weights that are written by the delta rule, with and without a forget gate."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.key_value import KeyValueCell
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot_inputs

Array = jax.Array

_EPSILON = 1e-6  # added to the square of a length
_STEPS = 0.001, 0.1  # the range of initial step sizes
_SLOWEST = 1e-3  # no initial rate of a gate is below: its logarithm has to be finite


class DeltaNetState(NamedTuple):
    """`memory [*batch, heads * values * keys]`: for each head a matrix, a row a value feature, all in one axis."""

    memory: Array


@dataclasses.dataclass(frozen=True, repr=False)
class DeltaNet(KeyValueCell):
    """DeltaNet: what a key recalls is moved towards its new value.

        q, k = l2norm(silu(W_q x)), l2norm(silu(W_k x)),   v = W_v x      (split into heads)
        w  = sigmoid(W_w x)                                               (one a head)
        S' = S + w (v - S k) k^T
        y  = S' q

    Schlag, Irie & Schmidhuber 2021, arXiv:2102.11174, with the keys of Yang, Wang, Zhang, Shen & Kim 2024,
    arXiv:2406.06484. The short convolutions before it, which bring values a SiLU too, and the normalisation and
    projection after it are not part of the cell. `l2norm(a)` is a / sqrt(|a|^2 + 1e-6).

    Parameters: `kernel [in_features, 2 * heads * keys + features]` for queries, keys and values; `gate_kernel
    [in_features, heads]` for the write gate. Kernels start LeCun-normal, block by block; the papers say nothing of it.

    The DeltaNet and GDN of memax 0.1.1 depart from the papers: they multiply (I - w k k^T) from the side of the values.
    The code of fla divides y by sqrt(keys), which the normalisation after it takes back.

    Args:
      features: width of the outputs, that of all heads' values.
      heads: number of heads; it divides `features`.
      key_features: width of the keys of a head; `None` means that of its values, features / heads.
      kernel_init: initialiser of each block of the kernels.
      negative_eigenvalues: whether w is twice as large, so that the state may turn around along a key: Grazzi et al.
        2024, arXiv:2411.12537. The gate itself stays within (0, 1).
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    gates: ClassVar[tuple[str, ...]] = ("write",)
    recurrent_kernels: ClassVar[tuple[str, ...]] = ()
    jacobian: ClassVar = "block"
    equation: ClassVar = "S' = S + w(v-Sk)k^T;  y = S'q"
    source: ClassVar = "Schlag, Irie & Schmidhuber 2021, arXiv:2102.11174"
    verified: ClassVar[tuple[str, ...]] = ("fla 0.6.0",)

    _: dataclasses.KW_ONLY
    negative_eigenvalues: bool = False

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        inputs, dtype = checked_width(in_features), self.precision.dtype("params")
        keys = self.heads * self.key_width
        widths = keys, keys, self.features, *(self.heads for _ in self.gates)
        draws = zip(jax.random.split(key, len(widths)), widths, strict=True)
        blocks = [self.kernel_init(k, (inputs, n), dtype) for k, n in draws]
        return {"kernel": jnp.concatenate(blocks[:3], axis=-1), "gate_kernel": jnp.concatenate(blocks[3:], axis=-1)}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> DeltaNetState:
        return DeltaNetState(self.zeros(batch_shape, self.features * self.key_width))

    def project(self, weights, xs):
        xs, keys = xs.astype(self.precision.dtype("compute")), self.heads * self.key_width
        blocks = jnp.split(dot_inputs(xs, weights["kernel"]), [keys, 2 * keys], axis=-1)
        q, k, v = (block.reshape(*block.shape[:-1], self.heads, -1) for block in blocks)
        gates = jnp.split(dot_inputs(xs, weights["gate_kernel"]), len(self.gates), axis=-1)
        drive = {"query": _unit(jax.nn.silu(q)), "key": _unit(jax.nn.silu(k)), "value": v}
        return drive | dict(zip(self.gates, gates, strict=True))

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {"write": jax.nn.sigmoid(drive["write"])}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        write = (2 if self.negative_eigenvalues else 1) * gates["write"]
        k, shape = drive["key"], (self.heads, self.value_width, self.key_width)
        memory = carry.memory.reshape(*carry.memory.shape[:-1], *shape)
        if "forget" in gates:
            memory = gates["forget"][..., None, None] * memory
        change = write[..., None] * (drive["value"] - _recalled(memory, k))
        memory = memory + change[..., :, None] * k[..., None, :]
        y = _recalled(memory, drive["query"])
        return DeltaNetState(memory.reshape(carry.memory.shape)), y.reshape(*y.shape[:-2], self.features)


@dataclasses.dataclass(frozen=True, repr=False)
class GatedDeltaNet(DeltaNet):
    """Gated DeltaNet: fast weights that are written by the delta rule, and forgotten at a rate that the input sets.

        f  = exp(-r softplus(W_f x + b))                              (one a head)
        S' = f S + w (v - f S k) k^T
        y  = S' q

    Yang, Kautz & Hatamizadeh 2024, arXiv:2412.06464. Queries, keys, values and the write gate w are those of
    `DeltaNet`, and so is what is left out. Parameters: as there, `gate_kernel [in_features, 2 * heads]` for forget and
    write gate, `rate_log [heads]`, r = exp(rate_log), and `step_bias [heads]`, the b.

    As in the authors' code, r starts uniform in (0, 16) and b such that softplus(b) is log-uniform between 0.001 and
    0.1. Kernels start LeCun-normal.
    """

    gates: ClassVar = ("forget", "write")
    equation: ClassVar = "f = exp(-r*softplus(Wx+b));  S' = f*S + w(v-f*Sk)k^T;  y = S'q"
    source: ClassVar = "Yang, Kautz & Hatamizadeh 2024, arXiv:2412.06464"
    verified: ClassVar[tuple[str, ...]] = ("fla 0.6.0",)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, rate_key, step_key = jax.random.split(key, 3)
        dtype = self.precision.dtype("params")
        wide = jnp.promote_types(dtype, jnp.float32)
        rates = jax.random.uniform(rate_key, (self.heads,), wide, _SLOWEST, 16.0)
        steps = jnp.exp(jax.random.uniform(step_key, (self.heads,), wide, *map(math.log, _STEPS)))
        return super().init(key, in_features) | {
            "rate_log": jnp.log(rates).astype(dtype),
            "step_bias": (steps + jnp.log(-jnp.expm1(-steps))).astype(dtype),
        }

    def gate_values(self, weights, carry, drive):
        steps = jax.nn.softplus(drive["forget"] + weights["step_bias"])
        forget = jnp.exp(-jnp.exp(weights["rate_log"]) * steps)
        return {"forget": forget, **super().gate_values(weights, carry, drive)}


def _unit(a: Array) -> Array:
    """Vectors of length one, and those next to nothing left so."""
    return a * jax.lax.rsqrt(jnp.sum(a**2, -1, keepdims=True) + _EPSILON)


def _recalled(memory: Array, keys: Array) -> Array:
    """What keys `[..., heads, keys]` recall: `[..., heads, values]`, in their dtype."""
    return jnp.sum(memory.astype(keys.dtype) * keys[..., None, :], axis=-1)
