"""A character model opened: how saturated its gates are, and units that a reader can name."""

from __future__ import annotations

import dataclasses
import pathlib
import types
from typing import Any, cast

import jax
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, summarize
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from experiments.parts.character_units import SIGNALS, correlations, settling, signal
from rnnjax import GRU, LSTM, Cell, Elman
from rnnjax.analysis import gate_statistics, visited_states
from rnnjax.tasks import Characters
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer, evaluate
from rnnjax.training.run_folder import RunFolder

MARGIN = 0.15
"""By how much a correlation has to exceed both controls to count."""
EXCERPT = 400


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      hidden: units of each network.
      length: characters of a row, within which the state is handed on.
      truncation: characters that the gradient goes back.
      seeds: each network is trained once a seed.
      steps: updates.
      batch_size: rows an update.
      learning_rate: of Adam.
      evaluate_every: updates between evaluations.
      data: a text file; without one, the text that comes with Python (`rnnjax.tasks.Characters`).
      processes: worker processes; `None` means one a core.
    """

    hidden: int = 128
    length: int = 512
    truncation: int = 64
    seeds: tuple[int, ...] = (0, 1)
    steps: int = 4800
    batch_size: int = 32
    learning_rate: float = 2e-3
    evaluate_every: int = 600
    data: str = ""
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        hidden=512, length=1000, truncation=100, seeds=(0, 1, 2), steps=20_000, batch_size=100, evaluate_every=1000
    ),
}


def networks(config: Config) -> dict[str, Cell]:
    """The networks that are compared, by name."""
    return {"tanh": Elman(config.hidden), "GRU": GRU(config.hidden), "LSTM": LSTM(config.hidden)}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains each network on the text, and looks at its gates and units on the test part.

    Raises:
      InputError: a file that cannot be read, or is too short.
    """
    task = Characters(config.length, config.data)
    optimizer = Optimizer("adam", config.learning_rate, clip="norm")
    options: dict[str, Any] = dict(steps=config.steps, batch_size=config.batch_size, truncation=config.truncation)
    options |= dict(evaluate_every=config.evaluate_every, stop_when_solved=False)
    arms = [Arm(name, TrainConfig(task, cell, optimizer, **options)) for name, cell in networks(config).items()]
    found = sweep(arms, config.seeds, folder, config.processes, measure=measure)
    summary = {
        "seeds": list(config.seeds),
        "text": pathlib.Path(config.data).name if config.data else "pydoc_data.topics",
        "characters": sum(map(len, task.text.splits.values())),
        "vocabulary": len(task.text.vocabulary),
        "baseline": task.baseline,
        "networks": {
            name: {
                **summarize(arm),
                "test": [seed["test"] for seed in arm["measured"]],
                "gates": [_saturated(seed["gates"]) for seed in arm["measured"]],
                "signals": {signal: [seed["signals"][signal] for seed in arm["measured"]] for signal in SIGNALS},
            }
            for name, arm in found.items()
        },
    }
    return Outcome(summary, _sections(summary, found))


def measure(training: TrainConfig, params: Any) -> dict[str, Any]:
    """What a trained network does on the test part, in plain values and arrays.

    Returns:
      "test", the task's metrics; "gates", for each gate the shares of steps in which each unit is shut ("left") and
      open ("right"); "signals", see `correlations`; "excerpt", a piece of text with the activations of the units that
      follow each signal best.
    """
    cell, task = training.cell, cast(Characters, training.task)
    metrics = jax.jit(lambda params: evaluate(params, training.dynamics, "test"))(params)
    batches = {split: task.evaluation(split).inputs for split in ("validation", "test")}
    texts = {split: _shown(task, split, len(rows)) for split, rows in batches.items()}
    states = {split: _memory(cell, params["cell"], rows) for split, rows in batches.items()}
    fresh = cell.init(jax.random.key(0), task.in_features)
    control = {split: _memory(cell, fresh, rows) for split, rows in batches.items()}
    found, marks = {}, {}
    for name in SIGNALS:
        marks[name] = {split: signal(name, text).reshape(states[split].shape[:2]) for split, text in texts.items()}
        found[name] = correlations(marks[name], states, control, texts)
    busy = sum(np.abs(np.diff(marks[name]["test"] > 0, axis=1)).sum(1) for name in SIGNALS[1:])
    row = int(np.argmax(busy))
    window = slice(settling(task.time), min(settling(task.time) + EXCERPT, task.time))
    units = {name: entry["unit"] for name, entry in found.items() if entry is not None}
    gates = gate_statistics(cell, params["cell"], batches["test"])
    return {
        "test": {name: float(value) for name, value in metrics.items()},
        "gates": {
            name: {"left": np.mean(gate.left, axis=0), "right": np.mean(gate.right, axis=0)}
            for name, gate in gates.items()
            if name not in cell.candidates
        },
        "signals": found,
        "excerpt": {
            "text": texts["test"][row * task.time : (row + 1) * task.time][window],
            "activations": {name: np.tanh(states["test"][row, window, unit]) for name, unit in units.items()},
        },
    }


