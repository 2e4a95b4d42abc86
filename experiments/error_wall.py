"""The wall in the error surface of a single recurrent unit, what it is made of, and what clipping does at it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.evidence import wilson
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.parts.single_unit import Unit
from rnnjax.analysis import Landscape, landscape_figure, style, surface_figure
from rnnjax.training.run_folder import RunFolder

POLICIES = {"plain": math.inf, "clipped": 1.0}
"""The largest norm of a gradient that is followed as it is: the paper's threshold is 1."""


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      steps: T, at whose end the error is taken.
      start: x_0.
      target: of s(x_T).
      weights: the range of w on the map.
      biases: the range of b.
      points: of the map along w and b.
      followed: values of w at which the wall is followed through time.
      starts: points beside the wall from which gradients are followed downhill, for each seed.
      started: the range of w from which they are drawn, and the largest distance from the wall in b.
      learning_rate: of plain gradient descent.
      updates: of each descent.
      solved: the error below which a descent has arrived.
      seeds: draws of the starts.
      processes: not used: it is a matter of seconds.
    """

    steps: int = 50
    start: float = 0.5
    target: float = 0.7
    weights: tuple[float, float] = (0.0, 8.0)
    biases: tuple[float, float] = (-5.0, 0.0)
    points: tuple[int, int] = (161, 101)
    followed: tuple[float, ...] = (4.5, 5.0, 5.5, 6.0)
    starts: int = 100
    started: tuple[float, float, float] = (4.3, 6.0, 0.1)
    learning_rate: float = 0.01
    updates: int = 5000
    solved: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2)
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(points=(641, 401), updates=50_000, seeds=(0, 1, 2, 3, 4)),
}


def unit(config: Config) -> Unit:
    """The unit that is looked at."""
    return Unit(config.steps, config.start, config.target)


def run(config: Config, folder: RunFolder) -> Outcome:
    """Maps the surface, follows the wall through time, and goes downhill from beside it, in float64."""
    one = unit(config)
    ends = zip((config.weights, config.biases), config.points, strict=True)
    with jax.enable_x64(True):
        surface = one.map(*(np.linspace(*range_, count) for range_, count in ends))
        print(f"map: {surface.loss.size:,} points", flush=True)
        wall = {f"{weight:g}": one.along_the_wall(weight) for weight in config.followed}
        print(f"wall: {len(wall)} places", flush=True)
        starts, descents = places(config), {}
        for policy, bound in POLICIES.items():
            descents[policy] = one.descended(starts, config.learning_rate, config.updates, bound)
            print(f"{policy}: {starts[..., 0].size} descents", flush=True)
    summary = summarize(config, surface, wall, descents)
    for policy, row in summary["descents"].items():
        folder.append({"policy": policy, **row})
    return Outcome(summary, _sections(config, surface, wall, descents, summary))


def places(config: Config) -> np.ndarray:
    """Where descents start, `[seeds, starts, 2]`: beside the wall, on either side."""
    low, high, off = config.started
    drawn = []
    for seed in config.seeds:
        rng = np.random.default_rng(seed)
        weights = rng.uniform(low, high, config.starts)
        biases = unit(config).foot(weights) + rng.uniform(-off, off, config.starts)
        drawn.append(np.stack([weights, biases], axis=-1))
    return np.stack(drawn)


def summarize(config: Config, surface: Landscape, wall: dict, descents: dict) -> dict[str, Any]:
    """The numbers that claims and tables are made from."""
    norms, curvature = np.asarray(surface.gradient_norm), np.abs(np.asarray(surface.curvature))
    steepest = np.unravel_index(np.argmax(norms), norms.shape)
    weights, biases = surface.coordinates
    ten = np.unravel_index(np.argsort(norms.ravel())[-10:], norms.shape)
    along = {
        weight: {
            "slope": unit(config).slope(float(weight)),
            "error": float(np.max(np.abs(row["gradient"] / unit(config).closed_form(float(weight)) - 1))),
            "gradient": [float(row["gradient"][step - 1]) for step in _ends(config)],
            "curvature": [float(row["curvature"][step - 1]) for step in _ends(config)],
            "cosine": float(row["cosine"][-1]),
        }
        for weight, row in wall.items()
    }
    rows = {}
    for policy, found in descents.items():
        arrived = [int(np.sum(last < config.solved)) for last in found["errors"]]
        rows[policy] = {
            "arrived": arrived,
            "of": config.starts,
            "wilson": [list(wilson(count, config.starts)) for count in arrived],
            "longest_step": float(np.max(found["longest"])),
            "median_longest_step": float(np.median(found["longest"])),
            "median_error": float(np.median(found["errors"])),
        }
    return {
        "seeds": list(config.seeds),
        "steps": config.steps,
        "ends": list(_ends(config)),
        "map": {
            "median": float(np.median(norms)),
            "percentile_99": float(np.quantile(norms, 0.99)),
            "largest": float(norms.max()),
            "at": [float(weights[steepest[0]]), float(biases[steepest[1]])],
            "distance_of_steepest": float(np.max(np.abs(biases[ten[1]] - unit(config).foot(weights[ten[0]])))),
            "spacing": float(biases[1] - biases[0]),
            "median_curvature": float(np.nanmedian(curvature)),
            "largest_curvature": float(np.nanmax(curvature)),
        },
        "wall": along,
        "descents": rows,
        "solved": config.solved,
        "learning_rate": config.learning_rate,
    }


def _ends(config: Config) -> tuple[int, int]:
    """The steps between which growth is measured: from a fifth of them on."""
    return max(config.steps // 5, 1), config.steps


def _sections(config: Config, surface: Landscape, wall, descents, summary) -> tuple[Section, ...]:
    labels = ("weight w", "bias b")
    shown = {policy: found["way"] for policy, found in descents.items()}
    along = summary["wall"]
    first, last = summary["ends"]
    header = ("w", "slope of a step", f"gradient, t = {first}", f"t = {last}", f"curvature, t = {first}", f"t = {last}",
              "cosine", "largest error against the closed form")  # fmt: skip
    rows = tuple(
        (weight, f"{row['slope']:.3f}", *(f"{value:.3g}" for value in (*row["gradient"], *row["curvature"])),
         f"{row['cosine']:.6f}", f"{row['error']:.1e}")
        for weight, row in along.items()
    )  # fmt: skip
    reached = tuple(
        (policy, " / ".join(f"{count} of {row['of']}" for count in row["arrived"]), f"{row['median_error']:.2g}",
         f"{row['median_longest_step']:.2g}", f"{row['longest_step']:.2g}")
        for policy, row in summary["descents"].items()
    )  # fmt: skip
    return (
        Section(
            "The error surface",
            f"The error (s(x_{config.steps}) - {config.target:g})^2 of one unit, x' = w s(x) + b from x_0 = "
            f"{config.start:g}. The wall stands where x_0 is an unstable fixed point, on the line b = x_0 - w s(x_0): "
            "on one side of it the state settles high, on the other low, and the error jumps from one to the other. "
            "The larger w, the thinner the wall: between two points of the map its slope does not show in the colours.",
            (
                ("The surface, coloured by the norm of the gradient.",
                 surface_figure(surface, labels=labels, log=False, azimuth=30)),
                ("Maps of the error, of the norm of its gradient, and of its curvature along the gradient.",
                 landscape_figure(surface, labels=labels)),
            ),
        ),
        Section(
            "Along the wall",
            "At the foot of the wall, where the state stays at x_0, the derivatives of the error after t steps, for "
            "several w. The gradient grows as the slope of a step to the power of t, a geometric sum that is known in "
            "closed form; the curvature grows with its square.",
            (("Norm of the gradient, and largest curvature, after each step.", growth_figure(wall)),),
            ((header, rows),),
        ),
        Section(
            "Downhill from beside the wall",
            f"Gradient descent with rate {config.learning_rate:g} from {config.starts} places for each seed, at most "
            f"{config.started[2]:g} from the wall, {config.updates:,} updates, with gradients as they are and with "
            "gradients rescaled to norm 1 where theirs is larger. The map shows the first start of the first seed.",
            (("The two ways from one start; each ends in a dot, or leaves the map.",
              landscape_figure(surface._replace(curvature=None), labels=labels, paths=shown)),),
            ((("gradients", f"error below {config.solved:g}, by seed", "median error", "median of the longest step",
               "longest step"), reached),),
        ),
    )  # fmt: skip


def growth_figure(wall: dict[str, dict[str, np.ndarray]]) -> Any:
    """Gradient and curvature against the number of steps, on logarithmic axes side by side."""
    with style.applied():
        figure = style.new_figure(height=2.7)
        panels = figure.subplots(1, 2, sharex=True)
        strokes = style.strokes(wall)
        for axes, name in zip(panels, ("gradient", "curvature"), strict=True):
            for weight, row in wall.items():
                steps = np.arange(1, len(row[name]) + 1)
                look: dict[str, Any] = dict(color=strokes[weight].color, linestyle=strokes[weight].linestyle)
                axes.plot(steps, row[name], label=f"w = {weight}", **look)
            axes.set_yscale("log")
            axes.set_xlabel("steps t")
            axes.set_title("norm of the gradient" if name == "gradient" else "largest curvature")
        panels[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _grown(row: dict[str, Any]) -> tuple[float, float]:
    """By which factors gradient and curvature have grown."""
    return row["gradient"][1] / row["gradient"][0], row["curvature"][1] / row["curvature"][0]


def _apart(summary: dict[str, Any]) -> bool:
    """Whether in each seed more descents arrive with clipping, with intervals that do not overlap."""
    plain, clipped = (summary["descents"][policy]["wilson"] for policy in POLICIES)
    return all(high < low for (_, high), (low, _) in zip(plain, clipped, strict=True))


_PAPER = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063"

CLAIMS = (
    Claim(
        "The error surface of a single recurrent unit has walls.",
        f"{_PAPER}, section 2.3 and Fig. 6 (drawn, without numbers)",
        "high curvature walls",
        lambda s: (
            f"on the map the norm of the gradient is {s['map']['median']:.3f} in the median, "
            f"{s['map']['percentile_99']:.2f} at 99 % and {s['map']['largest']:.1f} at most, at w = "
            f"{s['map']['at'][0]:g}, b = {s['map']['at'][1]:g}"
        ),
        lambda s: s["map"]["largest"] > 100 * s["map"]["median"],
    ),
    Claim(
        "The wall is a curve: what is steepest lies along one line.",
        f"{_PAPER}, section 2.3 and Fig. 6; sections 2.2 and 2.3 place it at the boundary of basins of attraction",
        "a steep wall perpendicular to v",
        lambda s: (
            f"the ten steepest points of the map are within {s['map']['distance_of_steepest']:.3f} in b of the line on "
            f"which x_0 is a fixed point, {s['map']['spacing']:.3f} being the map's spacing"
        ),
        lambda s: s["map"]["distance_of_steepest"] < 2 * s["map"]["spacing"],
    ),
    Claim(
        "When gradients explode so does the curvature.",
        f"{_PAPER}, section 2.3 (a hypothesis there, with the linear case as proof)",
        "when gradients explode so does the curvature along v",
        lambda s: (
            f"from step {s['ends'][0]} to {s['ends'][1]} "
            + "; ".join(
                "w = {}: gradient times {:.2g}, curvature times {:.2g}".format(weight, *_grown(row))
                for weight, row in s["wall"].items()
            )
        ),
        lambda s: all(_grown(row)[0] > 10 and _grown(row)[1] >= _grown(row)[0] for row in s["wall"].values()),
    ),
    Claim(
        "At the wall the gradient and the leading direction of the curvature are the same.",
        f"{_PAPER}, section 2.3 (assumed there)",
        "if both are aligned, the error surface has a steep wall",
        lambda s: (
            f"cosine after {s['steps']} steps: "
            + ", ".join(f"{row['cosine']:.4f} at w = {weight}" for weight, row in s["wall"].items())
        ),
        lambda s: all(row["cosine"] > 0.99 for row in s["wall"].values()),
    ),
    Claim(
        "At the wall a rescaled gradient stays where descent can go on, and a regular step leads far away.",
        f"{_PAPER}, section 2.3 and the dashed arrows of Fig. 6 (threshold 1 and rate 0.01 are those of section 4)",
        "a regular gradient step would bring us very far, thus slowing or preventing further training",
        lambda s: "; ".join(
            f"{policy}: {' / '.join(map(str, row['arrived']))} of {row['of']} get below an error of {s['solved']:g}, "
            f"median of the longest step {row['median_longest_step']:.2g}"
            for policy, row in s["descents"].items()
        ),
        _apart,
    ),
)

EXPERIMENT = Experiment(
    name="error_wall",
    title="The wall in the error surface",
    papers="Pascanu, Mikolov & Bengio 2013",
    description="The error surface of one recurrent unit, its wall in closed form, and gradient descent beside it.",
    protocol="One sigmoid unit without inputs, x' = w s(x) + b from x_0 = 0.5, run for 50 steps; the error is "
    "(s(x_50) - 0.7)^2 as in Fig. 6. It is mapped over w and b with gradient and curvature; gradient and Hessian are "
    "followed through time on the line on which x_0 is a fixed point; and gradient descent is run from random places "
    "beside that line, with and without rescaling gradients above norm 1. Float64 throughout; seeds draw the places.",
    deviations=(
        "The paper gives no ranges for w and b; the map holds the wall from its beginning, at w = 4.26, on.",
        "The trajectories of Fig. 6 are a drawing; the descents, their rate, starts and number are this library's.",
        "That the wall lies on the line of an unstable fixed point, and its closed form, are not in the paper.",
    ),
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
)
