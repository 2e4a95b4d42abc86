"""The report of a probe, and the numbers in it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from rnnjax.errors import InputError, check, check_choice
from rnnjax.probe.parts import PARTS
from rnnjax.probe.subject import Subject
from rnnjax.report import Section, page, section
from rnnjax.training.run_folder import environment, write_json


def write_probe(
    subject: Subject,
    parts: Sequence[str] | None,
    out: str | os.PathLike,
    *,
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> pathlib.Path:
    """Runs diagnostics and writes report.html, one file with everything in it, numbers.json, and figures/ as SVG.

    Args:
      subject: what is probed.
      parts: names of `PARTS`; `None` is all. Of all, those that the cell has no use for are left out, and the report
        says why; one that was asked for by name and cannot be made is an error.
      out: the folder.
      overwrite: write into a folder that holds something already.
      tell: called with a line for each part.

    Returns:
      The path of the report.

    Raises:
      InputError: an unknown part, one that the cell has no use for, or a folder that holds something.
    """
    from rnnjax.analysis import style

    for part in parts or ():
        check_choice("part", part, PARTS)
    folder = pathlib.Path(out)
    occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    check(overwrite or not occupied, "out", str(folder), "a new or empty folder (or --overwrite)")
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in PARTS if parts is None else dict.fromkeys(parts):
        try:
            made, numbers[name] = PARTS[name](subject)
        except InputError as error:
            if parts is not None:
                raise
            left_out[name] = str(error)
            tell(f"{name}: left out, {error}")
            continue
        sections.append(made)
        tell(f"{name}: {made.text.split(chr(10))[0]}")
    if left_out:
        lines = [f"{name}: {reason}." for name, reason in left_out.items()]
        sections.append(Section("Left out", "\n\n".join(lines)))
    machine = environment()
    versions = ", ".join(f"{name} {machine[name]}" for name in ("rnnjax", "jax", "python"))
    text = page(subject.title, (*subject.details, versions), [section(part, i) for i, part in enumerate(sections)])
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, made in zip(numbers, sections, strict=False):
        for index, (_, figure) in enumerate(made.figures, 1):
            style.save(figure, figures / (f"{name}_{index}.svg" if len(made.figures) > 1 else f"{name}.svg"))
    write_json(folder / "numbers.json", numbers)
    report = folder / "report.html"
    report.write_text(text)
    return report
