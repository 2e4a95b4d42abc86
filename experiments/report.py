"""A run's report: one HTML file with everything in it."""

from __future__ import annotations

import html
import re
from typing import Any

from experiments.experiment import Experiment, Section

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


def write_report(
    experiment: Experiment, preset: str, claims, sections, config: str, environment: dict[str, Any]
) -> str:
    """The report as HTML, with figures as inline SVG: it needs no other file and no network."""
    held = sum(claim["held"] for claim in claims)
    versions = ", ".join(f"{name} {environment[name]}" for name in ("rnnjax", "jax", "python"))
    devices = f"{environment['cores']} cores" if environment["backend"] == "cpu" else ", ".join(environment["devices"])
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(experiment.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(experiment.title)}</h1>",
        f"<p class='meta'>{html.escape(experiment.papers)}<br>preset {preset} · {versions} · {devices}</p>",
        f"<p>{html.escape(experiment.description)}</p>",
        f"<h2>Claims: {held} of {len(claims)} held</h2>",
        _claims(claims),
        *(_section(section, number) for number, section in enumerate(sections)),
        f"<h2>Configuration</h2><details><summary>config.json</summary><pre>{html.escape(config)}</pre></details>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _claims(claims) -> str:
    rows = []
    for claim in claims:
        badge = "<span class='badge held'>held</span>" if claim["held"] else "<span class='badge not'>not held</span>"
        source = f"<div class='meta'>{html.escape(claim['source'])}</div>"
        cells = (
            html.escape(claim["claim"]) + source,
            html.escape(claim["published"]),
            html.escape(claim["ours"]),
            badge,
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    header = "".join(f"<th>{name}</th>" for name in ("claim", "published", "ours", ""))
    return f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _section(section: Section, number: int) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.text.split("\n\n") if paragraph]
    for header, rows in section.tables:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = "".join(
            "<tr>" + "".join(f"<td class='number'>{html.escape(value)}</td>" for value in row) + "</tr>" for row in rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    for index, (caption, figure) in enumerate(section.figures):
        picture = _inline(figure, f"f{number}{index}-")
        parts.append(f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>")
    return "\n".join(parts)


def _inline(figure: Any, prefix: str) -> str:
    """The figure as an svg element whose ids do not clash with those of the others."""
    from rnnjax.analysis import style

    svg = style.svg(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", svg)
