"""A single recurrent unit without inputs: its error over its two weights, and the wall in it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import Elman, Precision, unroll
from rnnjax.analysis import Landscape, entry_direction, landscape

Array = jax.Array

CELL = Elman(1, activation="sigmoid", precision=Precision("float64"))
"""With h = s(x) the unit x' = w s(x) + b is an Elman network without inputs, h' = s(w h + b)."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """x' = w s(x) + b from x_0, with the error E_t = (s(x_t) - target)^2. In float64: where that is switched on.

    Where x_0 is an unstable fixed point, on the line b = x_0 - w s(x_0), the error jumps: a wall. At its foot the state
    stays at x_0, and the derivatives of x_t by (w, b) are the geometric sums (s, 1) (l^t - 1) / (l - 1), s = s(x_0), of
    the slope l = w s (1 - s) of a step.

    Args:
      steps: T.
      start: x_0.
      target: of s(x_T).
    """

    steps: int
    start: float
    target: float

    @property
    def output(self) -> float:
        """s(x_0)."""
        return 1 / (1 + math.exp(-self.start))

    def foot(self, weight: Any) -> Any:
        """The bias with which x_0 is a fixed point."""
        return self.start - weight * self.output

    def slope(self, weight: float) -> float:
        """l, by how much a step at x_0 stretches a small difference: the fixed point is unstable above 1."""
        return weight * self.output * (1 - self.output)

    def closed_form(self, weight: float) -> np.ndarray:
        """The norm of dE_t / d(w, b) at the foot of the wall, `[steps]`."""
        s, growth, steps = self.output, self.slope(weight), np.arange(1, self.steps + 1)
        outer = abs(2 * (s - self.target) * s * (1 - s))
        return outer * math.hypot(s, 1) * (growth**steps - 1) / (growth - 1)

    def errors(self, params: dict[str, Array]) -> Array:
        """E_t after each step, `[steps]`."""
        carry = type(CELL.initial_carry())(jax.nn.sigmoid(jnp.full(1, self.start, jnp.float64)))
        _, ys = unroll(CELL, params, jnp.zeros((self.steps, 1)), carry, hoist=False)
        return jnp.square(ys[:, 0] - self.target)

    def errors_at(self, place: Array) -> Array:
        """The same for a place `[2]`, w and b."""
        return self.errors(_parameters(place))

    def map(self, weights: np.ndarray, biases: np.ndarray) -> Landscape:
        """The last error with its gradient norm, and its curvature along the gradient, on a grid; NumPy arrays."""
        zeros = _parameters(jnp.zeros(2))
        plane = [entry_direction(zeros, "recurrent_kernel", (0, 0)), entry_direction(zeros, "bias", (0,))]
        last = lambda params: self.errors(params)[-1]  # noqa: E731
        return jax.device_get(landscape(last, zeros, plane, [weights, biases], curvature=True, batch_size=len(biases)))

    def along_the_wall(self, weight: float) -> dict[str, np.ndarray]:
        """At the foot of the wall after each step, `[steps]`: the gradient's norm, the largest curvature in magnitude,
        and the cosine between the gradient and the direction of that curvature.
        """
        place = jnp.array([weight, self.foot(weight)])
        both = jax.jit(lambda at: (jax.jacfwd(self.errors_at)(at), jax.jacfwd(jax.jacfwd(self.errors_at))(at)))
        gradients, hessians = (np.asarray(part) for part in both(place))
        values, vectors = np.linalg.eigh(hessians)
        leading = np.argmax(np.abs(values), axis=-1)[:, None]
        curvature = np.abs(np.take_along_axis(values, leading, axis=-1)[:, 0])
        direction = np.take_along_axis(vectors, leading[:, None], axis=-1)[..., 0]
        norms = np.linalg.norm(gradients, axis=-1)
        cosine = np.abs(np.sum(direction * gradients, axis=-1)) / norms
        return {"gradient": norms, "curvature": curvature, "cosine": cosine}

    def descended(self, places: np.ndarray, rate: float, updates: int, bound: float) -> dict[str, np.ndarray]:
        """Gradient descent from places `[..., 2]`, with gradients longer than `bound` rescaled to it.

        Returns:
          The last errors and the longest steps, `[...]`, and the way of the first place, `[updates, 2]`.
        """

        def descend(place, recorded):
            def update(state, _):
                place, longest = state
                gradient = jax.grad(lambda place: self.errors_at(place)[-1])(place)
                norm = jnp.linalg.norm(gradient)
                step = rate * gradient * jnp.where(norm > bound, bound / norm, 1)
                return (place - step, jnp.maximum(longest, jnp.linalg.norm(step))), place if recorded else None

            (end, longest), way = jax.lax.scan(update, (place, jnp.zeros(())), length=updates)
            return self.errors_at(end)[-1], longest, way

        flat = jnp.asarray(places).reshape(-1, 2)
        last, longest, _ = jax.jit(jax.vmap(lambda place: descend(place, False)))(flat)
        way = jax.jit(lambda place: descend(place, True)[2])(flat[0])
        errors, longest = (np.asarray(part).reshape(places.shape[:-1]) for part in (last, longest))
        return {"errors": errors, "longest": longest, "way": np.asarray(way)}


def _parameters(place: Array) -> dict[str, Array]:
    """Of the cell; its kernel has nothing to act on."""
    return {"kernel": jnp.zeros((1, 1)), "recurrent_kernel": place[0].reshape(1, 1), "bias": place[1].reshape(1)}
