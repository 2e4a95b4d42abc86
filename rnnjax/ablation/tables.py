"""The results of an ablation for other programs: `table` has a row a run, `curves` a row an evaluation."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from rnnjax.ablation.store import Store


def write_tables(store: Store) -> pathlib.Path:
    """Writes `table.csv`, `table.parquet`, `curves.csv` and `curves.parquet` about all finished runs of a folder.

    Returns:
      The path of `table.csv`.
    """
    planned = store.planned()
    _write(store.path, "curves", store.curves(planned))
    return _write(store.path, "table", store.rows(planned))


def _write(folder: pathlib.Path, name: str, rows: Sequence[Mapping[str, Any]]) -> pathlib.Path:
    import pandas

    table = pandas.DataFrame([dict(row) for row in rows])
    for column in table.columns:  # one type a column, as Parquet has it: a number beside a word becomes text
        kinds = {type(row[column]) for row in rows if row.get(column) is not None}
        if len(kinds) > 1 and not kinds <= {int, float}:
            table[column] = [None if row.get(column) is None else str(row[column]) for row in rows]
    for ending, write in (("parquet", table.to_parquet), ("csv", lambda path: table.to_csv(path, index=False))):
        part = folder / f"{name}.{ending}.part"
        write(part)
        part.replace(folder / f"{name}.{ending}")
    return folder / f"{name}.csv"