def _memory(cell: Cell, params: Any, inputs: Any) -> np.ndarray:
    """`[rows, time, units]`: the cell state of an LSTM, the state of the others."""
    states = np.asarray(visited_states(cell, params, inputs))
    return states[..., states.shape[-1] // 2 :] if isinstance(cell, LSTM) else states


def _shown(task: Any, split: str, rows: int) -> str:
    """The characters that the rows of an evaluation show, one row after the other."""
    return task.decode(task.text.splits[split][: rows * task.time])


def _saturated(gates: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of each gate, the shares of units that are open, or shut, in more than nine steps of ten; and of steps."""
    return {
        name: {
            "units_open": float(np.mean(np.asarray(shares["right"]) > 0.9)),
            "units_shut": float(np.mean(np.asarray(shares["left"]) > 0.9)),
            "steps_open": float(np.mean(shares["right"])),
            "steps_shut": float(np.mean(shares["left"])),
        }
        for name, shares in gates.items()
    }


def _sections(summary: dict[str, Any], found: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis import figures, figures_dynamics, figures_explain

    seed = summary["seeds"][0]
    scatters, gate_rows, loss_rows, signal_rows = [], [], [], []
    for name, row in summary["networks"].items():
        losses, accuracies = ([test[key] for test in row["test"]] for key in ("loss", "accuracy"))
        loss_rows.append((name, _listed(losses), _listed(accuracies), f"{summary['baseline']:.2f}"))
        gates = found[name]["measured"][0]["gates"]
        if gates:
            statistics = {gate: types.SimpleNamespace(**shares) for gate, shares in gates.items()}
            caption = (
                f"{name}, seed {seed}: a disc a unit, over the {summary['characters'] // 20:,} characters of the test."
            )
            scatters.append((caption, figures_dynamics.saturation_figure(statistics)))
        for gate in gates:
            shares = [each[gate] for each in row["gates"]]
            columns = ("units_open", "units_shut", "steps_open", "steps_shut")
            gate_rows.append((name, gate, *(" / ".join(f"{one[key]:.0%}" for one in shares) for key in columns)))
        for what, entries in row["signals"].items():
            kinds = ("trained", "untrained", "memoryless")
            shown = [" / ".join("-" if one is None else f"{one[kind]:.2f}" for one in entries) for kind in kinds]
            signal_rows.append((name, what, *shown))
    scatters.reverse()  # the LSTM first
    excerpt = found["LSTM"]["measured"][0]["excerpt"]
    heat = []
    if excerpt["activations"]:
        drawn = figures_explain.text_figure(excerpt["text"], excerpt["activations"])
        heat.append(("The unit that follows each signal best: tanh(c) over a piece of the test.", drawn))
    learning = {name: curves(arm, "loss") for name, arm in found.items()}
    return (
        Section(
            "Gates",
            "How often each unit of each gate is open (above 0.9) and shut (below 0.1). A forget gate in the lower "
            "right corner belongs to a unit that keeps what it has: an integrator.",
            tuple(scatters),
            ((("network", "gate", "units open in 9 of 10 steps", "units shut in 9 of 10", "open, of all steps", "shut"),
              tuple(gate_rows)),),
        ),
        Section(
            "Units",
            "Correlation of one unit with what a reader keeps in mind: the unit that follows it best on the validation "
            "part, measured on the test part. Beside it the best unit of an untrained network, and the best guess from "
            "the current character alone.",
            tuple(heat),
            ((("network", "signal", "|r|, trained", "untrained", "current character"), tuple(signal_rows)),),
        ),
        Section(
            "Learning",
            "Nats a character on the validation part; the baseline knows the current character alone.",
            (("One thin line a seed, the median in bold.",
              figures.learning_curves_figure(
                  {name: values for name, (_, values) in learning.items()},
                  {name: steps for name, (steps, _) in learning.items()},
                  "nats a character, validation", baseline=summary["baseline"])),),
            ((("network", "test, nats a character", "accuracy", "from the current character"), tuple(loss_rows)),),
        ),
    )  # fmt: skip


def _listed(values: list[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def _losses(summary: dict[str, Any], name: str) -> list[float]:
    return [test["loss"] for test in summary["networks"][name]["test"]]


def _found(summary: dict[str, Any], name: str) -> bool:
    """Whether a unit of the LSTM follows the signal clearly better than both controls, in every seed."""
    entries = summary["networks"]["LSTM"]["signals"][name]
    return all(
        entry is not None and entry["trained"] >= max(entry["untrained"], entry["memoryless"]) + MARGIN
        for entry in entries
    )


def _followed(summary: dict[str, Any], name: str) -> str:
    entries = summary["networks"]["LSTM"]["signals"][name]
    if any(entry is None for entry in entries):
        return "the text hardly has any"
    kinds = (("trained", "|r| ="), ("untrained", "untrained"), ("memoryless", "current character"))
    return "; ".join(f"{words} " + " / ".join(f"{entry[kind]:.2f}" for entry in entries) for kind, words in kinds)


PAPER = "Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078"


def _unit_claim(name: str, statement: str) -> Claim:
    return Claim(
        statement,
        f"{PAPER}, abstract (the figure of cells was not seen)",
        "interpretable cells that keep track of line lengths, quotes and brackets",
        lambda s: _followed(s, name),
        lambda s: _found(s, name),
        f"It counts if one unit exceeds both controls by {MARGIN} in every seed: the network is small, its training "
        "short, and a signal may be spread over several units.",
    )


CLAIMS = (
    Claim(
        "The gated networks predict characters better than the tanh network.",
        f"{PAPER}, as quoted in a second source",
        "LSTM and GRU both significantly outperform the RNN",
        lambda s: "; ".join(f"{name} {_listed(_losses(s, name))}" for name in s["networks"]) + " nats a character",
        lambda s: max(_losses(s, "LSTM") + _losses(s, "GRU")) < min(_losses(s, "tanh")),
        "At this width and budget the gated networks are not yet ahead.",
    ),
    _unit_claim("place in the line", "A cell of the LSTM keeps track of the length of the line."),
    _unit_claim("inside quotes", "A cell of the LSTM tells what is inside quotes."),
    _unit_claim("inside brackets", "A cell of the LSTM tells what is inside brackets."),
)

EXPERIMENT = Experiment(
    name="character_gates",
    title="Gates and units of a character model",
    papers="Karpathy, Johnson & Fei-Fei 2015",
    description="How saturated the gates of a character model are, and which of its units a reader can name.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="The next character of a text, split 90, 5 and 5 % by position; one layer of tanh, GRU or LSTM with a "
    "linear readout; Adam, gradient norm clipped at 1, truncated back-propagation over 64 characters with the state "
    "handed on over 512, a fixed number of updates. A unit of an LSTM is its cell state; units are chosen on the "
    "validation part.",
    deviations=(
        "The paper's texts are War and Peace and the source of the Linux kernel; ours is the half million characters "
        "of English that come with Python, unless a file is given.",
        "The paper's networks are larger, have up to three layers, and are trained for longer.",
        "The paper finds its cells by looking; here a correlation ranks them, with two controls that the paper lacks.",
        "The paper's text was not available in full: its statements on saturated gates are not judged, only shown.",
    ),
)
