"""Convolutional cells, the cells of xLSTM and reservoirs, beside the packages that have them."""

from __future__ import annotations

import os

import jax.numpy as jnp
from parity.zoo import golden
from parity.zoo.case import DOUBLE, Case

from rnnjax.cells.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from rnnjax.cells.echo_state import EchoState
from rnnjax.cells.mlstm import MLSTM
from rnnjax.cells.slstm import SLSTM

H = golden.FEATURES

os.environ.setdefault("KERAS_BACKEND", "jax")  # read when Keras is imported, which needs its backend


def slstm(weights):
    """The recurrent matrices of a head are turned."""
    blocks = jnp.swapaxes(weights["recurrent"], 1, 2)
    recurrent = blocks[0] if len(blocks) == 1 else blocks
    return {"kernel": weights["kernel"], "recurrent_kernel": recurrent, "bias": weights["bias"]}


def mlstm(weights):
    """Keys are divided by the square root of a head's width in both."""
    projections = [weights[name] for name in ("query", "key", "value", "output")]
    gates = [(weights[f"{gate}_kernel"], weights[f"{gate}_bias"]) for gate in ("input", "forget")]
    kernels, biases = zip(*gates, strict=True)
    return {
        "kernel": jnp.concatenate(projections, axis=-1),
        "bias": jnp.zeros(4 * H),
        "gate_kernel": jnp.concatenate(kernels, axis=-1),
        "gate_bias": jnp.concatenate(biases),
    }


def reservoir(weights):
    return {"kernel": weights["Win"].T, "recurrent_kernel": weights["W"].T, "bias": weights["bias"]}


def with_candidate_second(kernel, recurrent, bias):
    """Blocks in the order i, g, f, o, and a forget gate with 1 added."""

    def ordered(blocks):
        i, g, f, o = jnp.split(blocks, 4, axis=-1)
        return jnp.concatenate([i, f, g, o], axis=-1)

    one = jnp.repeat(jnp.array([0.0, 1.0, 0.0, 0.0]), H)
    return {"kernel": ordered(kernel), "recurrent_kernel": ordered(recurrent), "bias": ordered(bias) + one}


def flax(weights):
    bias = weights["ih_bias"] + weights["hh_bias"]
    return with_candidate_second(weights["ih_kernel"], weights["hh_kernel"], bias)


def haiku(weights):
    bias = weights["input_to_hidden_b"] + weights["hidden_to_hidden_b"]
    return with_candidate_second(weights["input_to_hidden_w"], weights["hidden_to_hidden_w"], bias)


CASES = {
    "slstm": Case("xlstm", SLSTM(H, precision=DOUBLE), slstm),
    "slstm_heads": Case("xlstm", SLSTM(H, heads=2, precision=DOUBLE), slstm, "slstm"),
    "mlstm": Case("xlstm", MLSTM(H, precision=DOUBLE), mlstm),
    "mlstm_heads": Case("xlstm", MLSTM(H, heads=3, precision=DOUBLE), mlstm, "mlstm"),
    "echo_state": Case("reservoirpy", EchoState(H, precision=DOUBLE), reservoir),
    "echo_state_leaky": Case("reservoirpy", EchoState(H, leak=0.3, precision=DOUBLE), reservoir, "echo_state"),
    "conv_lstm_1d": Case("haiku", ConvLSTM1D(H, precision=DOUBLE), haiku),
    "conv_lstm_2d": Case("keras", ConvLSTM2D(H, precision=DOUBLE), lambda weights: weights),
    "conv_lstm_3d": Case("flax", ConvLSTM3D(H, kernel_size=2, precision=DOUBLE), flax),
}
