"""A cell of one's own in twenty lines, and what it gets for them: engines, wrappers, initialisers and gradient tools.

python examples/own_cell.py
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

import rnnjax
from rnnjax import affine
from rnnjax.analysis import gradient_flow, jacobian_spectrum
from rnnjax.cells.input_gated import InputGatedCell


class LeakyState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Leaky(InputGatedCell):
    """h' = f * h + (1 - f) * tanh(W x + b),  f = sigmoid(W x + b)."""

    gates: ClassVar = ("forget", "candidate")
    equation: ClassVar = "h' = f*h + (1-f)*tanh(Wx+b)"

    def initial_carry(self, batch_shape=()):
        return LeakyState(self.zeros(batch_shape))

    def affine(self, weights, drive):
        f = jax.nn.sigmoid(drive["forget"].astype(self.state_dtype))
        return affine.Real(f, (1 - f) * jnp.tanh(drive["candidate"].astype(self.state_dtype)))


cell = Leaky(16, bias_init={"forget": rnnjax.Chrono(200)})
params = cell.init(jax.random.key(0), in_features=3)
xs = jax.random.normal(jax.random.key(1), (4, 200, 3))
print(cell, "has", cell.parameter_count(3), "parameters")

_, scanned = rnnjax.unroll(cell, params, xs, engine="scan")
for engine in ("associative", "newton"):
    _, ys = rnnjax.unroll(cell, params, xs, engine=engine)
    print(f"{engine} and scan differ by at most {float(jnp.max(jnp.abs(ys - scanned))):.1e}")

deep = rnnjax.Stack((cell, rnnjax.Residual(rnnjax.Dropout(cell, input=0.1))))
_, ys = rnnjax.unroll(deep, deep.init(jax.random.key(2), 3), xs, key=jax.random.key(3))
print("two layers of it, with dropout:", ys.shape)

flow = gradient_flow(cell, params, xs).norms.mean(axis=0)
print(f"gradient of the last output, at its step {flow[-1]:.3f}, 100 steps before {flow[-101]:.3f}")
values = jnp.exp(jacobian_spectrum(cell, params, xs, lags=[100]).log_singular_values).mean(axis=0)[0]
print(f"of 100 steps, the largest singular value is {values[0]:.3f}, the least {values[-1]:.1e}")
