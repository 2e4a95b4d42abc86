"""The HyperLSTM: a small LSTM scales the weights of a large one, step by step."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.cells.layer_norm_lstm import check_epsilon, layer_norm
from rnnjax.errors import InputError, check
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array

_STREAMS = ("recurrent", "input", "bias")  # what is scaled or added, in the order of the blocks of the parameters


class HyperLSTMState(NamedTuple):
    """`h`, `c`: of the large LSTM, `[*batch, features]`; `hyper_h`, `hyper_c`: of the small one."""

    h: Array
    c: Array
    hyper_h: Array
    hyper_c: Array


@dataclasses.dataclass(frozen=True, repr=False)
class HyperLSTM(GatedCell):
    """LSTM whose weights are scaled row by row, at each step, by the output k of a small LSTM beside it.

        k', c_k' = LSTM([x, h], k, c_k)
        z_h = Z_h k' + e_h,  z_x = Z_x k' + e_x,  z_b = Z_b k'                    for each gate
        a       = (D_h z_h) * (U h) + (D_x z_x) * (W x) + D_b z_b + b             for each gate
        i, f, o = sigmoid(a),  g = tanh(a)
        c'      = f * c + i * g
        h'      = o * tanh(c')

    Ha, Dai & Le 2016, arXiv:1609.09106. With `layer_norm`, the paper's "Layer Norm HyperLSTM", a is LN(..) * g_a + b_a
    for each gate, h' = o * tanh(LN(c') * g_c + b_c), and the small LSTM likewise. Normalised over a few units, the step
    Jacobian is all but singular: give both LSTMs some width then.

    Parameters besides those of every gated cell, for m `hyper_features` and e `embedding_features`:

    - `hyper_kernel [in_features, 4 m]`, `hyper_state_kernel [features, 4 m]`, `hyper_recurrent_kernel [m, 4 m]` and
      `hyper_bias [4 m]`, the small LSTM's; gates in the order of `gates`
    - `embedding_kernel [m, 12 e]`, the Z: first those of h for all gates, then of x, then of b; `embedding_bias [8 e]`
    - `scaling_kernel [e, 12 features]`, the D, in the same order
    - with `layer_norm`: `gate_gain` and `gate_bias [4 features]`, `cell_gain` and `cell_bias [features]`, and for the
      small LSTM `hyper_gate_gain [4 m]`, `hyper_cell_gain` and `hyper_cell_bias [m]`

    Presets: "default" and "paper" draw LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1
    (the paper's code draws kernels by the default of its framework). As in the paper all scales start at 0.1: Z_h, Z_x
    and D_b at zero, e_h and e_x at one, D_h and D_x at 0.1 / e, and Z_b at N(0, 0.01^2). `bias_init` is the start of
    what is added last, b or b_a, and of the bias of the small LSTM; b starts at zero where there is a b_a.

    Args:
      hyper_features: width of the small LSTM; `None` means an eighth of `features` (128 of 1000 in the paper), at
        least 4.
      embedding_features: width of each z; 4 in the paper's language models.
      layer_norm: whether pre-activations and cell states of both LSTMs are normalised.
      epsilon: what is added to variances.

    Raises:
      InputError: widths that are no positive int, or an epsilon that is no positive number.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    recurrent_kernels: ClassVar = ("recurrent_kernel", "hyper_state_kernel", "hyper_recurrent_kernel")
    equation: ClassVar = (
        "a = (D z_h)*(Uh) + (D z_x)*(Wx) + D z_b + b;  z = Z LSTM([x, h]);  c' = f*c + i*tanh(a);  h' = o*tanh(c')"
    )
    source: ClassVar = "Ha, Dai & Le 2016, arXiv:1609.09106"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": with_bias(DEFAULT, forget=1.0)}

    _: dataclasses.KW_ONLY
    hyper_features: int | None = None
    embedding_features: int = 4
    layer_norm: bool = False
    epsilon: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        for field, given in (("hyper_features", self.hyper_features), ("embedding_features", self.embedding_features)):
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
            if not valid and not (given is None and field == "hyper_features"):
                raise InputError(f"HyperLSTM.{field}", given, "a positive int")
        check(isinstance(self.layer_norm, bool), "HyperLSTM.layer_norm", self.layer_norm, "True or False")
        check_epsilon("HyperLSTM.epsilon", self.epsilon)

    @property
    def hyper_width(self) -> int:
        """The width of the small LSTM."""
        return self.hyper_features or max(self.features // 8, 4)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, hyper_key, embedding_key = jax.random.split(key, 3)
        params = super().init(key, in_features)
        dtype, n, m, e = self.precision.dtype("params"), self.features, self.hyper_width, self.embedding_features
        gates = len(self.gates)
        kernel, recurrent, bias = self.initializers
        kernel_key, state_key, recurrent_key, bias_key = jax.random.split(hyper_key, 4)
        params |= {
            "hyper_kernel": kernel.blocks(kernel_key, self.gates, (in_features, m), dtype),
            "hyper_state_kernel": kernel.blocks(state_key, self.gates, (n, m), dtype),
            "hyper_recurrent_kernel": recurrent.blocks(recurrent_key, self.gates, (m, m), dtype),
            "hyper_bias": bias.blocks(bias_key, self.gates, (m,), dtype),
            "embedding_kernel": jnp.concatenate(
                [
                    jnp.zeros((m, 2 * gates * e), dtype),
                    0.01 * jax.random.normal(embedding_key, (m, gates * e), dtype),
                ],
                axis=-1,
            ),
            "embedding_bias": jnp.ones(2 * gates * e, dtype),
            "scaling_kernel": jnp.concatenate(
                [jnp.full((e, 2 * gates * n), 0.1 / e, dtype), jnp.zeros((e, gates * n), dtype)], axis=-1
            ),
        }
        if self.layer_norm:
            ones, zeros = (lambda width: jnp.ones(width, dtype)), (lambda width: jnp.zeros(width, dtype))
            params |= {"gate_gain": ones(gates * n), "gate_bias": params["bias"], "bias": zeros(gates * n)}
            params |= {"cell_gain": ones(n), "cell_bias": zeros(n), "hyper_gate_gain": ones(gates * m)}
            params |= {"hyper_cell_gain": ones(m), "hyper_cell_bias": zeros(m)}
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> HyperLSTMState:
        widths = (self.features, self.features, self.hyper_width, self.hyper_width)
        return HyperLSTMState(*(self.zeros(batch_shape, width) for width in widths))

    def prepare(self, params, *, key=None, batch_shape=()):
        """The matrices of z as leaves of their own, so that the loop multiplies with each as it is."""
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        blocks = jnp.split(weights.pop("scaling_kernel"), len(_STREAMS), axis=-1)
        weights["scaling_kernel"] = {stream: self.split(block) for stream, block in zip(_STREAMS, blocks, strict=True)}
        return weights

    def project(self, weights, xs):
        hyper = dot_inputs(xs, weights["hyper_kernel"])
        hyper = hyper if self.layer_norm else hyper + weights["hyper_bias"]
        return {"gates": self.split(dot_inputs(xs, weights["kernel"])), "hyper": self.split(hyper)}

    def _hyper(self, weights, carry, drive):
        """The state of the small LSTM after the step."""
        product = dot(carry.h, weights["hyper_state_kernel"]) + dot(carry.hyper_h, weights["hyper_recurrent_kernel"])
        recurrent = self.split(product)
        pre = {gate: drive["hyper"][gate] + recurrent[gate] for gate in self.gates}
        if self.layer_norm:
            pre = self._normalised(pre, weights["hyper_gate_gain"], weights["hyper_bias"])
        c = jax.nn.sigmoid(pre["forget"]) * carry.hyper_c + jax.nn.sigmoid(pre["input"]) * jnp.tanh(pre["candidate"])
        inner = c
        if self.layer_norm:
            inner = layer_norm(c, weights["hyper_cell_gain"], self.epsilon) + weights["hyper_cell_bias"]
        return jax.nn.sigmoid(pre["output"]) * jnp.tanh(inner), c

    def _normalised(self, pre, gain, bias):
        gain, bias = self.split(gain), self.split(bias)
        return {gate: layer_norm(pre[gate], gain[gate], self.epsilon) + bias[gate] for gate in self.gates}

    def _scales(self, weights, hyper_h):
        """What the small LSTM says, `{stream: {gate: [*batch, features]}}`."""
        z = dot(hyper_h, weights["embedding_kernel"])
        embedded = z.shape[-1] * 2 // 3
        z = jnp.concatenate([z[..., :embedded] + weights["embedding_bias"], z[..., embedded:]], axis=-1)
        scales: dict[str, Any] = {}
        for stream, block in zip(_STREAMS, jnp.split(z, len(_STREAMS), axis=-1), strict=True):
            kernels, parts = weights["scaling_kernel"][stream], self.split(block)
            scales[stream] = {gate: dot(parts[gate], kernels[gate]) for gate in self.gates}
        return scales

    def _gates(self, weights, carry, drive, hyper_h):
        scales = self._scales(weights, hyper_h)
        recurrent, bias = self.split(dot(carry.h, weights["recurrent_kernel"])), self.split(weights["bias"])
        pre = {
            gate: scales["recurrent"][gate] * recurrent[gate]
            + scales["input"][gate] * drive["gates"][gate]
            + scales["bias"][gate]
            + bias[gate]
            for gate in self.gates
        }
        if self.layer_norm:
            pre = self._normalised(pre, weights["gate_gain"], weights["gate_bias"])
        return {gate: jnp.tanh(a) if gate == "candidate" else jax.nn.sigmoid(a) for gate, a in pre.items()}

    def gate_values(self, weights, carry, drive):
        hyper_h, _ = self._hyper(weights, carry, drive)
        return self._gates(weights, carry, drive, hyper_h)

    def recur(self, weights, carry, drive):
        hyper_h, hyper_c = self._hyper(weights, carry, drive)
        gates = self._gates(weights, carry, drive, hyper_h)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        inner = c
        if self.layer_norm:
            inner = layer_norm(c, weights["cell_gain"], self.epsilon) + weights["cell_bias"]
        h = gates["output"] * jnp.tanh(inner)
        return HyperLSTMState(h, c, hyper_h, hyper_c), h
