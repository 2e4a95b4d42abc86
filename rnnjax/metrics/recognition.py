"""Metrics of recognised speech and writing: edits from what was said to what was heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnjax.errors import InputError, check
from rnnjax.metrics.counting import Rows, kept_rows


def word_error_rate(answers: Sequence[Any], references: Sequence[Any], mask: Rows | None = None) -> float:
    """Edits in words over the words of the references, both summed over rows; above 1 where much was made up.

        WER = (substitutions + deletions + insertions) / words of the references

    Args:
      answers: `[rows]`: texts, whose words lie between blanks, or lists of words.
      references: `[rows]`: what was said.
      mask: `[rows]`, above zero where a row counts.

    Raises:
      InputError: no words in the references, or numbers of rows that differ.
    """
    return _error_rate(answers, references, mask, lambda row: row.split() if isinstance(row, str) else list(row))


def character_error_rate(answers: Sequence[Any], references: Sequence[Any], mask: Rows | None = None) -> float:
    """Edits in characters over the characters of the references, both summed over rows.

    Blanks within a text count, those at its ends do not.

    Args:
      answers: `[rows]`: texts, or lists of characters.
      references: `[rows]`: what was said.
      mask: `[rows]`, above zero where a row counts.

    Raises:
      InputError: no characters in the references, or numbers of rows that differ.
    """
    return _error_rate(answers, references, mask, lambda row: list(row.strip()) if isinstance(row, str) else list(row))


def edit_distance(answer: Sequence[Any], reference: Sequence[Any]) -> int:
    """The least number of insertions, deletions and substitutions between two sequences.

    Levenshtein's distance (1966, Soviet Physics Doklady 10:707) by the dynamic programme of Wagner & Fischer 1974
    (doi:10.1145/321796.321811), a row at a time.
    """
    known: dict[Any, int] = {}
    given, wanted = (np.array([known.setdefault(part, len(known)) for part in row], int) for row in (answer, reference))
    steps = np.arange(len(given) + 1)
    row = steps.copy()
    for place, part in enumerate(wanted, 1):
        best = np.concatenate([[place], np.minimum(row[1:] + 1, row[:-1] + (given != part))])
        row = np.minimum.accumulate(best - steps) + steps  # insertions: one more for each step to the right
    return int(row[-1])


def _error_rate(answers, references, mask, split: Callable[[Any], list]) -> float:
    for argument, rows in (("answers", answers), ("references", references)):
        if isinstance(rows, str):
            raise InputError(argument, rows, "a list of rows")
    check(len(answers) == len(references), "answers", f"{len(answers)} rows", f"{len(references)}, as references")
    pairs = [(split(answers[place]), split(references[place])) for place in kept_rows(mask, len(references))]
    total = sum(len(reference) for _, reference in pairs)
    check(total > 0, "references", "nothing", "at least one word or character that counts")
    return sum(edit_distance(*pair) for pair in pairs) / total
