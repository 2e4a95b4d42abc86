"""The GRU's relatives and the cells of torchrecurrent that compute the same."""

from __future__ import annotations

import jax.numpy as jnp
from parity.zoo import golden
from parity.zoo.case import DOUBLE, Case

from rnnjax import cells

H = golden.FEATURES


def summed(weights):
    """Two biases are one here."""
    return {
        "kernel": weights["weight_ih"].T,
        "recurrent_kernel": weights["weight_hh"].T,
        "bias": weights["bias_ih"] + weights["bias_hh"],
    }


def plain(weights):
    bias = weights["bias"] if "bias" in weights else weights["bias_ih"]
    return {"kernel": weights["weight_ih"].T, "recurrent_kernel": weights["weight_hh"].T, "bias": bias}


def ran(weights):
    """Blocks of the input kernel in the order candidate, input, forget."""
    candidate, *gates = jnp.split(weights["weight_ih"].T, 3, axis=-1)
    return summed(weights) | {"kernel": jnp.concatenate([*gates, candidate], axis=-1)}


def star(weights):
    """Blocks in the order candidate, write; the second bias is that of the gate."""
    candidate, write = jnp.split(weights["weight_ih"].T, 2, axis=-1)
    of_candidate, of_write = jnp.split(weights["bias_ih"], 2)
    return {
        "kernel": jnp.concatenate([write, candidate], axis=-1),
        "recurrent_kernel": weights["weight_hh"].T,
        "bias": jnp.concatenate([of_write + weights["bias_hh"], of_candidate]),
    }


def brc(weights):
    return {
        "kernel": weights["weight_ih"].T,
        "recurrent_weight": weights["weight_hh"],
        "bias": weights["bias"],
    }


CASES = {
    name: Case("torchrecurrent", cells.get(name, H, precision=DOUBLE), converted)
    for name, converted in {
        "mgu": summed, "mut1": plain, "mut2": summed, "mut3": summed, "ligru": summed, "ran": ran, "atr": plain,
        "star": star, "brc": brc, "nbrc": plain,
    }.items()
}  # fmt: skip
