"""Metrics of whole splits, computed on the host with NumPy: what a paper's table holds.

Each takes answers first, then targets or references, and a mask that says what counts; each equals what the library of
the field gives (scikit-learn, sacrebleu, jiwer).
"""

from rnnjax.metrics.classification import accuracy, confusion_matrix, f1
from rnnjax.metrics.intervals import conformal_margin
from rnnjax.metrics.language import bits_per_character, nll, perplexity
from rnnjax.metrics.recognition import character_error_rate, edit_distance, word_error_rate
from rnnjax.metrics.regression import coverage, mae, mase, pinball, rmse, seasonal_scale
from rnnjax.metrics.translation import bleu, chrf

__all__ = [
    "accuracy",
    "bits_per_character",
    "bleu",
    "character_error_rate",
    "chrf",
    "conformal_margin",
    "confusion_matrix",
    "coverage",
    "edit_distance",
    "f1",
    "mae",
    "mase",
    "nll",
    "perplexity",
    "pinball",
    "rmse",
    "seasonal_scale",
    "word_error_rate",
]
