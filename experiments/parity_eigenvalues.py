"""Parity: what non-linear networks track, and linear recurrences only where an eigenvalue may be negative."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, results_table, summarize
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from rnnjax import GRU, LSTM, MLSTM, SLSTM, Cell, DeltaNet, Elman, Mamba, MinGRU, unroll
from rnnjax.tasks import ModularSum
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      hidden: width of the networks whose state is a number or a few a unit.
      matrices: width of DeltaNet and mLSTM, whose states are a matrix for each of four heads.
      length: the longest row in training.
      longest: the longest row in tests.
      seeds: each network is trained once a seed.
      batch_size: rows an update.
      learning_rate: of Adam.
      steps: updates.
      mamba_batch_size: rows an update of either Mamba.
      mamba_learning_rate: of Adam for either Mamba.
      mamba_steps: updates of either Mamba.
      evaluate_every: updates between evaluations.
      test_rows: rows of the test.
      processes: worker processes; `None` means one a core.
    """

    hidden: int = 64
    matrices: int = 16
    length: int = 40
    longest: int = 256
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 64
    learning_rate: float = 3e-3
    steps: int = 4000
    mamba_batch_size: int = 256
    mamba_learning_rate: float = 1e-3
    mamba_steps: int = 1600
    evaluate_every: int = 200
    test_rows: int = 500
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(hidden=16, batch_size=256, learning_rate=1e-3, steps=20_000, mamba_steps=20_000, test_rows=8192),
}

NONLINEAR = ("tanh", "LSTM", "GRU", "sLSTM")
POSITIVE = ("Mamba", "DeltaNet", "mLSTM", "minGRU")
TURNING = ("Mamba, to -1", "DeltaNet, to -1")


