"""The simple recurrent network as the kernels see it: `h' = phi(a)`."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from rnnjax.engines.fused.recurrence import Recurrence


def _tanh(arguments, direct):
    del direct
    return (jnp.tanh(arguments[0]),)


def _relu(arguments, direct):
    del direct
    return (jax.nn.relu(arguments[0]),)


ELMAN = {
    name: Recurrence(after, drive=(0,), product=(0,), states=1) for name, after in [("tanh", _tanh), ("relu", _relu)]
}
"""By the name of the activation."""
