"""Plain and gated cells: which of ours each case is, and where the packages' weights go."""

from __future__ import annotations

import jax.numpy as jnp
from parity.zoo.case import DOUBLE, Case
from parity.zoo.golden import FEATURES

from rnnjax import (
    CFN,
    SRU,
    TGRU,
    TLSTM,
    TRNN,
    UGRNN,
    FastGRNN,
    FastRNN,
    IntersectionRNN,
    MinimalRNN,
)


def blocks(array, order, axis):
    """The blocks of a package along an axis, in another order."""
    parts = jnp.split(array, len(order), axis=axis)
    return jnp.concatenate([parts[index] for index in order], axis=axis)


def gated(order):
    """Weights `[blocks * features, width]` and two biases of PyTorch, to kernels with the blocks in our order."""

    def converted(w):
        return {
            "kernel": blocks(w["weight_ih"], order, 0).T,
            "recurrent_kernel": blocks(w["weight_hh"], order, 0).T,
            "bias": blocks(w["bias_ih"] + w["bias_hh"], order, 0),
        }

    return converted


def minimal_rnn(w):
    return {
        "kernel": w["weight_ih"].T,
        "recurrent_kernel": w["weight_hh"].T,
        "latent_kernel": w["weight_mm"].T,
        "bias": jnp.concatenate([w["bias_hh"], w["bias_ih"]]),
    }


def cfn(w):
    return {
        "kernel": w["weight_ih"].T,
        "recurrent_kernel": w["weight_hh"].T,
        "bias": w["bias_ih"] + w["bias_hh"],
    }


def fast_rnn(w):
    return gated([0])(w) | {name: w[name] for name in ("alpha", "beta")}


def fast_grnn(w):
    return cfn(w) | {name: w[name] for name in ("zeta", "nu")}


def t_rnn(w):
    return {"kernel": w["weight_ih"].T, "bias": w["bias_ih"]}


def of_two_inputs(w):
    return {
        "kernel": w["weight_ih"].T,
        "previous_kernel": w["weight_hh"].T[None],
        "bias": w["bias_ih"] + w["bias_hh"],
    }


def sru(w):
    """The package has the blocks of a unit side by side; the fourth is that of the highway."""
    parts = jnp.moveaxis(w["weight"].reshape(w["weight"].shape[0], FEATURES, -1), -1, 0)
    params = {
        "kernel": jnp.concatenate(list(parts[:3]), axis=1),
        "recurrent_vector": w["weight_c"],
        "bias": w["bias"],
    }
    return params | ({"highway_kernel": parts[3]} if len(parts) == 4 else {})


CASES: dict[str, Case] = {
    "ugrnn": Case("torchrecurrent", UGRNN(FEATURES, precision=DOUBLE), gated([1, 0])),
    "intersection_rnn": Case("torchrecurrent", IntersectionRNN(FEATURES, precision=DOUBLE), gated([3, 1, 2, 0])),
    "minimal_rnn": Case("torchrecurrent", MinimalRNN(FEATURES, precision=DOUBLE), minimal_rnn),
    "cfn": Case("torchrecurrent", CFN(FEATURES, precision=DOUBLE), cfn),
    "fast_rnn": Case("torchrecurrent", FastRNN(FEATURES, precision=DOUBLE), fast_rnn),
    "fast_grnn": Case("torchrecurrent", FastGRNN(FEATURES, precision=DOUBLE), fast_grnn),
    "t_rnn": Case("torchrecurrent", TRNN(FEATURES, precision=DOUBLE), t_rnn),
    "t_gru": Case("torchrecurrent", TGRU(FEATURES, precision=DOUBLE), of_two_inputs),
    "t_lstm": Case("torchrecurrent", TLSTM(FEATURES, precision=DOUBLE), of_two_inputs),
    "sru": Case("sru", SRU(FEATURES, precision=DOUBLE), sru),
    "sru_square": Case("sru", SRU(FEATURES, highway_bias=-1.0, precision=DOUBLE), sru, name="sru"),
}
