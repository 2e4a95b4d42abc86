"""Tables in the terminal."""

from __future__ import annotations

from typing import Any


def table_of(*columns: str, title: str | None = None) -> Any:
    """An empty table with these columns; numbers stand to the right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column == "parameters" or column.startswith("lag") else "left")
    return table


def print_table(table: Any) -> None:
    """Prints a table, as wide as the terminal; where there is none, wide."""
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)
