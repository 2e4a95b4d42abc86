"""Polyphonic music: which notes sound next, learned from piano rolls, and pieces written by a trained model."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications.application import SPLITS, Application, Laptop, judged
from rnnjax.applications.notes import KEYS, LOWEST, read_notes, written_notes
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.models.frame_predictor import FramePredictor
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import binary_cross_entropy, masked_mean
from rnnjax.tasks.piano_roll import Part, read_corpus

Array = jax.Array


class Piece(NamedTuple):
    """Frames of a piece that follow each other: each but the first is a target. `[steps + 1, 88]` uint8."""

    frames: np.ndarray


@dataclasses.dataclass(frozen=True)
class Music(Application):
    """Which notes sound in the next frame? 88 independent bits, given all frames before.

    To train, pieces are cut into rows of at most `length` steps that follow each other, each without a past; they are
    evaluated whole. The first frame of a piece is not predicted. "loss": the sum over keys of the cross-entropy, in
    nats a frame, the mean over frames and not over pieces, as in the tables of the literature. "accuracy": hits / (hits
    + misses + false alarms) over all frames, a note being said to sound where its probability exceeds one half (Bay,
    Ehmann & Downie 2009, ISMIR, "Evaluation of multiple-F0 estimation and tracking systems").

    Baselines, fitted to the training pieces: "loss_frequencies", each key sounds as often as it does there whatever
    came before; and "loss", with its "accuracy", each key sounds with one of two probabilities of its own, by whether
    it sounds in the frame before: the last frame repeated.

    Args:
      data: a file of piano rolls, or a folder with one: `.mat` with the cell arrays traindata, validdata and testdata
        of matrices `[frames, 88]`, or `.json` with lists train, valid and test of pieces, each a list of frames, each a
        list of MIDI numbers from 21 to 108.
      corpus: the file's name without its ending, where `data` is a folder with several.
      length: the most steps of a training row; 0 means whole pieces.
      dropout: of the outputs of the recurrent layer.
      input_dropout: of what the recurrent layer reads.
      tfds: not read.

    Raises:
      InputError: a number out of range; from the methods, data that cannot be read.
    """

    name: ClassVar[str] = "music"
    source: ClassVar[str] = "Boulanger-Lewandowski, Bengio & Vincent 2012, arXiv:1206.6392"
    laptop: ClassVar[Laptop] = Laptop(
        cell="lstm",
        hidden=200,
        steps=3000,
        batch_size=16,
        evaluate_every=250,
        optimizer={"name": "adam", "learning_rate": 3e-3, "clip": "norm", "schedule": "cosine"},
        patience=4,
    )

    _: dataclasses.KW_ONLY
    corpus: str = ""
    length_: dataclasses.InitVar[None] = None
