"""The file of a benchmark: everything that was measured, written anew after each row."""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

from rnnjax.errors import InputError, check
from rnnjax.training.run_folder import write_json

FORMAT = 1

Row = dict[str, Any]
Document = dict[str, Any]


def new_document(
    *,
    machine: dict[str, Any],
    versions: dict[str, str],
    threads: dict[str, str],
    missing: dict[str, str],
    settings: dict[str, Any],
) -> Document:
    """A document without rows.

    Args:
      machine: where it is run.
      versions: of what takes part.
      threads: how many each library uses.
      missing: contestants and sections that are left out, with the reason.
      settings: rounds and seconds of a race, and whether it is the quick run.
    """
    return {
        "format": FORMAT,
        "started": now(),
        "finished": None,
        "machine": machine,
        "versions": versions,
        "threads": threads,
        "missing": missing,
        "settings": settings,
        "rows": [],
    }


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def read(path: pathlib.Path, argument: str) -> Document:
    """The document in a file.

    Raises:
      InputError: no file, or none that a benchmark has written.
    """
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise InputError(argument, str(path), f"a file that can be read ({error.strerror})") from None
    except ValueError:
        raise InputError(argument, str(path), "a file of JSON") from None
    check(
        isinstance(document, dict) and document.get("format") == FORMAT,
        argument,
        str(path),
        f"a file that `python -m benchmarks --json` has written, of format {FORMAT}",
    )
    return document


def write(document: Document, path: pathlib.Path, argument: str) -> None:
    """Writes a document, so that a reader never sees half of it.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        write_json(path, document)
    except OSError as error:
        raise InputError(argument, str(path), f"a file that can be written ({error.strerror})") from None


def resumed(document: Document, earlier: Document) -> Document:
    """The document with the rows of an earlier run, which has to be one of the same machine, versions and settings.

    Raises:
      InputError: it is not.
    """
    for part in ("machine", "versions", "settings"):
        ours, theirs = document[part], earlier[part]
        changed = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        expected = "a file of the same machine, versions and settings"
        check(not changed, "--json", f"{part} with other {', '.join(changed)}", expected)
    return {**document, "started": earlier["started"], "rows": earlier["rows"]}


def measured(document: Document, key: dict[str, str], contestants: list[str]) -> bool:
    """Whether there is a row for this race, with all of these contestants, of which none has failed."""
    for row in document["rows"]:
        if all(row[name] == value for name, value in key.items()):
            failed = any("failed" in each for each in row["contestants"].values())
            return set(contestants) <= set(row["contestants"]) and not failed
    return False


def with_row(document: Document, row: Row, key: dict[str, str]) -> Document:
    """The document with a row, in the place of an earlier one for the same race."""
    others = [each for each in document["rows"] if any(each[name] != value for name, value in key.items())]
    return {**document, "rows": [*others, row]}
