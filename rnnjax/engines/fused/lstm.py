"""Long short-term memory as the kernels see it: four sums in, `h'` and `c'` out; `c` is read directly."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rnnjax.engines.fused.recurrence import Recurrence


def _after(arguments, direct):
    i, f, g, o = arguments
    (c,) = direct
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


LSTM = Recurrence(_after, drive=(0, 1, 2, 3), product=(0, 1, 2, 3), states=2, direct=(1,))
