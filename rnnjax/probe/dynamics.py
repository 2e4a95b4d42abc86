"""What the network does as a dynamical system: exponents, gates, memory, fixed points."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from rnnjax.analysis import (
    fixed_points,
    gate_statistics,
    kaplan_yorke_dimension,
    lyapunov_spectrum,
    memory_capacity,
    visited_states,
)
from rnnjax.errors import check
from rnnjax.probe.subject import Subject
from rnnjax.report import Section

_ROWS = 2
_EXPONENTS = 64  # of the largest states the first so many
_MEMORY_STEPS = 2000


def lyapunov_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """Lyapunov exponents along the run."""
    from rnnjax.analysis import figures_dynamics

    xs, lengths = subject.rows(_ROWS)
    size = jax.eval_shape(
        lambda params: visited_states(subject.cell, params, xs), subject.networks[subject.latest]
    ).shape[-1]
    count = min(size, _EXPONENTS)
    burn_in = subject.time // 5 if lengths is None else 0
    spectra, numbers, sentences = {}, {}, []
    for moment, params in subject.networks.items():
        found = lyapunov_spectrum(subject.cell, params, xs, count, burn_in=burn_in, lengths=lengths)
        exponents = np.asarray(found.exponents, float)
        middle = np.median(exponents, axis=0)
        spectra[moment] = found
        numbers[moment] = {
            "exponents": middle.tolist(),
            "positive": int((middle > 0).sum()),
            "kaplan_yorke_dimension": float(np.asarray(kaplan_yorke_dimension(middle))) if count == size else None,
        }
        error = float(np.median(np.asarray(found.standard_errors, float)[:, 0]))
        numbers[moment]["standard_error_of_the_largest"] = error
        sentences.append(f"{moment.capitalize()}, {_stability(float(middle[0]), error)}.")
    text = " ".join(sentences) + (
        "\n\nThe rates, in nats a step, at which small perturbations of the state grow (above zero) or die out (below) "
        f"while the inputs drive it; {'all' if count == size else f'the first {count} of'} {size}, the median of "
        f"{len(xs)} rows and their range."
    )
    caption = "Lyapunov exponents in descending order."
    return Section("Lyapunov exponents", text, ((caption, figures_dynamics.lyapunov_figure(spectra)),)), numbers


def gates_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """How open gates are, and for how long they keep."""
    from rnnjax.analysis import figures_dynamics

    check(bool(subject.cell.gates), "cell", subject.cell, "a cell with gates")
    drawn, numbers, rows = [], {}, []
    for moment, params in subject.networks.items():
        found = gate_statistics(subject.cell, params, subject.xs, lengths=subject.lengths)
        numbers[moment] = {}
        for gate, of in found.items():
            mean, left, right = (float(np.nanmean(np.asarray(part))) for part in (of.mean, of.left, of.right))
            kept = None if of.forget_time is None else float(np.nanmedian(np.asarray(of.forget_time)))
            numbers[moment][gate] = {"mean": mean, "shut": left, "open": right, "forget_time": kept}
            time = "-" if kept is None else f"{kept:.1f}"
            rows.append((moment, gate.replace("_", " "), f"{mean:.2f}", f"{left:.0%}", f"{right:.0%}", time))
        figure = figures_dynamics.saturation_figure(found)
        drawn.append((f"{moment.capitalize()}: share of steps in which each unit is open, and shut.", figure))
    last = numbers[subject.latest]
    held = {gate: of["forget_time"] for gate, of in last.items() if of["forget_time"] is not None}
    kept = "; ".join(
        f"the {gate.replace('_', ' ')} gate keeps the state for {time:.1f} steps" for gate, time in held.items()
    )
    busiest = max(last, key=lambda gate: last[gate]["shut"] + last[gate]["open"])
    share = last[busiest]["shut"] + last[busiest]["open"]
    saturated = f"the {busiest.replace('_', ' ')} gate is saturated most, in {share:.0%} of the steps"
    text = f"{subject.latest.capitalize()}, {'; '.join(filter(None, (kept, saturated)))}.\n\n" + (
        "A gate is shut below 0.1 and open above 0.9 (a candidate below -0.8 and above 0.8). The time for which a gate "
        "keeps the state is 1 / (1 - f) of its mean activation f, the median over units."
    )
    header = ("network", "gate", "mean", "shut", "open", "steps kept")
    return Section("Gates", text, tuple(drawn), ((header, tuple(rows)),)), numbers


def memory_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """What a linear readout finds of past inputs in the state."""
    from rnnjax.analysis import figures_dynamics

    check(subject.cell.spatial_axes == 0, "cell", subject.cell, "a cell without spatial axes")
    lag = min(50, subject.time)
    noise = jax.random.normal(jax.random.key(subject.seed), (2, _MEMORY_STEPS, subject.in_features))
    found, numbers, sentences = {}, {}, []
    for moment, params in subject.networks.items():
        capacity = memory_capacity(subject.cell, params, noise, lag)
        r_squared = np.asarray(capacity.r_squared, float).mean(-1)
        half = next((int(k) for k in capacity.lags if r_squared[k] < 0.5), None)
        found[moment] = capacity
        numbers[moment] = {"capacity": float(capacity.capacity), "lag_below_half": half}
        reach = f"beyond {lag} steps" if half is None else f"up to {half - 1} steps" if half else "not even now"
        sentences.append(
            f"{moment.capitalize()}, a linear readout finds more than half of the variance of past inputs {reach}; the "
            f"total capacity is {float(capacity.capacity):.1f}."
        )
    text = " ".join(sentences) + (
        f"\n\nR^2 of ridge regression from the state to the input k steps before, on {_MEMORY_STEPS} steps of Gaussian "
        "noise, of which the second half is held out. The capacity is its sum over lags and inputs."
    )
    caption = "What the state holds of each past input."
    return Section("Memory", text, ((caption, figures_dynamics.memory_figure(found)),)), numbers


def fixed_points_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """Where the state stands still under a constant input."""
    from rnnjax.analysis import figures_dynamics

    xs, lengths = subject.xs, subject.lengths
    drawn, numbers, sentences = [], {}, []
    for moment, params in subject.networks.items():
        points = fixed_points(subject.cell, params, xs, starts=64, tolerance=1e-8, lengths=lengths)
        stable, count = int(points.stable.sum()), len(points.stable)
        numbers[moment] = {"points": count, "stable": stable, "speeds": points.speeds.tolist()}
        sentences.append(f"{moment.capitalize()}, {_points(count, stable)}.")
        if count:
            states = np.asarray(visited_states(subject.cell, params, xs, lengths=lengths))
            figure = figures_dynamics.fixed_points_figure(points, states)
            drawn.append((f"{moment.capitalize()}: states on their way, and where they would stand still.", figure))
    text = " ".join(sentences) + (
        "\n\nFixed points of the step under zero input, searched from 64 states that the network visits, in the plane "
        "of their first principal components."
    )
    return Section("Fixed points", text, tuple(drawn)), numbers


def _stability(largest: float, error: float) -> str:
    """What the largest exponent says, with its standard error, which is NaN for a short run."""
    if math.isnan(largest):
        return "the exponents are not numbers"
    margin = 0.0 if math.isnan(error) else 2 * error
    known = f"{largest:+.3f}" + ("" if math.isnan(error) else f" with a standard error of {error:.3f}")
    if largest > margin:
        return f"perturbations grow: the largest exponent is {known}"
    if largest < -margin:
        return f"perturbations die out: the largest exponent is {known}"
    return f"perturbations neither grow nor die out for certain: the largest exponent is {known}"


def _points(count: int, stable: int) -> str:
    if not count:
        return "no fixed point was found"
    noun = "fixed point" if count == 1 else "fixed points"
    return f"{count} {noun} found, {stable} of them stable"
