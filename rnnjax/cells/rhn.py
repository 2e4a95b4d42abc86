"""The recurrent highway network: several highway layers within a step."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset, with_bias
from rnnjax.errors import check
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot

Array = jax.Array


class RHNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class RHN(GatedCell):
    """Recurrent highway network with a coupled carry gate.

        s_0 = h
        n_l = tanh([l = 1] W x + R_l s_(l-1) + b_l)
        t_l = sigmoid([l = 1] W x + R_l s_(l-1) + b_l)          (blocks of their own)
        s_l = t_l * n_l + (1 - t_l) * s_(l-1)                   for l = 1 .. depth
        h'  = s_depth

    Zilly et al. 2017, arXiv:1607.03474, with the carry gate coupled to the transform gate, c = 1 - t, as in all
    experiments of the paper. The transform gate is named "write". Gate values are those of the first highway layer, the
    one that reads the input.

    Parameters: `kernel [in_features, 2 * features]`, `recurrent_kernel [depth, features, 2 * features]` and
    `bias [depth, 2 * features]`, blocks in the order candidate, write. The authors' code multiplies one dropout mask a
    sequence into the state of all layers, as `Dropout(cell, recurrent=...)` does.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate and layer, and bias -2 of the
    transform gates; "paper" draws all kernels from U(-0.04, 0.04) and the candidates' biases too, with bias -2 of the
    transform gates, as the authors' code does for the Penn Treebank (-4 for enwik8 and text8).

    Args:
      depth: number of highway layers within a step.

    Raises:
      InputError: a depth that is no positive int.
    """

    gates: ClassVar = ("candidate", "write")
    equation: ClassVar = "s = t*tanh([l=1]Wx+R_l s+b_l) + (1-t)*s for l = 1..depth;  h' = s"
    source: ClassVar = "Zilly et al. 2017, arXiv:1607.03474"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, write=-2.0),
        "paper": with_bias(Preset(Uniform(0.04), Uniform(0.04), Uniform(0.04)), write=-2.0),
    }

    _: dataclasses.KW_ONLY
    depth: int = 3

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.depth, int) and not isinstance(self.depth, bool) and self.depth >= 1
        check(valid, "RHN.depth", self.depth, "a positive int")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        params, *deeper = (super(RHN, self).init(k, in_features) for k in jax.random.split(key, self.depth))
        layers = [params, *deeper]
        return params | {name: jnp.stack([p[name] for p in layers]) for name in ("recurrent_kernel", "bias")}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> RHNState:
        return RHNState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        layers = {f"layer_{index}": kernel for index, kernel in enumerate(weights["recurrent_kernel"])}
        return weights | {"recurrent_kernel": layers, "bias": weights["bias"][0], "deeper_bias": weights["bias"][1:]}

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]["layer_0"]))
        return self._activations({gate: drive[gate] + recurrent[gate] for gate in self.gates})

    def _activations(self, logits):
        return {"candidate": jnp.tanh(logits["candidate"]), "write": jax.nn.sigmoid(logits["write"])}

    def recur(self, weights, carry, drive):
        h = carry.h
        for index in range(self.depth):
            if index == 0:
                gates = self.gate_values(weights, carry, drive)
            else:
                recurrent = dot(h, weights["recurrent_kernel"][f"layer_{index}"])
                gates = self._activations(self.split(recurrent + weights["deeper_bias"][index - 1]))
            t = gates["write"]
            h = t * gates["candidate"] + (1 - t) * h
        return RHNState(h), h
