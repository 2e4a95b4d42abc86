"""Three bits of memory are eight stable fixed points, and saddles between them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, summarize
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from rnnjax import GRU, LSTM, Cell, Elman, Precision, unroll
from rnnjax.analysis import fixed_points, principal_components, visited_states
from rnnjax.analysis.states import leaves_of
from rnnjax.analysis.trajectory import moved, moving
from rnnjax.tasks import FlipFlop
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      hidden: units of each network.
      length: steps of a training sequence.
      seeds: each network is trained once a seed.
      steps: updates.
      batch_size: sequences an update.
      learning_rate: of Adam at the start; a cosine takes it to zero.
      starts: states that the search for fixed points starts from.
      noise: standard deviation of the noise on them.
      settle: steps without input after which a state that was pushed off a saddle is looked at.
      evaluate_every: updates between evaluations.
      processes: worker processes; `None` means one a core.
    """

    hidden: int = 16
    length: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 2000
    batch_size: int = 128
    learning_rate: float = 1e-2
    starts: int = 2048
    noise: float = 0.5
    settle: int = 1000
    evaluate_every: int = 200
    processes: int | None = None


SILENCE = 4
"""How many times its length a test sequence goes on without pulses, for the state to come to rest."""

PRESETS = {
    "laptop": Config(),
    "paper": Config(seeds=tuple(range(10)), steps=20_000, starts=8192, evaluate_every=1000),
}


