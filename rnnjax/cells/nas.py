"""The recurrent cell that neural architecture search found."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset
from rnnjax.cells.lstm import LSTMState
from rnnjax.initializers import Fused, Glorot
from rnnjax.kernel import dot


@dataclasses.dataclass(frozen=True, repr=False)
class NASCell(HeadedCell):
    """The cell that neural architecture search found on the Penn Treebank: a tree over eight leaves.

        l_0, l_2, l_5, l_7 = sigmoid(W x + U h + b)          (blocks of their own)
        l_4, l_6           = tanh(W x + U h + b)
        l_1                = relu(W x + U h + b)
        l_3                = relu((W x) * (U h + b))         a product, not a sum
        c' = tanh(tanh(l_0 * l_1) + c) * tanh(l_2 + l_3)
        h' = tanh(c' * tanh(tanh(l_4 * l_5) + sigmoid(l_6 + l_7)))

    Zoph & Le 2017, arXiv:1611.01578. The equations are those of TensorFlow's `NASCell`, which leaves b out unless
    asked for. torchrecurrent 0.2.5 adds where l_3 multiplies, which is another cell.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per leaf; "paper" draws both
    Glorot-uniform over all leaves at once, as TensorFlow's cell. Biases start at zero.
    """

    gates: ClassVar = ("leaf_0", "leaf_1", "leaf_2", "leaf_3", "leaf_4", "leaf_5", "leaf_6", "leaf_7")
    candidates: ClassVar = ("leaf_1", "leaf_3", "leaf_4", "leaf_6")
    equation: ClassVar = "c' = tanh(tanh(l0*l1)+c)*tanh(l2+l3);  h' = tanh(c'*tanh(tanh(l4*l5)+sig(l6+l7)))"
    source: ClassVar = "Zoph & Le 2017, arXiv:1611.01578"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Fused(Glorot()), Fused(Glorot()))}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        bias = self.split(weights["bias"])
        # The bias of the product belongs to the recurrent factor: it is taken from the sum that `project` makes.
        weights["product_bias"] = bias.pop("leaf_3")
        weights["bias"] = jnp.concatenate(
            [bias.get(leaf, jnp.zeros_like(weights["product_bias"])) for leaf in self.gates]
        )
        return weights

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        sums = {leaf: drive[leaf] + recurrent[leaf] for leaf in self.gates}
        return {
            "leaf_0": jax.nn.sigmoid(sums["leaf_0"]),
            "leaf_1": jax.nn.relu(sums["leaf_1"]),
            "leaf_2": jax.nn.sigmoid(sums["leaf_2"]),
            "leaf_3": jax.nn.relu(drive["leaf_3"] * (recurrent["leaf_3"] + weights["product_bias"])),
            "leaf_4": jnp.tanh(sums["leaf_4"]),
            "leaf_5": jax.nn.sigmoid(sums["leaf_5"]),
            "leaf_6": jnp.tanh(sums["leaf_6"]),
            "leaf_7": jax.nn.sigmoid(sums["leaf_7"]),
        }

    def recur(self, weights, carry, drive):
        leaves = tuple(self.gate_values(weights, carry, drive).values())
        c = jnp.tanh(jnp.tanh(leaves[0] * leaves[1]) + carry.c) * jnp.tanh(leaves[2] + leaves[3])
        outer = jnp.tanh(leaves[4] * leaves[5]) + jax.nn.sigmoid(leaves[6] + leaves[7])
        h = jnp.tanh(c * jnp.tanh(outer))
        return LSTMState(h, c), h