def networks(config: Config) -> dict[str, Cell]:
    """The networks that are compared, by name: one layer each."""
    hidden = config.hidden
    mamba = Mamba(hidden, state_features=4, rank=16, dt_min=0.01, dt_max=1.0)
    delta_net = DeltaNet(config.matrices, heads=4)
    return {
        "tanh": Elman(hidden),
        "LSTM": LSTM(hidden),
        "GRU": GRU(hidden),
        "sLSTM": SLSTM(hidden),
        "Mamba": mamba,
        "DeltaNet": delta_net,
        "mLSTM": MLSTM(config.matrices, heads=4),
        "minGRU": MinGRU(hidden),
        "Mamba, to -1": dataclasses.replace(mamba, negative_eigenvalues=True),
        "DeltaNet, to -1": dataclasses.replace(delta_net, negative_eigenvalues=True),
    }


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains every network on short rows and reads it at each step of longer ones."""
    arms = []
    for name, cell in networks(config).items():
        small = config.learning_rate, config.steps, config.batch_size
        large = config.mamba_learning_rate, config.mamba_steps, config.mamba_batch_size
        rate, steps, batch_size = large if isinstance(cell, Mamba) else small
        training = TrainConfig(
            ModularSum(config.length),
            cell,
            Optimizer("adam", rate, clip="norm"),
            steps=steps,
            batch_size=batch_size,
            evaluate_every=config.evaluate_every,
            stop_when_solved=False,
        )
        arms.append(Arm(name, training))
    test = functools.partial(measure, longest=config.longest, rows=config.test_rows)
    found = sweep(arms, config.seeds, folder, config.processes, measure=test)
    longer = slice(config.length - 1, None)
    rows = {
        name: {
            **summarize(arm),
            "shorter": [float(np.mean(seed[: config.length])) for seed in arm["measured"]],
            "longer": [float(np.mean(seed[longer])) for seed in arm["measured"]],
        }
        for name, arm in found.items()
    }
    summary = {"seeds": list(config.seeds), "length": config.length, "longest": config.longest, "runs": rows}
    return Outcome(summary, _sections(config, found, summary))


def measure(training: TrainConfig, params: Any, *, longest: int, rows: int) -> np.ndarray:
    """The share of rows whose parity a trained network names right, for each length from 1 on: `[longest]`.

    One batch of the longest rows says it all: what is read out after t steps answers for their first t digits.
    """
    task = ModularSum(longest, shortest=longest)
    inputs = task.evaluation("test", rows).inputs
    sums = np.cumsum(np.argmax(inputs, -1), axis=1) % task.modulus

    @jax.jit
    def right(params, inputs, sums):
        _, outputs = unroll(training.cell.dynamics, params["cell"], inputs)
        logits = outputs @ params["readout"]["kernel"] + params["readout"]["bias"]
        return jnp.mean(jnp.argmax(logits, -1) == sums, axis=0)

    return np.asarray(right(params, inputs, sums))


def _sections(config: Config, found: dict[str, Any], summary: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure

    header, rows = results_table(summary["runs"])
    shares = (
        (" / ".join(f"{value:.1%}" for value in summary["runs"][row[0]][part]) for part in ("shorter", "longer"))
        for row in rows
    )
    table = tuple((*row, *more) for row, more in zip(rows, shares, strict=True))
    ranges = (f"right, up to {config.length} digits", f"right, {config.length} to {config.longest}")
    series = {name: curves(arm, "accuracy") for name, arm in found.items()}
    learning = learning_curves_figure(
        {name: values for name, (_, values) in series.items()},
        {name: steps for name, (steps, _) in series.items()},
        "share of rows right, validation",
        baseline=0.5,
    )
    return (
        Section(
            "Parity against length",
            f"Networks of one layer are trained on rows of 3 to {config.length} bits and say whether the number of "
            "ones is odd. A network that tracks the parity, a state that each one turns over, does so for any length; "
            "one that has learned lengths by heart is at chance beyond them.",
            (("Share of rows right, each seed a line, means over a quarter of an octave. Dotted: the longest rows of "
              "training; dashed: chance.",
              length_figure({name: arm["measured"] for name, arm in found.items()}, config.length)),),
            (((*header, *ranges), table),),
        ),
        Section(
            "Learning curves",
            "Share of rows right on 1,000 validation rows of the lengths that are trained on.",
            (("One thin line a seed, median in bold; dashed: guessing.", learning),),
        ),
    )  # fmt: skip


def length_figure(found: dict[str, list[np.ndarray]], length: int) -> Any:
    """Accuracy against the length of the row, a panel a kind of network: three kinds, from `measure`."""
    from rnnjax.analysis import style

    kinds = (("non-linear", NONLINEAR), ("linear, eigenvalues 0 to 1", POSITIVE), ("linear, -1 to 1", TURNING))
    with style.applied():
        figure = style.new_figure(height=2.7)
        panels = figure.subplots(1, len(kinds), sharey=True)
        for axes, (title, names) in zip(panels, kinds, strict=True):
            for name, color in zip(names, style.PALETTE, strict=False):
                for place, values in enumerate(found[name]):
                    at, means = _quarter_octaves(values)
                    axes.plot(at, means, color=color, linewidth=1.0, alpha=0.85, label=name if place == 0 else None)
            axes.axvline(length, color=style.SOFT, linestyle=":", linewidth=1)
            axes.axhline(0.5, color=style.INK, linestyle=(0, (3, 2)), linewidth=0.9)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(title)
            axes.set_xlabel("digits")
            axes.set_ylim(0.4, 1.03)
            axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.68), frameon=True, edgecolor="none")
        panels[0].set_ylabel("share of rows right")
        style.settle(figure)
    return figure


def _quarter_octaves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over lengths that differ by less than a fourth root of two, and the middle of each: four an octave."""
    lengths = np.arange(1, len(values) + 1)
    bins = np.unique(np.floor(4 * np.log2(lengths)), return_inverse=True)[1]
    counts = np.bincount(bins)
    return np.bincount(bins, lengths) / counts, np.bincount(bins, values) / counts


def _shares(summary: dict[str, Any], names: tuple[str, ...]) -> str:
    rows = summary["runs"]
    return "; ".join(f"{name} {' / '.join(f'{value:.1%}' for value in rows[name]['longer'])}" for name in names)


def _tracked(summary: dict[str, Any], names: tuple[str, ...]) -> bool:
    return all(value > 0.95 for name in names for value in summary["runs"][name]["longer"])


def _guessed(summary: dict[str, Any], names: tuple[str, ...]) -> bool:
    return all(value < 0.6 for name in names for value in summary["runs"][name]["longer"])


GRAZZI = "Grazzi et al. 2024, arXiv:2411.12537"

