"""Time series from CSV files: a column to forecast, others beside it, missing values, splits in the order of time."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import math
import os
from collections.abc import Sequence

import numpy as np

from rnnjax.data.files import Entry, entries, place_of, text_of
from rnnjax.errors import InputError, check, check_choice

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""What a cell without a value says, in small letters."""

SHARES = (0.7, 0.1, 0.2)
"""Of the training, validation and test part, unless told otherwise."""

_TRUTHS = {"true": 1.0, "false": 0.0}


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Values at equal steps of time.

    Attributes:
      values: `[time, columns]` float64, NaN where there is none.
      columns: a name each.
      times: the cells of the column of dates, a row each, "" where a row is not in the file; empty without dates.
    """

    values: np.ndarray
    columns: tuple[str, ...]
    times: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def read_series(
    path: str | os.PathLike,
    columns: Sequence[str],
    *,
    date: str = "",
    where: str = "",
    missing: str = "error",
    argument: str = "data",
) -> Series:
    """Columns of a CSV file with a header, in the order asked for. A file may be compressed (`.gz`).

    A cell is a number, TRUE or FALSE (1 and 0), or one of `MISSING`. Rows are equally far apart in time as they stand;
    a column of dates lets that be checked, and rows that are not there be put in as missing.

    Args:
      path: the file.
      columns: names in the header.
      date: the name of a column of dates (ISO 8601) or numbers that ascend; "" looks at none.
      where: `COLUMN=VALUE` keeps the rows with that cell alone, in a file that holds several series.
      missing: "error", or "mask" to take missing cells and rows as NaN.
      argument: what an error calls the path.

    Raises:
      InputError: no file or an empty one, a column that is not there; and, by file and line, a row with more or fewer
        cells than the header, a cell that is missing or no finite number, dates that do not ascend or leave rows out.
    """
    check_choice("missing", missing, ("error", "mask"))
    check(bool(columns) and all(columns), "column", tuple(columns), "the name of a column in the header")
    found = entries(path, argument)
    check(len(found) == 1, argument, str(path), f"one CSV file; there are {len(found)}")
    table = _Table(found[0])
    rows = table.chosen(where)
    places = [table.place(name) for name in columns]
    values = np.array([[table.number(row, at, missing) for at in places] for row in rows], float)
    if not date:
        return Series(values, tuple(columns))
    cells = [table.rows[row][table.place(date)].strip() for row in rows]
    moments = [_moment(cell, table.where(row)) for row, cell in zip(rows, cells, strict=True)]
    steps = _steps(moments, [table.where(row) for row in rows], missing)
    times = [""] * (steps[-1] + 1)
    spread = np.full((steps[-1] + 1, len(places)), np.nan)
    spread[steps] = values
    for step, cell in zip(steps, cells, strict=True):
        times[step] = cell
    return Series(spread, tuple(columns), tuple(times))


def chronological(count: int, sizes: Sequence[float] = ()) -> dict[str, slice]:
    """The training, validation and test part of a series, one after the other.

    Args:
      count: rows of the series.
      sizes: of the three parts: numbers of rows, or shares that sum to at most 1; () is `SHARES`. Rows left over after
        the third part belong to none.

    Raises:
      InputError: sizes that are not three, are not above zero, or are more than there are rows.
    """
    given = tuple(sizes) or SHARES
    check(len(given) == 3 and all(size > 0 for size in given), "splits", given, "three sizes above zero")
    if max(given) < 1:
        check(sum(given) <= 1 + 1e-9, "splits", given, "shares that sum to at most 1")
        first, second, last = (round(count * sum(given[: part + 1])) for part in range(3))
    else:
        check(all(size == int(size) for size in given), "splits", given, "numbers of rows, or shares below 1")
        first, second, last = (int(sum(given[: part + 1])) for part in range(3))
    check(last <= count, "splits", given, f"at most {count}, the rows of the series")
    check(0 < first < second < last, "splits", given, f"parts of at least a row; the series has {count}")
    return {"train": slice(0, first), "validation": slice(first, second), "test": slice(second, last)}


@dataclasses.dataclass(frozen=True)
class Standardiser:
    """Takes columns to mean 0 and standard deviation 1, by the numbers of the training part.

    Attributes:
      mean: a column each.
      scale: a column each, above zero: the standard deviation, or 1 for a column that does not change.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, values: np.ndarray, argument: str = "data") -> Standardiser:
        """Fitted to `[time, columns]`, which has to be the training part alone; NaN is left out.

        Raises:
          InputError: a column without a value.
        """
        values = np.asarray(values, float)
        there = ~np.isnan(values)
        empty = np.flatnonzero(~there.any(axis=0))
        check(not empty.size, argument, f"column {empty[:1]} without a value", "one at least in the training part")
        scale = np.nanstd(values, axis=0)
        tiny = scale <= 1e-12 * np.abs(np.nanmean(values, axis=0))
        return cls(tuple(np.nanmean(values, axis=0).tolist()), tuple(np.where(tiny, 1.0, scale).tolist()))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """`[..., columns]` of a series as standardised values."""
        return (values - np.array(self.mean)) / np.array(self.scale)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Standardised `[..., columns]` as values of the series."""
        return values * np.array(self.scale) + np.array(self.mean)


class _Table:
    """The cells of a CSV file with a header, and the line that each row ends on."""

    def __init__(self, entry: Entry):
        self.name = entry.name
        text = text_of(entry)
        check(bool(text.strip()), self.name, "an empty file", "a CSV file with a header and rows")
        reader = csv.reader(io.StringIO(text), strict=True)
        self.header: list[str] = []
        self.rows: list[list[str]] = []
        self.lines: list[int] = []
        try:
            for cells in reader:
                if not cells:
                    continue
                if not self.header:
                    self.header = [cell.strip() for cell in cells]
                    continue
                where = place_of(self.name, reader.line_num)
                expected = f"{len(self.header)}, as the header has"
                check(len(cells) == len(self.header), where, f"{len(cells)} cells", expected)
                self.rows.append(cells)
                self.lines.append(reader.line_num)
        except csv.Error as error:
            raise InputError(place_of(self.name, reader.line_num), "a line", f"one of a CSV file ({error})") from None
        check(bool(self.rows), self.name, "no rows", "a CSV file with a header and rows")

    def where(self, row: int) -> str:
        return place_of(self.name, self.lines[row])

    def place(self, column: str) -> int:
        places = [place for place, name in enumerate(self.header) if name == column]
        expected = f"a column of {self.name}: " + ", ".join(self.header)
        check(bool(places), "column", column, expected)
        check(len(places) == 1, "column", column, f"a name that occurs once in the header of {self.name}")
        return places[0]

    def chosen(self, where: str) -> list[int]:
        if not where:
            return list(range(len(self.rows)))
        column, equals, value = where.partition("=")
        check(bool(equals), "where", where, "COLUMN=VALUE")
        place = self.place(column.strip())
        rows = [row for row, cells in enumerate(self.rows) if cells[place].strip() == value.strip()]
        check(bool(rows), "where", where, f"a value that occurs in that column of {self.name}")
        return rows

    def number(self, row: int, place: int, missing: str) -> float:
        cell = self.rows[row][place].strip()
        small = cell.lower()
        if small in MISSING:
            if missing == "mask":
                return math.nan
            expected = f"a number in column {self.header[place]!r}, or the option to mask what is missing"
            raise InputError(self.where(row), cell, expected)
        if small in _TRUTHS:
            return _TRUTHS[small]
        number = _number(cell)
        if number is None or not math.isfinite(number):
            raise InputError(self.where(row), cell, f"a finite number in column {self.header[place]!r}")
        return number


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _moment(cell: str, where: str) -> float:
    """A number, or seconds since 1970."""
    number = _number(cell)
    if number is not None and math.isfinite(number):
        return number
    try:
        moment = datetime.datetime.fromisoformat(cell)
    except ValueError:
        raise InputError(where, cell, "a date such as 2012-01-31 or 2012-01-31T13:30:00Z, or a number") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _steps(moments: Sequence[float], where: Sequence[str], missing: str) -> np.ndarray:
    """The step of each row, from 0. What lies further apart than most rows do has rows missing in between.

    Months and years differ in length, so a step may be an eighth longer or shorter than the most usual one.
    """
    steps = [0]
    apart = np.diff(moments)
    usual = float(np.median(apart)) if len(apart) else 1.0
    for line, gap in zip(where[1:], apart.tolist(), strict=True):
        check(gap > 0, line, "a date that is not after the one before", "rows in the order of time")
        count = max(round(gap / usual), 1)
        equal = abs(gap / usual / count - 1) <= 1 / 8
        check(equal, line, f"{gap / usual:.3g} times the usual step", "rows at equal steps of time")
        expected = "no rows left out, or the option to mask what is missing"
        check(count == 1 or missing == "mask", line, f"{count - 1} missing rows before it", expected)
        steps.append(steps[-1] + count)
    return np.array(steps)
