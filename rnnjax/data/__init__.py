"""Readers of real data, and what turns them into arrays."""

from rnnjax.data.files import Entry, entries, find, lines_of, text_of
from rnnjax.data.moving_images import Film
from rnnjax.data.series import Series, Standardiser, chronological, read_series
from rnnjax.data.spectral import MFCC, LogMel
from rnnjax.data.splits import three_ways
from rnnjax.data.tokenizers import BytePairs, Characters, Words
from rnnjax.data.vocabulary import Vocabulary

__all__ = [
    "MFCC",
    "BytePairs",
    "Characters",
    "Entry",
    "Film",
    "LogMel",
    "Series",
    "Standardiser",
    "Vocabulary",
    "Words",
    "chronological",
    "entries",
    "find",
    "lines_of",
    "read_series",
    "text_of",
    "three_ways",
]
