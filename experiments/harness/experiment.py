"""What an experiment is, and the registry of all of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from experiments.harness.claims import Claim
from rnnjax.errors import check_choice
from rnnjax.report import Section
from rnnjax.training.run_folder import RunFolder


class Outcome(NamedTuple):
    """What a run returns: numbers for summary.json, and the report's sections."""

    summary: dict[str, Any]
    sections: tuple[Section, ...]


class Experiment(NamedTuple):
    """A published result, reproduced.

    Attributes:
      name: on the command line; the module in `experiments` that defines it.
      title: of the report.
      papers: the papers whose results are claims.
      description: one line.
      presets: configurations by name: frozen dataclasses.
      run: `(config, folder) -> Outcome`; prints lines of progress, adds records to the folder's metrics.jsonl. The
        first figure of the first section that has one is what stands for the experiment.
      claims: what the papers report.
      protocol: what is done, in sentences: task, networks, optimiser, budget, criterion, seeds.
      deviations: what differs from the papers, a sentence each.
      data: the path of its data within a folder of data sets, for an experiment whose configuration has a field `data`.
    """

    name: str
    title: str
    papers: str
    description: str
    presets: Mapping[str, Any]
    run: Callable[[Any, RunFolder], Outcome]
    claims: tuple[Claim, ...]
    protocol: str = ""
    deviations: tuple[str, ...] = ()
    data: str = ""


__all__ = ["NAMES", "Experiment", "Outcome", "Section", "load"]

NAMES = (
    "vanishing_gradient",
    "orthogonal_decay",
    "curse_of_memory",
    "memory_capacity",
    "pattern_capacity",
    "lyapunov_gain",
    "gradient_flossing",
    "error_wall",
    "temporal_order_clipping",
    "gate_bias_ladder",
    "adding_length",
    "chrono_adding",
    "copy_orthogonal",
    "latch_guessing",
    "selective_copying_depth",
    "counting_languages",
    "parity_eigenvalues",
    "long_time_lags",
    "long_adding",
    "flip_flop",
    "character_gates",
    "polyphonic_music",
    "digits_rows_pixels",
    "sequential_mnist",
    "chrono_long",
    "exprnn_copy",
    "lem_adding",
    "temporal_order_paper",
    "teacher_student",
)


def load(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
      InputError: an unknown name.
    """
    check_choice("experiment", name, NAMES)
    return importlib.import_module(f"experiments.{name}").EXPERIMENT