CLAIMS = (
    Claim(
        "Non-linear networks, trained on rows of up to 40 bits, tell the parity of rows of 40 to 256.",
        f"{GRAZZI}, abstract (for LSTMs: an earlier abstract, on the authors' code page); for tanh networks and LSTMs "
        "Delétang et al. 2023, arXiv:2207.02098",
        "non-linear RNNs handle parity effectively",
        lambda s: _shares(s, ("tanh", "LSTM")),
        lambda s: _tracked(s, ("tanh", "LSTM")),
    ),
    Claim(
        "Linear recurrences all of whose eigenvalues are positive do not: they are at chance.",
        f"{GRAZZI}, abstract and theorem (it names Mamba, mLSTM and DeltaNet)",
        "unable to solve even parity",
        lambda s: _shares(s, POSITIVE[:3]),
        lambda s: _guessed(s, POSITIVE[:3]),
    ),
    Claim(
        "A Mamba whose eigenvalues go down to -1 does.",
        f"{GRAZZI}, abstract and figure 1",
        "from random guessing to a perfect score",
        lambda s: _shares(s, TURNING[:1]),
        lambda s: _tracked(s, TURNING[:1]),
    ),
    Claim(
        "A DeltaNet whose eigenvalues go down to -1 does.",
        f"{GRAZZI}, abstract",
        "negative values enable it to solve parity",
        lambda s: _shares(s, TURNING[1:]),
        lambda s: _tracked(s, TURNING[1:]),
    ),
)


EXPERIMENT = Experiment(
    name="parity_eigenvalues",
    title="Parity and negative eigenvalues",
    papers="Grazzi et al. 2024; Delétang et al. 2023",
    description="Parity of rows longer than those of training: non-linear networks track it, linear recurrences only "
    "with negative eigenvalues.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="Parity of bits, rows of 3 to 40, the length drawn for each row, the answer due after the last. One "
    "layer, a linear readout: 64 units (`paper`: 16), DeltaNet and mLSTM, whose states are matrices, 16 in 4 heads. "
    "Mamba has four states a unit, a map to its steps of rank 16, and steps that start between 0.01 and 1. Adam at "
    "0.003 (0.001), global norm clipped at 1, 4,000 updates (20,000) of 64 fresh rows (256); either Mamba at 0.001, "
    "1,600 updates (20,000) of 256 rows; solved: fewer than 1 % of 1,000 validation rows wrong, looked at every 200 "
    "updates. Then 500 rows (8,192) of 256 bits are read out at each step, which answers for all lengths up to 256. "
    "Judged is the mean over lengths of 40 to 256: tracked above 95 %, guessed below 60 %, in every seed.",
    deviations=(
        "Sizes, rate and budget of `paper` are those of the authors' configurations for one layer; their warm-up over "
        "2,000 updates and cosine, their weight decay and bfloat16 are left out.",
        "Their Mamba, mLSTM and DeltaNet are blocks, with a convolution, a gate and projections around the recurrence; "
        "here each is the recurrence alone, after which comes the readout.",
        "The eigenvalues of their Mamba are doubled and moved down by one, as here; their write gate of DeltaNet is "
        "doubled, as here.",
        "Sizes and rate of the laptop preset were chosen in pilot runs with the seeds 100, 101 and 102. With 16 "
        "units, batches of 64 and 0.01, falling to zero, tanh network, sLSTM and DeltaNet to -1 learned parity within "
        "4,000 updates, and LSTM, GRU and Mamba to -1 did not. With 64 units and 0.003 the non-linear networks did "
        "within 1,800, each with three seeds.",
        "Mamba to -1 first had batches of 64 and a rate of 0.003 like the others, one state a unit and steps from 0.6 "
        "to 0.8. The recurrence alone, without its block, can tell parity and seldom finds out how: an eigenvalue has "
        "to reach -1 after a one, for which the step must grow without bound, and 1 after a zero. It learned parity in "
        "five of twelve pilot runs, three of four with this start, then with none of the seeds 0, 1 and 2, and its "
        "claim was missed. What it lacked were large batches: with the authors' 256 rows and 0.001, four states a unit "
        "and steps from 0.01 to 1 it learned parity with each of the seeds 100 to 103, in 200 to 800 updates, and "
        "three of these, trained for 1,500, were right on all longer rows. Both Mambas have had these settings since "
        "then; claims and seeds are the same. The authors of Mamba start from steps between 0.001 and 0.1.",
        "With 256 rows, 0.001 and 1,500 updates (seeds 100 to 102), one tanh network of three, two LSTMs and three "
        "DeltaNets to -1 solve the short rows, and these DeltaNets are right on 53 to 72 % of the longer ones. So the "
        "others keep their rate and batches.",
        "At first a run stopped as soon as it had solved the short rows. DeltaNet to -1 did so after 800, 800 and 400 "
        "updates and was then right on 76, 84 and 61 % of the longer ones, and its claim was missed. All runs have had "
        "the whole budget since then, as in the authors' code; claims and seeds are the same.",
        "GRU, sLSTM and minGRU are shown and not judged: no source at hand names them.",
    ),
)
