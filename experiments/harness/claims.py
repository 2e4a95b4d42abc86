"""What a paper reports, as a predicate over a run's summary."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Claim:
    """One reported result.

    Attributes:
      statement: what is claimed, in a sentence.
      source: paper, year, identifier, and the table, figure or section.
      published: the published value, or what the source says in words.
      ours: the value of the run, as text, from its summary.
      holds: whether the run's summary agrees with the claim.
      remark: what is known of the reason, for where it does not hold.
    """

    statement: str
    source: str
    published: str
    ours: Callable[[dict[str, Any]], str]
    holds: Callable[[dict[str, Any]], bool]
    remark: str = ""


def judge(claims: tuple[Claim, ...], summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Each claim beside what the run found: plain values for summary.json, the table and the report."""
    rows = []
    for claim in claims:
        row = {"claim": claim.statement, "source": claim.source, "published": claim.published}
        row |= {"ours": claim.ours(summary), "held": bool(claim.holds(summary))}
        rows.append(row if row["held"] else {**row, "remark": claim.remark})
    return rows
