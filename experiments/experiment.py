"""What an experiment is, and the registry of all of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from experiments.claims import Claim
from rnnjax.errors import check_choice
from rnnjax.training.run_folder import RunFolder


class Section(NamedTuple):
    """A part of the report: a heading, sentences, and figures or tables."""

    title: str
    text: str
    figures: tuple[tuple[str, Any], ...] = ()
    tables: tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...] = ()


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
      run: `(config, folder) -> Outcome`; prints lines of progress, adds records to the folder's metrics.jsonl.
      claims: what the papers report.
    """

    name: str
    title: str
    papers: str
    description: str
    presets: Mapping[str, Any]
    run: Callable[[Any, RunFolder], Outcome]
    claims: tuple[Claim, ...]


NAMES = ("vanishing_gradient",)


def load(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
      InputError: an unknown name.
    """
    check_choice("experiment", name, NAMES)
    return importlib.import_module(f"experiments.{name}").EXPERIMENT
