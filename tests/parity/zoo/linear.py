"""Linear recurrences beside mambapy and fla."""

from __future__ import annotations

import jax.numpy as jnp
from parity.zoo.case import DOUBLE, Case
from parity.zoo.golden import FEATURES
from parity.zoo.make_linear import GATE_RANK, HEADS, RANK, STATES

from rnnjax import DeltaNet, GatedDeltaNet, GatedLinearAttention, Mamba


def mamba(weights):
    return {
        "kernel": weights["x_proj.weight"].T,
        "step_kernel": weights["dt_proj.weight"].T,
        "step_bias": weights["dt_proj.bias"],
        "decay_log": weights["A_log"],
        "skip": weights["D"],
    }


def projected(weights):
    return {"kernel": jnp.concatenate([weights[f"{part}_proj.weight"].T for part in "qkv"], axis=1)}


def gated_linear_attention(weights):
    return projected(weights) | {
        "gate_kernel_in": weights["gk_proj.0.weight"].T,
        "gate_kernel": weights["gk_proj.1.weight"].T,
        "gate_bias": weights["gk_proj.1.bias"],
    }


def delta_net(weights):
    return projected(weights) | {"gate_kernel": weights["b_proj.weight"].T}


def gated_delta_net(weights):
    gates = [weights[f"{part}_proj.weight"].T for part in "ab"]
    return projected(weights) | {
        "gate_kernel": jnp.concatenate(gates, axis=1),
        "rate_log": weights["A_log"],
        "step_bias": weights["dt_bias"],
    }


CASES = {
    "mamba": Case("mambapy", Mamba(FEATURES, state_features=STATES, rank=RANK, precision=DOUBLE), mamba),
    "gated_linear_attention": Case(
        "fla", GatedLinearAttention(FEATURES, heads=HEADS, rank=GATE_RANK, precision=DOUBLE), gated_linear_attention
    ),
    "delta_net": Case("fla", DeltaNet(FEATURES, heads=HEADS, precision=DOUBLE), delta_net),
    "gated_delta_net": Case("fla", GatedDeltaNet(FEATURES, heads=HEADS, precision=DOUBLE), gated_delta_net),
}
