"""The report of an experiment: claims, sections, configuration."""

from __future__ import annotations

import html
from typing import Any

from experiments.harness.experiment import Experiment
from rnnjax.report import folded, page, section, table


def write_report(
    experiment: Experiment, preset: str, claims, sections, config: str, environment: dict[str, Any]
) -> str:
    """The report as HTML, with figures as inline SVG: it needs no other file and no network."""
    held = sum(claim["held"] for claim in claims)
    versions = ", ".join(f"{name} {environment[name]}" for name in ("rnnjax", "jax", "python"))
    devices = f"{environment['cores']} cores" if environment["backend"] == "cpu" else ", ".join(environment["devices"])
    body = [
        f"<p>{html.escape(experiment.description)}</p>",
        *_terms(experiment),
        f"<h2>Claims: {held} of {len(claims)} held</h2>",
        table(("claim", "published", "ours", ""), (_claim(claim) for claim in claims)),
        *(section(part, number) for number, part in enumerate(sections)),
        f"<h2>Configuration</h2>{folded('config.json', config)}",
    ]
    return page(experiment.title, (experiment.papers, f"preset {preset} · {versions} · {devices}"), body)


def _terms(experiment: Experiment) -> list[str]:
    """The protocol, and what differs from the papers."""
    parts = [f"<p><b>Protocol.</b> {html.escape(experiment.protocol)}</p>"] if experiment.protocol else []
    if experiment.deviations:
        listed = "".join(f"<li>{html.escape(deviation)}</li>" for deviation in experiment.deviations)
        parts.append(f"<details><summary>Deviations from the papers</summary><ul>{listed}</ul></details>")
    return parts


def _claim(claim: dict[str, Any]) -> str:
    """A claim as cells of a row."""
    badge = "<span class='badge held'>held</span>" if claim["held"] else "<span class='badge not'>not held</span>"
    source = f"<div class='meta'>{html.escape(claim['source'])}</div>"
    remark = f"<div class='meta'>{html.escape(claim['remark'])}</div>" if claim.get("remark") else ""
    statement, published, ours = (html.escape(claim[name]) for name in ("claim", "published", "ours"))
    return "".join(f"<td>{cell}</td>" for cell in (statement + source, published, ours + remark, badge))
