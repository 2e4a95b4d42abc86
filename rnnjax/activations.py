"""Activation functions by name, so that a cell's configuration can be written to a file."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError

Array = jax.Array
Activation = str | Callable[[Array], Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "identity": lambda x: x,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "hard_tanh": jax.nn.hard_tanh,
    "sin": jnp.sin,
}


def activation(given: Activation, argument: str = "activation") -> Callable[[Array], Array]:
    """The function of a name, or the function itself.

    Raises:
      InputError: naming `argument`, if the name is unknown or the value cannot be called.
    """
    function = ACTIVATIONS.get(given) if isinstance(given, str) else given
    if not callable(function):
        raise InputError(argument, given, "a function, or one of " + ", ".join(ACTIVATIONS))
    return function
