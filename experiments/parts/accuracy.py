"""Accuracy on images nobody trained on: measured, and drawn beside what papers print."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rnnjax.analysis import style
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import misclassified
from rnnjax.training import Config as TrainConfig
from rnnjax.training.state import make_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Panel = tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]

_ROWS = 500  # at once: the states of ten thousand rows of 784 steps would take gigabytes


def held_out_accuracy(training: TrainConfig, params: Any) -> float:
    """The share of the test split that a trained network names right: what `sweep` can measure."""
    batch = training.sampled_task.evaluation("test")
    count = _counter(training.dynamics)
    parts = range(0, len(batch.targets), _ROWS)
    right = sum(float(count(params, jax.tree.map(lambda leaf, at=at: leaf[at : at + _ROWS], batch))) for at in parts)
    return right / len(batch.targets)


@functools.lru_cache(maxsize=8)
def _counter(training: TrainConfig) -> Callable[[Any, Batch], jax.Array]:
    model = make_model(training)

    def count(params, batch):
        outcome: Any = model.apply({"params": params}, batch.inputs)
        return jnp.sum(1 - misclassified(outcome[1], batch.targets))

    return jax.jit(count)


def accuracy_figure(panels: Mapping[str, Panel], chance: float) -> Figure:
    """Test accuracy of networks, one panel a task, on a common axis.

    Args:
      panels: by title, `(ours, published)`: for each network the accuracies of its seeds, shares of one, and published
        figures for comparison (none is fine).
      chance: drawn as a dashed line.
    """
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(name for ours, _ in panels.values() for name in ours))
    with style.applied():
        figure = style.new_figure(height=1.1 + 0.26 * len(names))
        grid = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
        strokes = style.strokes(names)
        for axes, (title, (ours, published)) in zip(grid, panels.items(), strict=True):
            for place, name in enumerate(names):
                values = [100 * value for value in ours.get(name, ())]
                printed = [100 * value for value in published.get(name, ())]
                axes.plot(printed, [place] * len(printed), "|", color=style.SOFT, markersize=9, mew=1.1, zorder=2)
                axes.plot(
                    values, [place] * len(values), "o", color=strokes[name].color, markersize=4.2, mew=0, alpha=0.8
                )
            axes.axvline(100 * chance, color=style.INK, linestyle=(0, (3, 2)), linewidth=0.9)
            axes.set_title(title)
            axes.grid(axis="x")
            axes.set_xlim(0, 102)
            axes.set_xlabel("test accuracy, %")
        grid[0].set_yticks(range(len(names)), names)
        grid[0].set_ylim(len(names) - 0.5, -0.5)
        handles = [
            Line2D([], [], linestyle="", marker="o", color=style.SOFT, markersize=4.2, mew=0, label="a seed"),
            Line2D([], [], color=style.INK, linestyle=(0, (3, 2)), linewidth=0.9, label="chance"),
        ]
        if any(any(values) for _, published in panels.values() for values in published.values()):
            mark = Line2D(
                [], [], linestyle="", marker="|", color=style.SOFT, markersize=9, label="published, 784 pixels"
            )
            handles.insert(1, mark)
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
        style.settle(figure)
    return figure
