"""Flax Linen models made of cells."""

from rnnjax.models.attending import Attention
from rnnjax.models.beam import Beams, beam_search
from rnnjax.models.bit_predictor import BitPredictor
from rnnjax.models.captioner import Captioner
from rnnjax.models.decoding import greedy, sample
from rnnjax.models.encoder_decoder import EncoderDecoder, Pair
from rnnjax.models.feature_reader import FeatureReader
from rnnjax.models.forecaster import Forecaster
from rnnjax.models.frame_attention import FrameAttending
from rnnjax.models.frame_predictor import FramePredictor
from rnnjax.models.language_model import LanguageModel
from rnnjax.models.layers import Bidirectional, Dropout, Embedding, Recurrent, pool
from rnnjax.models.memory_network import MemoryNetwork
from rnnjax.models.ngram import ngram_losses
from rnnjax.models.readout import RecurrentReadout
from rnnjax.models.self_attention import SelfAttention
from rnnjax.models.sequence_layer import Blocks, SelfAttending, sequence_layer
from rnnjax.models.softmax import sampled_softmax
from rnnjax.models.tagger import Tagger
from rnnjax.models.transformer import Transformer, TransformerEncoderDecoder

__all__ = [
    "Attention",
    "Beams",
    "Bidirectional",
    "BitPredictor",
    "Blocks",
    "Captioner",
    "Dropout",
    "Embedding",
    "EncoderDecoder",
    "FeatureReader",
    "Forecaster",
    "FrameAttending",
    "FramePredictor",
    "LanguageModel",
    "MemoryNetwork",
    "Pair",
    "Recurrent",
    "RecurrentReadout",
    "SelfAttending",
    "SelfAttention",
    "Tagger",
    "Transformer",
    "TransformerEncoderDecoder",
    "beam_search",
    "greedy",
    "ngram_losses",
    "pool",
    "sample",
    "sampled_softmax",
    "sequence_layer",
]
