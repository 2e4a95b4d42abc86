"""The command `rnnjax cells`."""

from __future__ import annotations

import dataclasses
import json

from rnnjax.commands.terminal import print_table, table_of


@dataclasses.dataclass(frozen=True)
class Cells:
    """List the cells: parameters at 128 features on 128 inputs, gates, step Jacobian, engines, paper, checks."""

    json: bool = False
    """Print JSON."""
    markdown: bool = False
    """Print the table of the documentation."""

    def __call__(self) -> None:
        """Prints the table."""
        from rnnjax.catalogue import catalogue, markdown

        rows = catalogue()
        if self.json:
            print(json.dumps([row._asdict() for row in rows], indent=2))
        elif self.markdown:
            print("\n".join(markdown(rows)))
        else:
            table = table_of("cell", "parameters", "gates", "Jacobian", "engines", "paper", "verified against")
            for row in rows:
                listed = (", ".join(each) for each in (row.gates, row.engines, row.verified))
                gates, engines, verified = listed
                table.add_row(row.name, f"{row.parameters:,}", gates, row.jacobian, engines, row.source, verified)
            print_table(table)
