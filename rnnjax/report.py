"""Reports: one HTML file with everything in it, figures as inline SVG. It needs no other file and no network."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --good: #1a7f37; --bad: #b35900; }
body { font: 16px/1.55 "Source Serif 4", Georgia, serif; color: var(--ink); max-width: 60rem; margin: 3rem auto;
  padding: 0 1.25rem; background: #fff; }
h1, h2, th, .badge, figcaption, .meta { font-family: "Inter", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin-top: 2.6rem; }
.meta, figcaption { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: 1rem 0; }
th { text-align: left; font-size: .75rem; color: var(--soft); border-bottom: 2px solid var(--line); }
th { padding: .4rem .6rem; }
td { border-bottom: 1px solid var(--line); padding: .45rem .6rem; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.5rem 0; } figure svg { width: 100%; height: auto; }
.badge { font-size: .78rem; font-weight: 600; white-space: nowrap; }
.held { color: var(--good); } .not { color: var(--bad); }
details pre { font-size: .78rem; overflow-x: auto; background: #f6f8fa; padding: 1rem; }
@media print { body { margin: 0; max-width: none; } figure { break-inside: avoid; } }
"""

TableOfText = tuple[Sequence[str], Sequence[Sequence[str]]]


class Section(NamedTuple):
    """A part of a report: a heading, sentences, and figures or tables.

    Attributes:
      title: the heading.
      text: paragraphs, with empty lines in between.
      figures: pairs of a caption and a matplotlib figure.
      tables: pairs of a header and rows, all text.
      markup: HTML that goes in as it is.
    """

    title: str
    text: str
    figures: tuple[tuple[str, Any], ...] = ()
    tables: tuple[TableOfText, ...] = ()
    markup: str = ""


def page(title: str, meta: Iterable[str], body: Iterable[str]) -> str:
    """A whole file: heading, lines of small print, and parts that are HTML already."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p class='meta'>{'<br>'.join(html.escape(line) for line in meta)}</p>",
        *body,
        "</body></html>",
    ]
    return "\n".join(parts)


def section(part: Section, number: int) -> str:
    """A section as HTML; the number keeps the ids of its figures apart from those of the others."""
    lines = [f"<h2>{html.escape(part.title)}</h2>"]
    lines += [f"<p>{html.escape(paragraph)}</p>" for paragraph in part.text.split("\n\n") if paragraph]
    for header, rows in part.tables:
        cells = ([f"<td class='number'>{html.escape(value)}</td>" for value in row] for row in rows)
        lines.append(table(header, ("".join(row) for row in cells)))
    for index, (caption, figure) in enumerate(part.figures):
        picture = _inline(figure, f"f{number}{index}-")
        lines.append(f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>")
    return "\n".join([*lines, part.markup] if part.markup else lines)


def table(header: Iterable[str], rows: Iterable[str]) -> str:
    """A table from names of columns, and rows of cells that are HTML already."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def folded(title: str, text: str) -> str:
    """Text that is shown when its title is clicked on."""
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"


def _inline(figure: Any, prefix: str) -> str:
    """The figure as an svg element whose ids do not clash with those of the others."""
    from rnnjax.analysis import style

    svg = style.svg(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", svg)
