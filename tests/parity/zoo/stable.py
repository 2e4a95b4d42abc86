"""Networks made for stability or in continuous time, and the cells of packages that compute the same."""

from __future__ import annotations

import jax.numpy as jnp
from parity.zoo import golden
from parity.zoo.case import DOUBLE, Case
from parity.zoo.make_stable import BACKBONE

from rnnjax import cells

H, F = golden.FEATURES, golden.INPUTS


def summed(weights, *biases):
    """The input kernel, and all biases as one."""
    return {"kernel": weights["weight_ih"].T, "bias": sum(weights[name] for name in biases)}


def indrnn(weights):
    return summed(weights, "bias_ih", "bias_hh") | {"recurrent_vector": weights["vector_u"]}


def unicornn(weights):
    own = {"recurrent_vector": weights["weight_hh"], "control": weights["weight_ch"]}
    return summed(weights, "bias_ih", "bias_hh") | own


def antisymmetric_rnn(weights):
    return summed(weights, "bias_ih", "bias_hh") | {"recurrent_kernel": weights["weight_hh"].T}


def gated_antisymmetric_rnn(weights):
    """The second bias is that of the candidate alone."""
    second = jnp.concatenate([jnp.zeros(H), weights["bias_hh"]])
    return {
        "kernel": weights["weight_ih"].T,
        "recurrent_kernel": weights["weight_hh"].T,
        "bias": weights["bias_ih"] + second,
    }


def cornn(weights):
    own = {"recurrent_kernel": weights["weight_hh"].T, "velocity_kernel": weights["weight_ch"].T}
    return summed(weights, "bias_ih", "bias_hh", "bias_ch") | own


def cfc(weights):
    joint = weights["backbone.0.weight"].T
    heads = ("ff1", "ff2", "time_a", "time_b")
    return {
        "kernel": joint[:F],
        "recurrent_kernel": joint[F:],
        "bias": weights["backbone.0.bias"],
        "head_kernel": jnp.concatenate([weights[f"{head}.weight"].T for head in heads], axis=-1),
        "head_bias": jnp.concatenate([weights[f"{head}.bias"] for head in heads]),
    }


def ltc(weights):
    names = {"w": "conductance", "sigma": "slope", "mu": "threshold", "erev": "reversal"}
    own = {"cm": "capacitance", "gleak": "leak_conductance", "vleak": "leak_potential"} | names
    own |= {f"sensory_{theirs}": f"input_{ours}" for theirs, ours in names.items()}
    return {ours: weights[theirs] for theirs, ours in own.items()}


euler = dict(epsilon=0.3, gamma=0.1, precision=DOUBLE)

CASES = {
    "indrnn": Case("torchrecurrent", cells.IndRNN(H, precision=DOUBLE), indrnn),
    "indrnn_tanh": Case("torchrecurrent", cells.IndRNN(H, activation="tanh", precision=DOUBLE), indrnn, "indrnn"),
    "unicornn": Case("torchrecurrent", cells.UnICORNN(H, dt=0.3, alpha=1.7, precision=DOUBLE), unicornn),
    "antisymmetric_rnn": Case("torchrecurrent", cells.AntisymmetricRNN(H, **euler), antisymmetric_rnn),
    "gated_antisymmetric_rnn": Case("torchrecurrent", cells.GatedAntisymmetricRNN(H, **euler), gated_antisymmetric_rnn),
    "cornn": Case("torchrecurrent", cells.CoRNN(H, dt=0.2, gamma=1.5, epsilon=2.5, precision=DOUBLE), cornn),
    "cfc": Case("ncps", cells.CfC(H, backbone_features=BACKBONE, precision=DOUBLE), cfc),
    "ltc": Case("ncps", cells.LTC(H, precision=DOUBLE), ltc),
}
