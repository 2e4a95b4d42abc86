"""The structurally constrained network: fast hidden units beside slow context units."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Normal
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class SCRNState(NamedTuple):
    """`hidden`: the fast units, `[*batch, features]`; `context`: the slow ones, `[*batch, context_features]`."""

    hidden: Array
    context: Array


@dataclasses.dataclass(frozen=True, repr=False)
class SCRN(GatedCell):
    """Structurally constrained recurrent network.

        s' = alpha * s + (1 - alpha) * B x
        h' = sigmoid(A x + R h + P s' + b)
        y  = [h', s']

    Mikolov et al. 2014, arXiv:1412.7753. The context units s are leaky integrators of the input that all share one
    rate; they see nothing of the hidden units h. The model's softmax reads both, so both are the output, `[*batch,
    features + context_features]`: a linear layer on it is the paper's U h + V s.

    Parameters: `kernel [in_features, features]` A; `slow_kernel [in_features, context_features]` B; `recurrent_kernel
    [features, features]` R; `context_kernel [context_features, features]` P; `bias [features]`, which the paper does
    not have and which starts at zero. `kernel_init` draws A, B and P.

    Presets: "default" draws LeCun-normal A, B and P, and an orthogonal R; "paper" draws all of them from N(0, 0.05^2),
    as the authors' code does. That code lets the hidden units see s in the place of s'; the cell follows the paper.
    torchrecurrent 0.2.5 feeds h through a second layer, tanh(V h' + P s' + b), and hands that on as the state, and
    trains alpha: another network.

    Args:
      context_features: how many context units; `None` is half as many as hidden ones, rounded up.
      alpha: share of the context that is kept in a step, in (0, 1); not trained.

    Raises:
      InputError: a number of units that is no positive int, an alpha outside of (0, 1).
    """

    gates: ClassVar = ("candidate",)
    recurrent_kernels: ClassVar = ("recurrent_kernel", "context_kernel")
    equation: ClassVar = "s' = a*s + (1-a)*Bx;  h' = sig(Ax+Rh+Ps'+b);  y = [h', s']"
    source: ClassVar = "Mikolov et al. 2014, arXiv:1412.7753"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Normal(0.05), Normal(0.05))}

    _: dataclasses.KW_ONLY
    context_features: int | None = None
    alpha: float = 0.95

    def __post_init__(self):
        super().__post_init__()
        given = self.context_features
        valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1)
        check(valid, "SCRN.context_features", given, "a positive int, or None")
        valid = isinstance(self.alpha, int | float) and 0 < self.alpha < 1
        check(valid, "SCRN.alpha", self.alpha, "a number in (0, 1)")

    @property
    def context_width(self) -> int:
        """The number of context units."""
        return (self.features + 1) // 2 if self.context_features is None else self.context_features

    @property
    def output_features(self) -> int:
        return self.features + self.context_width

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, slow_key, context_key = jax.random.split(key, 3)
        params, dtype = super().init(key, in_features), self.precision.dtype("params")
        kernel = self.initializers.kernel
        params["slow_kernel"] = kernel.blocks(slow_key, self.gates, (in_features, self.context_width), dtype)
        params["context_kernel"] = kernel.blocks(context_key, self.gates, (self.context_width, self.features), dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> SCRNState:
        return SCRNState(self.zeros(batch_shape), self.zeros(batch_shape, self.context_width))

    def project(self, weights, xs):
        slow = dot_inputs(xs, weights["slow_kernel"])
        return super().project(weights, xs) | {"context": (1 - self.alpha) * slow}

    def gate_values(self, weights, carry, drive):
        return {"candidate": self._step(weights, carry, drive).hidden}

    def recur(self, weights, carry, drive):
        state = self._step(weights, carry, drive)
        return state, jnp.concatenate(state, axis=-1)

    def _step(self, weights, carry, drive) -> SCRNState:
        context = self.alpha * carry.context + drive["context"]
        recurrent = dot(carry.hidden, weights["recurrent_kernel"]) + dot(context, weights["context_kernel"])
        return SCRNState(jax.nn.sigmoid(drive["candidate"] + recurrent), context)