def networks(config: Config) -> dict[str, Cell]:
    """The networks that are compared, by name."""
    return {"tanh": Elman(config.hidden), "GRU": GRU(config.hidden), "LSTM": LSTM(config.hidden)}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains each network, finds its fixed points, and follows the states that leave the saddles."""
    optimizer = Optimizer("adam", config.learning_rate, schedule="cosine", clip="norm")
    options: dict[str, Any] = dict(steps=config.steps, batch_size=config.batch_size, stop_when_solved=False)
    arms = [
        Arm(
            name, TrainConfig(FlipFlop(config.length), cell, optimizer, evaluate_every=config.evaluate_every, **options)
        )
        for name, cell in networks(config).items()
    ]
    search = functools.partial(measure, starts=config.starts, noise=config.noise, settle=config.settle)
    found = sweep(arms, config.seeds, folder, config.processes, measure=search)
    summary = {
        "seeds": list(config.seeds),
        "hidden": config.hidden,
        "networks": {
            name: {**summarize(arm), "points": [counts(seed) for seed in arm["measured"]]}
            for name, arm in found.items()
        },
    }
    return Outcome(summary, _sections(summary, found))


def measure(training: TrainConfig, params: Any, *, starts: int, noise: float, settle: int) -> dict[str, Any]:
    """Fixed points of a trained network without input, what it says there, and where it goes from the unstable ones.

    Returns:
      Arrays: "unstable" `[points]`, how many directions grow; "outputs" `[points, bits]`; "ends" `[points, 2, bits]`,
      what the network says `settle` steps after it was pushed off the point, and off it to the other side; "places"
      `[points, 3]` and "paths" `[rows, time, 3]` in the first principal components of h, and their "share" of the
      variance.
    """
    shown = np.asarray(training.sampled_task.evaluation("test", 128).inputs, float)
    cell: Any = dataclasses.replace(training.cell, precision=Precision("float64"))  # pyright: ignore[reportCallIssue]
    with jax.enable_x64(True):  # an LSTM's cell states reach a hundred, where float32 is too coarse for q
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), params)
        own, readout = params["cell"], jax.tree.map(np.asarray, params["readout"])

        def visible(states: Any) -> np.ndarray:
            return np.asarray(states)[..., : len(readout["kernel"])]  # h comes first

        def said(states: Any) -> np.ndarray:
            return visible(states) @ readout["kernel"] + readout["bias"]

        left_alone = np.concatenate([shown, *[np.zeros_like(shown)] * SILENCE], axis=1)
        search: dict[str, Any] = dict(starts=starts, noise=noise, tolerance=1e-20)
        points = fixed_points(cell, own, left_alone, **search)
        push = 1e-3 * np.random.default_rng(0).standard_normal(points.states.shape)
        sides = np.stack([points.states + push, points.states - push], axis=1)
        template = cell.initial_carry(sides.shape[:-1])
        carry = moved(template, leaves_of(jnp.asarray(sides), moving(template)))
        silence = np.zeros((*sides.shape[:-1], settle, shown.shape[-1]))
        final, _ = jax.jit(functools.partial(unroll, cell))(own, silence, carry)
        paths = visible(visited_states(cell, own, shown[:24]))
        space = principal_components(paths, 3)
        return {
            "unstable": np.sum(np.abs(points.eigenvalues) > 1, axis=1),
            "outputs": said(points.states),
            "ends": said(final.h),
            "places": space.project(visible(points.states)),
            "paths": space.project(paths),
            "share": float(space.shares.sum()),
        }


def counts(measured: dict[str, Any]) -> dict[str, Any]:
    """The numbers of one trained network: points by stability, and what they are for."""
    unstable, outputs = np.asarray(measured["unstable"]), np.asarray(measured["outputs"])
    stable = outputs[unstable == 0]
    ends = np.sign(np.asarray(measured["ends"])[unstable == 1])
    apart = np.sum(ends[:, 0] != ends[:, 1], axis=-1)
    return {
        "stable": len(stable),
        "memories": len({tuple(row) for row in np.sign(stable).tolist()}),
        "off_corner": float(np.abs(stable - np.sign(stable)).max()) if len(stable) else None,
        "unstable_directions": {
            str(count): int(np.sum(unstable == count)) for count in sorted({*unstable.tolist()} - {0})
        },
        "saddles": len(ends),
        "between_memories": int(np.sum(apart > 0)),
        "between_neighbours": int(np.sum(apart == 1)),
    }


def _sections(summary: dict[str, Any], found: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis import figures

    first = {name: arm["measured"][0] for name, arm in found.items()}
    steps = {name: curves(arm, "loss") for name, arm in found.items()}
    header = ("network", "seed", "loss", "stable points", "memories", "unstable: 1, 2, 3, more directions grow",
              "saddles between two memories", "of these one bit apart")  # fmt: skip
    shares = ", ".join(f"{name} {one['share']:.0%}" for name, one in first.items())
    rows = []
    for name, row in summary["networks"].items():
        for seed, loss, points in zip(summary["seeds"], row["best"], row["points"], strict=True):
            kinds = points["unstable_directions"]
            more = sum(count for kind, count in kinds.items() if int(kind) > 3)
            unstable = " / ".join(str(count) for count in (*(kinds.get(str(k), 0) for k in (1, 2, 3)), more))
            between = f"{points['between_memories']} of {points['saddles']}"
            numbers = (f"{loss:.1e}", str(points["stable"]), str(points["memories"]), unstable, between)
            rows.append((name, str(seed), *numbers, str(points["between_neighbours"])))
    return (
        Section(
            "Fixed points",
            "The states of trained networks, and the points among them where the state stands still when no pulse "
            "comes. In the published picture eight stable points are the corners of a cube, one for each state of "
            "three bits, and unstable ones lie on its edges, on its faces and in its middle.",
            ((f"Seed {summary['seeds'][0]}, the first three principal components of h ({shares} of its variance). "
              "Grey: test sequences. Lines: where the state goes from a saddle when it is pushed to either side. "
              "Points far beyond the sequences are left out; the table has them.",
              cube_figure(first)),),
            ((header, tuple(rows)),),
        ),
        Section(
            "Learning",
            "Mean squared error on the validation sequences.",
            (("One thin line a seed, the median in bold; the baseline knows the current step alone.",
              figures.learning_curves_figure(
                  {name: values for name, (_, values) in steps.items()}, {name: at for name, (at, _) in steps.items()},
                  "mean squared error, validation", baseline=FlipFlop().baseline, log=True)),),
        ),
    )  # fmt: skip


def cube_figure(panels: dict[str, dict[str, Any]]) -> Any:
    """Fixed points among trajectories in three principal components, a panel a network; from `measure`.

    From each saddle with one growing direction lines lead to the two memories that it lies between. Points far beyond
    the trajectories, where no state comes, are left out.
    """
    from rnnjax.analysis import style

    kinds = (("stable", "o"), ("saddle: 1 direction grows", "o"), ("2 grow", "s"), ("3 or more", "^"))
    with style.applied():
        figure = style.new_figure(height=2.5)
        for place, (name, found) in enumerate(panels.items()):
            axes: Any = figure.add_subplot(1, len(panels), place + 1, projection="3d")
            paths, points = np.asarray(found["paths"]), np.asarray(found["places"])
            for path in paths:
                axes.plot(*path.T, color=style.SOFT, linewidth=0.3, alpha=0.25)
            near = np.linalg.norm(points, axis=-1) <= 1.5 * np.linalg.norm(paths, axis=-1).max()
            points, unstable = points[near], np.minimum(found["unstable"], len(kinds) - 1)[near]
            signs, ends = np.sign(found["outputs"])[near], np.sign(found["ends"])[near]
            for saddle in np.flatnonzero(unstable == 1):
                for end in ends[saddle]:
                    for memory in np.flatnonzero((unstable == 0) & (signs == end).all(-1))[:1]:
                        axes.plot(*points[[saddle, memory]].T, color=style.PALETTE[1], linewidth=0.8, alpha=0.8)
            for count, (label, marker) in enumerate(kinds):
                face = style.PALETTE[0] if count == 0 else "white"
                look: dict[str, Any] = dict(markerfacecolor=face, markeredgewidth=1.0, linestyle="none", zorder=5)
                axes.plot(*points[unstable == count].T, marker, label=label, color=style.PALETTE[count], ms=4.2, **look)
            axes.set_title(name, y=0.99)
            axes.set_axis_off()
            axes.view_init(elev=20, azim=-55)
            axes.set_box_aspect((1, 1, 1), zoom=1.3)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), columnspacing=1.4)
        style.settle(figure)
    return figure


def _points(summary: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    return [points for name in names for points in summary["networks"][name]["points"]]


def _eight(points: dict[str, Any]) -> bool:
    return points["stable"] == 8 and points["memories"] == 8


def _stable(summary: dict[str, Any], name: str) -> str:
    seeds = _points(summary, name)
    listed = ", ".join(f"{points['stable']} ({points['memories']})" for points in seeds)
    return f"{sum(map(_eight, seeds))} of {len(seeds)} seeds; stable points (memories they stand for): {listed}"


def _off(summary: dict[str, Any]) -> float:
    distances = [points["off_corner"] for points in _points(summary, "tanh", "LSTM")]
    return max(float("inf") if distance is None else distance for distance in distances)


def _kinds(summary: dict[str, Any]) -> set[int]:
    return {int(kind) for points in _points(summary, "tanh", "LSTM") for kind in points["unstable_directions"]}


GOLUB = "Golub & Sussillo 2018, doi:10.21105/joss.01003"

CLAIMS = (
    Claim(
        "A trained LSTM of 16 units has eight stable fixed points, each a unique state of the memory.",
        f"{GOLUB}, Figure 2",
        "8 stable fixed points",
        lambda s: _stable(s, "LSTM"),
        lambda s: all(map(_eight, _points(s, "LSTM"))),
        "Points beside the eight, or a state of the memory that is held by slow motion and not by a fixed point.",
    ),
    Claim(
        "So has a trained tanh network of 16 units.",
        f"Sussillo & Barak 2013, doi:10.1162/NECO_a_00409, 3-bit flip-flop, as reported by the example code of {GOLUB}",
        "stable fixed points at the corners of a cube",
        lambda s: _stable(s, "tanh"),
        lambda s: all(map(_eight, _points(s, "tanh"))),
        "Points beside the eight, or a state of the memory that is held by slow motion and not by a fixed point.",
    ),
    Claim(
        "The stable points lie at the corners: what is read out there are the bits.",
        f"Sussillo & Barak 2013, doi:10.1162/NECO_a_00409, as reported by the example code of {GOLUB}",
        "at the corners of a cube",
        lambda s: f"outputs at most {_off(s):.2f} away from -1 and +1 (tanh and LSTM, all seeds)",
        lambda s: _off(s) < 0.2,
        "Training asks for the bits a few steps after a pulse; where the state comes to rest later is not trained.",
    ),
    Claim(
        "The unstable fixed points are saddles on the edges, the faces and in the middle of the cube.",
        f"{GOLUB}, Figure 2 and example code",
        "each unstable fixed point is a saddle",
        lambda s: (
            f"growing directions of unstable points: {', '.join(map(str, sorted(_kinds(s)))) or 'no such points'}"
        ),
        lambda s: all(points["saddles"] > 0 for points in _points(s, "tanh", "LSTM")) and _kinds(s) <= {1, 2, 3},
        "An edge has one growing direction, a face two, the middle three; a point with more lies beside the cube.",
    ),
    Claim(
        "Saddles with one unstable direction lie between memories: to either side the state falls into another one.",
        f"Sussillo & Barak 2013, doi:10.1162/NECO_a_00409; {GOLUB}, Figure 2",
        "unstable modes mediate the transitions between memories",
        lambda s: (
            f"{sum(points['between_memories'] for points in _points(s, 'tanh', 'LSTM'))} of "
            f"{sum(points['saddles'] for points in _points(s, 'tanh', 'LSTM'))} saddles (tanh and LSTM, all seeds)"
        ),
        lambda s: all(
            points["saddles"] > 0 and points["between_memories"] >= 0.9 * points["saddles"]
            for points in _points(s, "tanh", "LSTM")
        ),
        "A saddle both sides of which lead to one memory is no gate between two.",
    ),
)

EXPERIMENT = Experiment(
    name="flip_flop",
    title="Fixed points of a 3-bit memory",
    papers="Sussillo & Barak 2013; Golub & Sussillo 2018",
    description="Networks that hold three bits, opened: eight stable fixed points, and the saddles between them.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="3-bit flip-flop of 64 steps, a pulse with probability 1/2 a line and step; tanh, GRU and LSTM of 16 "
    "units with a linear readout; Adam from 1e-2 to 0 along a cosine, gradient norm clipped at 1, batch 128, a fixed "
    "number of updates. Fixed points without input, from states of test sequences and of the silence after them with "
    "Gaussian noise of 0.5, in float64, by Levenberg-Marquardt down to q = 1e-20; stable where all eigenvalues of the "
    "Jacobian lie inside the unit circle. From each saddle the network is run on, pushed by 1e-3 to one side and to "
    "the other.",
    deviations=(
        "The paper of 2013 trains the readout of a random tanh network in continuous time, with feedback, by FORCE "
        "learning; here all weights are trained by gradient descent, as in the example code of Golub & Sussillo.",
        "That code trains on 512 fixed sequences until the loss is small; here sequences are fresh, for a fixed time.",
        "The text of the 2013 paper was not available: its claims are those that Golub & Sussillo state.",
        "The search starts from states of test sequences, as in that code, and also from the silence after them: an "
        "LSTM comes to rest only after hundreds of steps, far from where pulses let it be.",
        "The search was widened after first results: in float32 from 512 starts, and then from 1024, one of the eight "
        "stable points of some LSTMs was not found. Claims and their bounds stayed.",
        "The GRU is shown and not judged: no source states its points.",
    ),
)
