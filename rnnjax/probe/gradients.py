"""How gradients travel: their norms, which steps the weights learn from, and products of Jacobians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnjax.analysis import gradient_flow, gradient_half_life, jacobian_spectrum
from rnnjax.probe.subject import Subject
from rnnjax.report import Section

_ROWS = 2  # of a spectrum, which takes the cube of the state's size


def flow_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """Norms of dL/dh_t against the lag."""
    from rnnjax.analysis import figures

    flows, numbers, sentences = {}, {}, []
    for moment, params in subject.networks.items():
        found = gradient_flow(subject.cell, params, subject.xs, subject.losses[moment], lengths=subject.lengths)
        flows[moment] = found
        decades, steps = _decades(np.asarray(found.log_norms, float), subject.lengths)
        half_life = float(np.median(np.asarray(gradient_half_life(found).crossing)))
        numbers[moment] = {"decades": decades, "steps": steps, "half_life": half_life}
        sentences.append(f"{moment.capitalize()}, {_fate(decades, steps)}, and {_halving(half_life)}.")
    text = " ".join(sentences) + (
        "\n\nThe norm of the loss's gradient with respect to the state, as it travels back from the end of the "
        "sequence: the median over rows as a line, the central 80 % as a band. A straight line on this axis is "
        "exponential decay or growth."
    )
    caption = "The gradient's norm against the distance from the loss."
    return Section("Gradient flow", text, ((caption, figures.gradient_flow_figure(flows)),)), numbers


def spectrum_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """Singular values of products of step Jacobians against the lag."""
    from rnnjax.analysis import figures

    xs, lengths = subject.rows(_ROWS)
    longest = subject.time - 1 if lengths is None else max(int(np.min(np.asarray(lengths))) - 1, 1)
    lags = sorted({max(1, round(longest ** (i / 9))) for i in range(10)} | {longest})
    spectra, numbers, sentences = {}, {}, []
    for moment, params in subject.networks.items():
        found = jacobian_spectrum(subject.cell, params, xs, lags, lengths=lengths)
        logs = np.asarray(found.log_singular_values, float) / math.log(10)
        largest, smallest = (float(np.median(part[:, -1])) for part in (logs.max(-1), logs.min(-1)))
        spectra[moment] = found
        numbers[moment] = {"lag": lags[-1], "log10_largest": largest, "log10_smallest": smallest}
        sentences.append(
            f"{moment.capitalize()}, over {lags[-1]} steps the direction that is kept best is scaled by "
            f"{_power(largest)}, the one that is kept worst by {_power(smallest)}."
        )
    text = " ".join(sentences) + (
        "\n\nSingular values of the Jacobian of many steps, dh_T / dh_T-k. No gradient, whatever its direction, can be "
        "scaled by more than the largest of them or less than the smallest."
    )
    caption = "Largest, median and smallest singular value against the lag; bands hold 50 % and 90 % of them."
    return Section("Products of Jacobians", text, ((caption, figures.spectrum_figure(spectra)),)), numbers


def _decades(log_norms: np.ndarray, lengths: Any) -> tuple[float, int]:
    """log10 of the norm at the first step over that at the last valid one, the median over rows; and the steps."""
    steps = log_norms.shape[-1] if lengths is None else int(np.median(np.asarray(lengths)))
    ends = np.full(len(log_norms), log_norms.shape[-1]) if lengths is None else np.maximum(np.asarray(lengths), 1)
    last = log_norms[np.arange(len(log_norms)), ends - 1]
    with np.errstate(invalid="ignore"):
        change = (log_norms[:, 0] - last) / math.log(10)
    return float(np.median(change)), steps - 1


def _fate(decades: float, steps: int) -> str:
    if math.isnan(decades):
        return f"the gradient over {steps} steps is not a number"
    if math.isinf(decades):
        return f"nothing of the gradient is left after {steps} steps back"
    if abs(decades) < 0.5:
        return f"the gradient keeps its size over {steps} steps (10^{decades:+.1f})"
    verb = "vanishes: it shrinks" if decades < 0 else "explodes: it grows"
    return f"the gradient {verb} by 10^{abs(decades):.1f} over {steps} steps"


def _halving(half_life: float) -> str:
    if math.isinf(half_life):
        return "it never falls to a half"
    return f"it is halved within {half_life:.1f} steps"


def _power(decades: float) -> str:
    return "exactly 0" if decades == -math.inf else f"10^{decades:.1f}"
