"""GRU-D: a GRU for inputs with missing values, at uneven times."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import InputError, check
from rnnjax.initializers import Glorot, Orthogonal
from rnnjax.inputs import Observed, checked_width, observed
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class GRUDState(NamedTuple):
    """What the cell remembers.

    `h`: output of the last step, `[*batch, features]`.
    `last`: each input's last observed value, less its mean, `[*batch, in_features]`; zero before the first.
    `since`: the time from each input's last observation to the last step, `[*batch, in_features]`.
    `started`: 1 once there was a step, `[*batch, 1]`.
    """

    h: Array
    last: Array
    since: Array
    started: Array


@dataclasses.dataclass(frozen=True, repr=False)
class GRUD(GatedCell):
    """Gated recurrent unit with decay, for missing values.

        d    = elapsed + since                         time since each input was observed; 0 in the first step
        x^   = m * x + (1 - m) * (k * last + (1 - k) * mean),  k = exp(-relu(w * d + b_x))
        h^   = exp(-relu(W_h d + b_h)) * h
        r, z = sigmoid(W x^ + V m + U h^ + b)          (blocks of their own)
        n    = tanh(W x^ + V m + U (r * h^) + b)
        h'   = (1 - z) * n + z * h^

    Che et al. 2018, arXiv:1606.01865, doi:10.1038/s41598-018-24271-9. What is missing fades from its last value to its
    mean, and the state fades too, as time goes by. z keeps the state, as in `GRU`; the paper has 1 - z and z exchanged.
    An input that was never observed is at its mean. The authors' code has the state undecayed, h, in the last line, and
    1 - m for the mask.

    Inputs: plain arrays `[..., in_features]`, where NaN stands for what is missing and steps are one unit of time
    apart; `Timed(x, elapsed)` with NaN, at uneven times; or `Observed(x, mask, elapsed)`. The time that elapsed before
    the first step of all has no effect.

    Parameters: `kernel` and `mask_kernel [in_features, 3 * features]`, `recurrent_kernel [features, 3 * features]`,
    `bias [3 * features]` for reset, update and candidate; `input_decay` and `input_decay_bias [in_features]`,
    `hidden_decay [in_features, features]`, `hidden_decay_bias [features]`; `mean [in_features]`, the inputs' means over
    the training data, which training leaves as they are: zero, unless they are put there.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws
    Glorot-uniform and orthogonal ones, the defaults of Keras that the authors' code leaves in place. That code starts
    all decays from zero, where the rectifier has no slope; here they start from `decay`.

    Args:
      in_features: width of the inputs, which parts of the state have too; `None` is that of the state, `features`.
      decay: initial rate at which inputs and state fade, per unit of time: of inputs for the time since each was
        observed, of the state for the mean of these times.

    Raises:
      InputError: in_features that are no positive int, a decay that is no number >= 0; at `init`, inputs of another
        width.
    """

    gates: ClassVar = ("reset", "update", "candidate")
    fixed: ClassVar = ("mean",)
    equation: ClassVar = "x^ = m*x+(1-m)*(k*last+(1-k)*mean), h^ = k_h*h;  h' = (1-z)*tanh(Wx^+Vm+U(r*h^)+b) + z*h^"
    source: ClassVar = "Che et al. 2018, doi:10.1038/s41598-018-24271-9"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Glorot(), Orthogonal())}

    _: dataclasses.KW_ONLY
    in_features: int | None = None
    decay: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        given = self.in_features
        valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1)
        check(valid, "GRUD.in_features", given, "a positive int, or None")
        valid = isinstance(self.decay, int | float) and not isinstance(self.decay, bool) and self.decay >= 0
        check(valid, "GRUD.decay", self.decay, "a number >= 0")

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, decay=0.01)

    @property
    def width(self) -> int:
        """The width of the inputs."""
        return self.features if self.in_features is None else self.in_features

    def init(self, key: Array, in_features: Any) -> dict[str, Array]:
        given = in_features
        if isinstance(in_features, Observed):
            rest = (in_features.mask, in_features.elapsed)
            check(rest == (in_features.x, 1), "in_features", given, "Observed(width, width, 1)")
            in_features = in_features.x
        if checked_width(in_features) != self.width:
            raise InputError("in_features", given, f"{self.width}, the width that {self} was made for")
        key, mask_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        shape = (self.width, self.features)
        params = super().init(key, self.width)
        params["mask_kernel"] = self.initializers.kernel.blocks(mask_key, self.gates, shape, dtype)
        return params | {
            "input_decay": jnp.full((self.width,), self.decay, dtype),
            "input_decay_bias": jnp.zeros((self.width,), dtype),
            "hidden_decay": jnp.full(shape, self.decay / self.width, dtype),
            "hidden_decay_bias": jnp.zeros((self.features,), dtype),
            "mean": jnp.zeros((self.width,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> GRUDState:
        inputs = self.zeros(batch_shape, self.width)
        return GRUDState(self.zeros(batch_shape), inputs, inputs, self.zeros(batch_shape, 1))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        gates, candidate = jnp.split(weights["recurrent_kernel"], [2 * self.features], axis=-1)
        return weights | {"recurrent_kernel": {"gates": gates, "candidate": candidate}}

    def project(self, weights, xs):
        x, mask, elapsed = (leaf.astype(self.precision.dtype("compute")) for leaf in observed(xs))
        mean = weights["mean"]
        known = mask * (x - mean)
        gates = dot_inputs(known + mean, weights["kernel"]) + dot_inputs(mask, weights["mask_kernel"]) + weights["bias"]
        return self.split(gates) | {"known": known, "mask": mask, "elapsed": elapsed}

    def _faded(self, weights, carry, drive):
        """The times since observations, what stands in for the missing inputs, less the mean, and the faded state."""
        time = carry.started * (drive["elapsed"] + carry.since)
        of_inputs = jnp.exp(-jax.nn.relu(weights["input_decay"] * time + weights["input_decay_bias"]))
        of_state = jnp.exp(-jax.nn.relu(dot(time, weights["hidden_decay"]) + weights["hidden_decay_bias"]))
        return time, (1 - drive["mask"]) * of_inputs * carry.last, of_state * carry.h

    def _gates(self, weights, drive, guessed, h):
        kernel = weights["recurrent_kernel"]
        inputs = self.split(dot(guessed, weights["kernel"]))
        reset, update = jnp.split(dot(h, kernel["gates"]), 2, axis=-1)
        r = jax.nn.sigmoid(drive["reset"] + inputs["reset"] + reset)
        z = jax.nn.sigmoid(drive["update"] + inputs["update"] + update)
        n = jnp.tanh(drive["candidate"] + inputs["candidate"] + dot(r * h, kernel["candidate"]))
        return {"reset": r, "update": z, "candidate": n}

    def gate_values(self, weights, carry, drive):
        _, guessed, h = self._faded(weights, carry, drive)
        return self._gates(weights, drive, guessed, h)

    def recur(self, weights, carry, drive):
        time, guessed, faded = self._faded(weights, carry, drive)
        gates = self._gates(weights, drive, guessed, faded)
        z, mask = gates["update"], drive["mask"]
        h = (1 - z) * gates["candidate"] + z * faded
        last = drive["known"] + (1 - mask) * carry.last
        return GRUDState(h, last, (1 - mask) * time, jnp.ones_like(carry.started)), h
