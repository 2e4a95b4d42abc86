"""The gated recurrent unit with the reset gate after the product, as the kernels see it.

The candidate's drive and product are two arguments, for the reset gate comes between them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rnnjax.engines.fused.recurrence import Recurrence


def _after(arguments, direct):
    r, z, drive, product = arguments
    (h,) = direct
    z = jax.nn.sigmoid(z)
    return ((1 - z) * jnp.tanh(drive + jax.nn.sigmoid(r) * product) + z * h,)


GRU = Recurrence(_after, drive=(0, 1, 2), product=(0, 1, 3), states=1, direct=(0,), biased=(2,))
