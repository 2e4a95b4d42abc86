"""The loss around the parameters, and what in the inputs the outputs come from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.explain import connectivity, saliency
from rnnjax.analysis.hessian import hessian_spectrum
from rnnjax.analysis.landscape import landscape, random_direction
from rnnjax.errors import check
from rnnjax.probe.subject import Subject
from rnnjax.report import Section
from rnnjax.unroll import unroll

_POINTS = 21  # along each direction
_CONNECTED = 60  # steps of the matrix of connectivity


def landscape_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """The loss over a random plane, and the curvature at its centre."""
    from rnnjax.analysis.figures_landscape import landscape_figure

    check(bool(jax.tree.leaves(subject.networks[subject.latest])), "cell", subject.cell, "a cell with parameters")
    keys = jax.random.split(jax.random.key(subject.seed))
    around = np.linspace(-1, 1, _POINTS)
    drawn, numbers, sentences = [], {}, []
    for moment, params in subject.networks.items():
        loss = _loss(subject, moment)
        directions = [random_direction(params, key) for key in keys]
        found = landscape(loss, params, directions, (around, around), batch_size=_POINTS)
        sharpest = float(hessian_spectrum(loss, params, 1, iterations=20).eigenvalues[0])
        norms = np.asarray(found.gradient_norm, float)
        steepest, usual = float(np.nanmax(norms)), float(np.nanmedian(norms))
        numbers[moment] = {
            "top_hessian_eigenvalue": sharpest, "steepest_gradient": steepest, "median_gradient": usual,
        }  # fmt: skip
        ratio = steepest / usual if usual else float("inf")
        sentences.append(
            f"{moment.capitalize()}, the steepest gradient around the parameters is {ratio:.3g} times the median one, "
            f"and the largest curvature at their place {sharpest:.3g}."
        )
        figure = landscape_figure(found, labels=("random direction 1", "random direction 2"))
        drawn.append((f"{moment.capitalize()}: loss and gradient norm over a plane of random directions.", figure))
    text = " ".join(sentences) + (
        "\n\nTwo random directions as large as the parameters, filter by filter: at 1, every weight has moved by about "
        "its own size. The curvature is the eigenvalue of largest magnitude of the Hessian, by the Lanczos method. A "
        "wall, where the gradient is orders of magnitude larger than around it, throws gradient descent far off."
    )
    return Section("Landscape of the loss", text, tuple(drawn)), numbers


def explain_part(subject: Subject) -> tuple[Section, dict[str, Any]]:
    """Which inputs the last output depends on, and which outputs each input reaches."""
    from rnnjax.analysis.figures_explain import connectivity_figure

    steps = min(subject.time, _CONNECTED)
    xs, lengths = subject.rows(1)
    matrices, numbers, sentences = {}, {}, []
    for moment, params in subject.networks.items():
        norms = np.asarray(saliency(subject.cell, params, xs, lengths=lengths).norms, float)[0]
        valid = norms[: int(np.asarray(lengths)[0])] if lengths is not None else norms
        shares = valid / valid.sum() if valid.sum() > 0 else np.full(valid.shape, np.nan)
        late = float(shares[-max(len(valid) // 10, 1) :].sum())
        numbers[moment] = {"saliency": valid.tolist(), "share_of_last_tenth": late}
        sentences.append(
            f"{moment.capitalize()}, {late:.0%} of the last output's sensitivity is to the last tenth of the sequence."
        )
        matrices[moment] = np.asarray(connectivity(subject.cell, params, xs[:, -steps:]), float)[0]
    text = " ".join(sentences) + (
        "\n\nThe sensitivity is the norm of the gradient of the last output's squared norm with respect to each input. "
        f"In the matrix, of the last {steps} steps, a row is an output and a column an input: what stands out far from "
        "the diagonal is remembered for long."
    )
    caption = "How strongly each output depends on each input, in the last steps of the first row."
    return Section("What outputs depend on", text, ((caption, connectivity_figure(matrices)),)), numbers


def _loss(subject: Subject, moment: str):
    """The loss of the cell's parameters, the readout's held."""
    given = subject.losses[moment]

    def loss(params):
        carry, ys = unroll(subject.cell, params, subject.xs, lengths=subject.lengths, hoist=False)
        return jnp.sum(jnp.square(jnp.abs(ys[:, -1]))) / 2 if given is None else given(ys, carry)

    return loss
