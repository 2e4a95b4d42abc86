"""The registry as a table: what there is to know of each cell at a glance."""

from __future__ import annotations

from typing import NamedTuple

from rnnjax.cells import REGISTRY
from rnnjax.engines import ENGINES

WIDTH = 128  # of the inputs and the state that parameters are counted for


class Row(NamedTuple):
    """A registered cell.

    `name`: on the command line. `cls`: name of the class. `module`: where it is. `equation`: the recurrence. `gates`:
    their names. `parameters`: their number for 128 features on 128 inputs. `jacobian`: structure of the step Jacobian.
    `engines`: names of those that serve the cell. `source`: the paper. `verified`: what its numbers are held against:
    "NumPy", the paper's equations written once more, for every cell, and packages with their versions.
    """

    name: str
    cls: str
    module: str
    equation: str
    gates: tuple[str, ...]
    parameters: int
    jacobian: str
    engines: tuple[str, ...]
    source: str
    verified: tuple[str, ...]


def catalogue() -> list[Row]:
    """A row for each registered cell, in the order of the registry."""
    rows = []
    for name, cls in REGISTRY.items():
        cell = cls(WIDTH)
        rows.append(
            Row(
                name=name,
                cls=cls.__name__,
                module=cls.__module__,
                equation=cls.equation,
                gates=cls.gates,
                parameters=cell.parameter_count(WIDTH),
                jacobian=cls.jacobian,
                engines=tuple(key for key, engine in ENGINES.items() if engine.covers(cell)),
                source=cls.source,
                verified=("NumPy", *cls.verified),
            )
        )
    return rows


def markdown(rows: list[Row]) -> list[str]:
    """The lines of the table in the documentation, where names lead to the classes."""
    header = ("name", "equation", "gates", "parameters", "Jacobian", "engines", "paper", "verified against")
    lines = ["| " + " | ".join(header) + " |", "|---|---|---|---:|---|---|---|---|"]
    for row in rows:
        fields = (
            f"[`{row.name}`](api/cells.md#{row.module}.{row.cls})",
            f"`{row.equation}`",  # as code: its stars are not emphasis
            ", ".join(row.gates) or "–",
            f"{row.parameters:,}",
            row.jacobian,
            ", ".join(row.engines),
            row.source,
            ", ".join(row.verified),
        )
        lines.append("| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |")
    return lines
