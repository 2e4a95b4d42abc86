"""What a report says of a model that is disturbed or made smaller, on so few examples that it is soon written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import numpy as np

from rnnjax.applications import Application
from rnnjax.errors import InputError
from rnnjax.report import Section
from rnnjax.training.compress import compare_sizes, size_section
from rnnjax.training.robustness import evaluates_in_its_own_way, robustness, robustness_section

PyTree = Any

STRENGTHS = {"noise": (0.1, 0.3, 1.0), "fgsm": (0.01, 0.03, 0.1)}
SHARES = (0.5, 0.8)
MOST, MOST_OF_OWN, LEAST = 256, 64, 32
STEPS = 40_000
"""How many steps all examples together have, as long as there are at least `LEAST` of them."""

_BATCH_STEPS = 20_000  # of a batch, padding included: as large a batch as memory allows is compiled for few lengths
_BATCH_OF_OWN = 32


class Sample(NamedTuple):
    """Some of a split.

    Attributes:
      examples: what `robustness` takes as `examples`.
      limit: how many of these are taken, the first ones.
      batch_size: how many at a time.
      told: which ones they are, as a sentence.
    """

    examples: Sequence[Any]
    limit: int
    batch_size: int
    told: str


def sample_of(application: Application, split: str = "test") -> Sample:
    """At most 256 examples, evenly from the whole split, since labels may stand together; fewer where they are long.

    Of an application that evaluates in a way of its own, the first 64 of what `evaluation_batches` makes of the split.
    """
    examples = application.examples(split)
    if evaluates_in_its_own_way(application):
        told = f"The loss, on at most {MOST_OF_OWN} of the first examples of the {split} split."
        return Sample(examples, MOST_OF_OWN, _BATCH_OF_OWN, told)
    lengths = [application.length(example) for example in examples]
    count = int(np.clip(STEPS // max(np.mean(lengths), 1), LEAST, MOST))
    places = np.unique(np.linspace(0, len(lengths) - 1, min(count, len(lengths))).round().astype(int))
    chosen = [examples[place] for place in places.tolist()]
    few = len(chosen) < len(lengths)
    told = f"On {len(chosen)} of the {len(lengths)} examples" if few else f"On all {len(chosen)} examples"
    batch_size = int(np.clip(_BATCH_STEPS // max(lengths), 8, len(chosen)))
    return Sample(
        chosen, len(chosen), batch_size, f"{told} of the {split} split{', evenly from all of it' if few else ''}."
    )


def disturbed_and_smaller(application: Application, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
    """Sections on robustness and on size, of a sample of the test split, and saying so.

    The first is left out of a model that does not pass its features through `perturb`.
    """
    sample = sample_of(application)
    parts = (application, model, params)
    given: dict[str, Any] = dict(examples=sample.examples, limit=sample.limit, batch_size=sample.batch_size)
    sections = []
    try:
        rows = robustness(*parts, STRENGTHS, **given)
        sections.append(robustness_section(rows, application.metric, note=sample.told))
    except InputError as error:
        if error.argument != "model":
            raise
    variants = compare_sizes(*parts, shares=SHARES, **given)
    sections.append(size_section(variants, application.metric, note=sample.told))
    return tuple(sections)
