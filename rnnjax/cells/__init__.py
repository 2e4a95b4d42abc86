"""The cells, one family a file, and the registry that is made from them."""

from __future__ import annotations

from typing import Any

from rnnjax.cell import Cell, UnitCell
from rnnjax.cells.antisymmetric_rnn import AntisymmetricRNN, AntisymmetricRNNState, GatedAntisymmetricRNN
from rnnjax.cells.atr import ATR, ATRState
from rnnjax.cells.brc import BRC, NBRC, BRCState
from rnnjax.cells.cfc import CfC, CfCState
from rnnjax.cells.cfn import CFN, CFNState
from rnnjax.cells.cifg_lstm import CIFGLSTM
from rnnjax.cells.clockwork_rnn import ClockworkRNN, ClockworkRNNState
from rnnjax.cells.complex_diagonal import ComplexState
from rnnjax.cells.conv_gru import ConvGRU1D, ConvGRU2D, ConvGRU3D, ConvGRUState
from rnnjax.cells.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D, ConvLSTMState
from rnnjax.cells.cornn import CoRNN, CoRNNState
from rnnjax.cells.ct_rnn import CTRNN, CTRNNState
from rnnjax.cells.delta_net import DeltaNet, DeltaNetState, GatedDeltaNet
from rnnjax.cells.echo_state import EchoState, EchoStateState
from rnnjax.cells.elman import Elman, ElmanState
from rnnjax.cells.exp_rnn import ExpRNN, ExpRNNState
from rnnjax.cells.fast_grnn import FastGRNN, FastGRNNState
from rnnjax.cells.fast_rnn import FastRNN, FastRNNState
from rnnjax.cells.ffm import FFM
from rnnjax.cells.gru import GRU, GRUState
from rnnjax.cells.gru_d import GRUD, GRUDState
from rnnjax.cells.hopfield import Hopfield, HopfieldState, ModernHopfield
from rnnjax.cells.hyper_lstm import HyperLSTM, HyperLSTMState
from rnnjax.cells.indrnn import IndRNN, IndRNNState
from rnnjax.cells.intersection_rnn import IntersectionRNN, IntersectionRNNState
from rnnjax.cells.janet import JANET, JANETState
from rnnjax.cells.jordan import Jordan, JordanState
from rnnjax.cells.layer_norm_gru import LayerNormGRU, LayerNormGRUState
from rnnjax.cells.layer_norm_lstm import LayerNormLSTM
from rnnjax.cells.lem import LEM, LEMState
from rnnjax.cells.ligru import LiGRU, LiGRUState
from rnnjax.cells.linear_attention import GatedLinearAttention, LinearAttention, LinearAttentionState
from rnnjax.cells.lipschitz_rnn import LipschitzRNN, LipschitzRNNState
from rnnjax.cells.lmu import LMU, LMUState
from rnnjax.cells.lru import LRU
from rnnjax.cells.lstm import LSTM, LSTMState, PeepholeLSTM
from rnnjax.cells.lstm_1997 import LSTM1997
from rnnjax.cells.lstmp import LSTMP, LSTMPState
from rnnjax.cells.ltc import LTC, LTCState
from rnnjax.cells.mamba import Mamba, MambaState
from rnnjax.cells.mgu import MGU, MGUState, UpdateGateGRU
from rnnjax.cells.min_gru import MinGRU, MinGRUState
from rnnjax.cells.min_lstm import MinLSTM, MinLSTMState
from rnnjax.cells.minimal_rnn import MinimalRNN, MinimalRNNState
from rnnjax.cells.mlstm import MLSTM, MLSTMState
from rnnjax.cells.mogrifier_lstm import MogrifierLSTM
from rnnjax.cells.multiplicative_lstm import MultiplicativeLSTM
from rnnjax.cells.mut import MUT1, MUT2, MUT3, MUTState
from rnnjax.cells.nas import NASCell
from rnnjax.cells.nru import NRU, NRUState
from rnnjax.cells.ntm import NTM, NTMState
from rnnjax.cells.phased_lstm import PhasedLSTM, PhasedLSTMState
from rnnjax.cells.qrnn import QRNN, QRNNState, QRNNWindowState
from rnnjax.cells.ran import RAN, RANState
from rnnjax.cells.rg_lru import RGLRU, RGLRUState
from rnnjax.cells.rhn import RHN, RHNState
from rnnjax.cells.s4d import S4D
from rnnjax.cells.s5 import S5
from rnnjax.cells.sco_rnn import ScoRNN, ScoRNNState
from rnnjax.cells.scrn import SCRN, SCRNState
from rnnjax.cells.slstm import SLSTM, SLSTMState
from rnnjax.cells.sru import SRU, SRUState
from rnnjax.cells.star import STAR, STARState
from rnnjax.cells.strongly_typed import TGRU, TLSTM, TRNN, TGRUState, TLSTMState, TRNNState
from rnnjax.cells.time_aware_lstm import TimeAwareLSTM
from rnnjax.cells.ugrnn import UGRNN, UGRNNState
from rnnjax.cells.unicornn import UnICORNN, UnICORNNState
from rnnjax.cells.ur_lstm import URLSTM
from rnnjax.cells.urnn import URNN, URNNState
from rnnjax.cells.wmc_lstm import WMCLSTM
from rnnjax.errors import InputError, check_choice

