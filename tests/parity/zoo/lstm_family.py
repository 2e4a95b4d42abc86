"""The cells of the LSTM family that packages compute, and their weights in terms of ours."""

from __future__ import annotations

from parity.zoo.case import DOUBLE, Case
from parity.zoo.golden import FEATURES

from rnnjax import JANET, PeepholeLSTM
from rnnjax.cells.cifg_lstm import CIFGLSTM
from rnnjax.cells.lstm_1997 import LSTM1997
from rnnjax.cells.lstmp import LSTMP
from rnnjax.cells.multiplicative_lstm import MultiplicativeLSTM
from rnnjax.cells.wmc_lstm import WMCLSTM


def gates(weights):
    """PyTorch's matrices have gates in their rows, and there are two biases."""
    return {
        "kernel": weights["weight_ih"].T,
        "recurrent_kernel": weights["weight_hh"].T,
        "bias": weights["bias_ih"] + weights["bias_hh"],
    }


def multiplicative(weights):
    ours = weights["weight_ih"].T
    return {
        "kernel": ours[:, FEATURES:],
        "intermediate_kernel": ours[:, :FEATURES],
        "recurrent_kernel": weights["weight_mh"].T,
        "intermediate_recurrent_kernel": weights["weight_hh"].T,
        "bias": weights["bias_mh"],
    }


CASES = {
    "lstm_1997": Case("torchrecurrent", LSTM1997(FEATURES, precision=DOUBLE), gates),
    "peephole_lstm": Case(
        "torchrecurrent",
        PeepholeLSTM(FEATURES, precision=DOUBLE),
        lambda weights: gates(weights) | {"peephole": weights["weight_ph"]},
    ),
    "multiplicative_lstm": Case("torchrecurrent", MultiplicativeLSTM(FEATURES, precision=DOUBLE), multiplicative),
    "wmc_lstm": Case(
        "torchrecurrent",
        WMCLSTM(FEATURES, precision=DOUBLE),
        lambda weights: gates(weights) | {"memory_kernel": weights["weight_mh"].T},
    ),
    "janet": Case("torchrecurrent", JANET(FEATURES, precision=DOUBLE), gates),
    "lstmp": Case(
        "torch",
        LSTMP(FEATURES, projection_features=4, precision=DOUBLE),
        lambda weights: gates(weights) | {"projection": weights["weight_hr"].T},
    ),
    "cifg_lstm": Case("torch", CIFGLSTM(FEATURES, precision=DOUBLE), gates),
}
