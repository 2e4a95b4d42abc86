"""Cells made of cells: stacks, residual connections, normalisation, dropout and its kin. One wrapper a file."""

from rnnjax.wrappers.dense_stack import DenseStack
from rnnjax.wrappers.drop_connect import DropConnect
from rnnjax.wrappers.dropout import Dropout
from rnnjax.wrappers.fast_slow import FastSlow, FastSlowState
from rnnjax.wrappers.highway import Highway
from rnnjax.wrappers.layer_norm import LayerNorm
from rnnjax.wrappers.multiplicative import Multiplicative
from rnnjax.wrappers.past_attention import PastAttention, PastAttentionState
from rnnjax.wrappers.residual import Residual
from rnnjax.wrappers.stack import Stack
from rnnjax.wrappers.weight_norm import WeightNorm
from rnnjax.wrappers.zoneout import Zoneout, ZoneoutState

__all__ = [
    "DenseStack",
    "DropConnect",
    "Dropout",
    "FastSlow",
    "FastSlowState",
    "Highway",
    "LayerNorm",
    "Multiplicative",
    "PastAttention",
    "PastAttentionState",
    "Residual",
    "Stack",
    "WeightNorm",
    "Zoneout",
    "ZoneoutState",
]