__all__ = [
    "ATR",
    "BRC",
    "CFN",
    "CIFGLSTM",
    "CTRNN",
    "FFM",
    "GRU",
    "GRUD",
    "JANET",
    "LEM",
    "LMU",
    "LRU",
    "LSTM",
    "LSTM1997",
    "LSTMP",
    "LTC",
    "MGU",
    "MLSTM",
    "MUT1",
    "MUT2",
    "MUT3",
    "NBRC",
    "NRU",
    "NTM",
    "QRNN",
    "RAN",
    "REGISTRY",
    "RGLRU",
    "RHN",
    "S4D",
    "S5",
    "SCRN",
    "SLSTM",
    "SRU",
    "STAR",
    "TGRU",
    "TLSTM",
    "TRNN",
    "UGRNN",
    "URLSTM",
    "URNN",
    "WMCLSTM",
    "ATRState",
    "AntisymmetricRNN",
    "AntisymmetricRNNState",
    "BRCState",
    "CFNState",
    "CTRNNState",
    "CfC",
    "CfCState",
    "ClockworkRNN",
    "ClockworkRNNState",
    "CoRNN",
    "CoRNNState",
    "ComplexState",
    "ConvGRU1D",
    "ConvGRU2D",
    "ConvGRU3D",
    "ConvGRUState",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "ConvLSTMState",
    "DeltaNet",
    "DeltaNetState",
    "EchoState",
    "EchoStateState",
    "Elman",
    "ElmanState",
    "ExpRNN",
    "ExpRNNState",
    "FastGRNN",
    "FastGRNNState",
    "FastRNN",
    "FastRNNState",
    "GRUDState",
    "GRUState",
    "GatedAntisymmetricRNN",
    "GatedDeltaNet",
    "GatedLinearAttention",
    "Hopfield",
    "HopfieldState",
    "HyperLSTM",
    "HyperLSTMState",
    "IndRNN",
    "IndRNNState",
    "IntersectionRNN",
    "IntersectionRNNState",
    "JANETState",
    "Jordan",
    "JordanState",
    "LEMState",
    "LMUState",
    "LSTMPState",
    "LSTMState",
    "LTCState",
    "LayerNormGRU",
    "LayerNormGRUState",
    "LayerNormLSTM",
    "LiGRU",
    "LiGRUState",
    "LinearAttention",
    "LinearAttentionState",
    "LipschitzRNN",
    "LipschitzRNNState",
    "MGUState",
    "MLSTMState",
    "MUTState",
    "Mamba",
    "MambaState",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "MinimalRNN",
    "MinimalRNNState",
    "ModernHopfield",
    "MogrifierLSTM",
    "MultiplicativeLSTM",
    "NASCell",
    "NRUState",
    "NTMState",
    "PeepholeLSTM",
    "PhasedLSTM",
    "PhasedLSTMState",
    "QRNNState",
    "QRNNWindowState",
    "RANState",
    "RGLRUState",
    "RHNState",
    "SCRNState",
    "SLSTMState",
    "SRUState",
    "STARState",
    "ScoRNN",
    "ScoRNNState",
    "TGRUState",
    "TLSTMState",
    "TRNNState",
    "TimeAwareLSTM",
    "UGRNNState",
    "URNNState",
    "UnICORNN",
    "UnICORNNState",
    "UpdateGateGRU",
    "get",
]

