"""mLSTM: the LSTM of xLSTM whose memory is a matrix."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import InputError, check
from rnnjax.initializers import Constant, Lecun, Normal, PerGate, Spec, as_initializer, in_force
from rnnjax.kernel import dot_inputs

Array = jax.Array

_PROJECTIONS = ("query", "key", "value", "output")  # blocks of `kernel` and `bias`
_HEAD_GATES = ("input", "forget")  # blocks of `gate_kernel` and `gate_bias`


class MLSTMState(NamedTuple):
    """The memory of each head, divided by exp(m).

    `c`: the matrix `[*batch, heads, head_features, head_features]`, values by keys; `n`: its normaliser `[*batch,
    heads, head_features]`; `m`: the stabiliser `[*batch, heads]`.
    """

    c: Array
    n: Array
    m: Array


@dataclasses.dataclass(frozen=True, repr=False)
class MLSTM(UnitCell):
    """LSTM whose memory is a matrix of keys and values, written and read like an attention.

        q, v = W x + b,  k = W x / sqrt(d) + b,  o = sigmoid(W x + b)     (blocks of their own; d: width of a head)
        i, f = w x + b                                                    (one number a head each)
        m' = max(log sigmoid(f) + m, i)
        C' = exp(log sigmoid(f) + m - m') C + exp(i - m') v k^T
        n' = exp(log sigmoid(f) + m - m') n + exp(i - m') k
        y  = o * (C' q / max(|n' q|, exp(-m')))

    Beck et al. 2024 (xLSTM), arXiv:2405.04517. Without the stabiliser m these are C' = sigmoid(f) C + exp(i) v k^T,
    n' = sigmoid(f) n + exp(i) k and y = o * C' q / max(|n' q|, 1). Nothing of a step depends on the output of the one
    before: there are no recurrent kernels. The paper also allows an exponential forget gate; the authors' code has this
    one. That code adds 1e-6 to the denominator and computes the gates i and f from q, k and v instead of x.

    "input" among `gate_values` is exp(i - m'), the weight of the new pair in (0, 1].

    Parameters: `kernel [in_features, 4 * features]` and `bias [4 * features]` of query, key, value and output gate,
    with the heads side by side in each; `gate_kernel [in_features, 2 * heads]` and `gate_bias [2 * heads]` of input and
    forget gate. The kernel starts LeCun-normal, its bias at zero. As in the authors' code the two gates start from
    their biases alone: `gate_kernel` is zero, the biases of the forget gates go from 3 to 6, head by head, and those of
    the input gates are drawn from N(0, 0.1^2).

    Args:
      features: width of the output.
      heads: number of memories side by side; it divides `features`.
      kernel_init: initialiser of `kernel`, or a mapping from its blocks ("query", "key", "value", "output") to
        initialisers.
      gate_bias_init: the same for `gate_bias`, with the blocks "input" and "forget".
      precision: the dtype policy.

    Raises:
      InputError: heads that are no positive int, or do not divide `features`; an unknown block.
    """

    gates: ClassVar = ("input", "forget", "output")
    candidates: ClassVar = ("input",)
    recurrent_kernels: ClassVar[tuple[str, ...]] = ()
    jacobian: ClassVar = "block"
    equation: ClassVar = "C' = sig(f)*C + exp(i)*v k^T;  n' = sig(f)*n + exp(i)*k;  y = o*C'q/max(|n'q|,1)"
    source: ClassVar = "Beck et al. 2024, arXiv:2405.04517"
    verified: ClassVar = ("xlstm 2.0.6",)

    _: dataclasses.KW_ONLY
    heads: int = 1
    kernel_init: Spec = None
    gate_bias_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.heads, int) and not isinstance(self.heads, bool) and self.heads >= 1
        expected = f"a positive int that divides features={self.features}"
        check(valid and self.features % self.heads == 0, "MLSTM.heads", self.heads, expected)
        for field, blocks in (("kernel_init", _PROJECTIONS), ("gate_bias_init", _HEAD_GATES)):
            object.__setattr__(self, field, as_initializer(getattr(self, field), f"MLSTM.{field}", blocks))

    @property
    def head_features(self) -> int:
        """The width of a head: `features / heads`."""
        return self.features // self.heads

    @property
    def dynamics(self) -> MLSTM:
        return dataclasses.replace(self, kernel_init=None, gate_bias_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or isinstance(in_features, bool) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel_key, gate_key = jax.random.split(key)
        kernel = in_force(self.kernel_init, Lecun())
        return {
            "kernel": kernel.blocks(kernel_key, _PROJECTIONS, (in_features, self.features), dtype),
            "bias": jnp.zeros(4 * self.features, dtype),
            "gate_kernel": jnp.zeros((in_features, 2 * self.heads), dtype),
            "gate_bias": self._gate_bias(gate_key, dtype),
        }

    def _gate_bias(self, key, dtype):
        given, shape = self.gate_bias_init, (self.heads,)
        own = PerGate((("input", Normal(0.1)),), Constant(0.0))
        drawn = in_force(given, own).blocks(key, _HEAD_GATES, shape, dtype)
        named = isinstance(given, PerGate) and (given.default is not None or "forget" in dict(given.gates))
        if given is None or (isinstance(given, PerGate) and not named):
            drawn = drawn.at[self.heads :].set(jnp.linspace(3.0, 6.0, self.heads).astype(dtype))
        return drawn

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MLSTMState:
        d = self.head_features
        return MLSTMState(
            self.zeros(batch_shape, self.heads, d, d),
            self.zeros(batch_shape, self.heads, d),
            self.zeros(batch_shape, self.heads),
        )

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        query, keys, rest = jnp.split(weights["kernel"], [self.features, 2 * self.features], axis=-1)
        return weights | {"kernel": jnp.concatenate([query, keys / math.sqrt(self.head_features), rest], axis=-1)}

    def project(self, weights, xs):
        blocks = jnp.split(dot_inputs(xs, weights["kernel"]) + weights["bias"], 4, axis=-1)
        drive = dict(zip(_PROJECTIONS, blocks, strict=True))
        for name in ("query", "key", "value"):
            drive[name] = drive[name].reshape(*xs.shape[:-1], self.heads, self.head_features)
        gates = jnp.split(dot_inputs(xs, weights["gate_kernel"]) + weights["gate_bias"], 2, axis=-1)
        return drive | dict(zip(_HEAD_GATES, gates, strict=True))

    def _stabilised(self, carry, drive):
        kept = jax.nn.log_sigmoid(drive["forget"]) + carry.m
        m = jnp.maximum(kept, drive["input"])
        return jnp.exp(drive["input"] - m), jnp.exp(kept - m), m

    def gate_values(self, weights, carry, drive):
        i, _, _ = self._stabilised(carry, drive)
        return {"input": i, "forget": jax.nn.sigmoid(drive["forget"]), "output": jax.nn.sigmoid(drive["output"])}

    def recur(self, weights, carry, drive):
        q, k, v = drive["query"], drive["key"], drive["value"]
        i, f, m = self._stabilised(carry, drive)
        c = f[..., None, None] * carry.c + i[..., None, None] * v[..., :, None] * k[..., None, :]
        n = f[..., None] * carry.n + i[..., None] * k
        read = jnp.einsum("...vk,...k->...v", c.astype(q.dtype), q)
        # Where exp(-m) would overflow, nothing worth reading was ever written, and the output is zero either way.
        floor = jnp.exp(-jnp.maximum(m, -0.9 * math.log(float(jnp.finfo(m.dtype).max))))
        scale = jnp.maximum(jnp.abs(jnp.sum(n * q, axis=-1)), floor)
        y = (read / scale[..., None]).reshape(*drive["output"].shape)
        return MLSTMState(c, n, m), jax.nn.sigmoid(drive["output"]) * y