REGISTRY: dict[str, type[UnitCell]] = {
    # textbook
    "elman": Elman,
    "jordan": Jordan,
    "lstm": LSTM,
    "peephole_lstm": PeepholeLSTM,
    "gru": GRU,
    # LSTM family
    "lstm_1997": LSTM1997,
    "lstmp": LSTMP,
    "cifg_lstm": CIFGLSTM,
    "layer_norm_lstm": LayerNormLSTM,
    "janet": JANET,
    "multiplicative_lstm": MultiplicativeLSTM,
    "mogrifier_lstm": MogrifierLSTM,
    "hyper_lstm": HyperLSTM,
    "phased_lstm": PhasedLSTM,
    "time_aware_lstm": TimeAwareLSTM,
    "nas": NASCell,
    "wmc_lstm": WMCLSTM,
    "ur_lstm": URLSTM,
    "slstm": SLSTM,
    # GRU family
    "mgu": MGU,
    "mut1": MUT1,
    "mut2": MUT2,
    "mut3": MUT3,
    "update_gate_gru": UpdateGateGRU,
    "ligru": LiGRU,
    "ran": RAN,
    "atr": ATR,
    "star": STAR,
    "brc": BRC,
    "nbrc": NBRC,
    "rhn": RHN,
    "layer_norm_gru": LayerNormGRU,
    "gru_d": GRUD,
    # simple and gated
    "scrn": SCRN,
    "ugrnn": UGRNN,
    "intersection_rnn": IntersectionRNN,
    "minimal_rnn": MinimalRNN,
    "cfn": CFN,
    "clockwork_rnn": ClockworkRNN,
    "fast_rnn": FastRNN,
    "fast_grnn": FastGRNN,
    # strongly typed, quasi-recurrent
    "t_rnn": TRNN,
    "t_gru": TGRU,
    "t_lstm": TLSTM,
    "sru": SRU,
    "qrnn": QRNN,
    # stability and orthogonality
    "indrnn": IndRNN,
    "antisymmetric_rnn": AntisymmetricRNN,
    "gated_antisymmetric_rnn": GatedAntisymmetricRNN,
    "lipschitz_rnn": LipschitzRNN,
    "cornn": CoRNN,
    "unicornn": UnICORNN,
    "lem": LEM,
    "urnn": URNN,
    "exp_rnn": ExpRNN,
    "sco_rnn": ScoRNN,
    "nru": NRU,
    # continuous time
    "ct_rnn": CTRNN,
    "ltc": LTC,
    "cfc": CfC,
    "lmu": LMU,
    # linear
    "min_gru": MinGRU,
    "min_lstm": MinLSTM,
    "lru": LRU,
    "s4d": S4D,
    "s5": S5,
    "rg_lru": RGLRU,
    "mamba": Mamba,
    "ffm": FFM,
    # matrix memory
    "linear_attention": LinearAttention,
    "gated_linear_attention": GatedLinearAttention,
    "delta_net": DeltaNet,
    "gated_delta_net": GatedDeltaNet,
    "mlstm": MLSTM,
    # memory
    "ntm": NTM,
    "hopfield": Hopfield,
    "modern_hopfield": ModernHopfield,
    "echo_state": EchoState,
    # convolutional
    "conv_lstm_1d": ConvLSTM1D,
    "conv_lstm_2d": ConvLSTM2D,
    "conv_lstm_3d": ConvLSTM3D,
    "conv_gru_1d": ConvGRU1D,
    "conv_gru_2d": ConvGRU2D,
    "conv_gru_3d": ConvGRU3D,
}
"""Every cell by its name on the command line. What is registered here is covered by the laws, the tools and the CLI."""

SHORTHANDS = {"irnn": Elman.irnn}


def get(name: str, features: int, **fields: Any) -> Cell:
    """The cell of a name: a key of `REGISTRY`, or "irnn".

    Raises:
      InputError: an unknown name or field.
    """
    check_choice("cell", name, [*REGISTRY, *SHORTHANDS])
    try:
        return (REGISTRY | SHORTHANDS)[name](features, **fields)
    except TypeError as error:
        raise InputError(f"cell {name}", fields, f"fields of the cell ({error})") from None
