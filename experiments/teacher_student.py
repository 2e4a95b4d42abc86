"""Students of linear teachers with ever longer memory: a dense linear network against a linear recurrent unit."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.harness.claims import Claim
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.jobs import run_jobs
from experiments.parts.linear_students import LADDER, RNN, Student, initial_params, outputs, sample, student, teacher
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      memories: nu_0, the smallest modulus of the teacher's eigenvalues, in ascending order.
      rnn_rates: learning rates of the dense network.
      lru_rates: of the LRU.
      ablation_rates: of all students of the ablation, which is made at the longest memory.
      teacher_features: state of the teacher.
      features: state of the students.
      length: steps of a sequence.
      batch_size: sequences an update.
      epochs: of `epoch_steps` updates each; the loss that counts is the mean over the last one.
      epoch_steps: updates between records.
      seeds: of teacher, student and data; all seeds of a student train side by side.
      processes: worker processes; `None` means one a core.
    """

    memories: tuple[float, ...] = (0.36, 0.68, 0.84, 0.92, 0.96, 0.98, 0.99)
    rnn_rates: tuple[float, ...] = (3.2e-3, 1e-3, 3.2e-4, 1e-4, 3.2e-5)
    lru_rates: tuple[float, ...] = (0.32, 0.1, 0.032, 0.01, 3.2e-3)
    ablation_rates: tuple[float, ...] = (0.1, 0.032, 0.01, 3.2e-3, 1e-3, 3.2e-4, 1e-4)
    teacher_features: int = 10
    features: int = 64
    length: int = 300
    batch_size: int = 128
    epochs: int = 100
    epoch_steps: int = 100
    seeds: tuple[int, ...] = tuple(range(10))
    processes: int | None = None


PRESETS = {"paper": Config()}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _epoch(kind: Student, config: Config, rate: jax.Array, begin: jax.Array, state, systems, keys):
    """`epoch_steps` updates of all seeds: their states, and the mean losses, of students and of the answer zero."""
    total, rule = config.epochs * config.epoch_steps, optax.scale_by_adam()

    def update(carried, step, system, key):
        params, adam = carried
        xs, ys = sample(system, jax.random.fold_in(key, step), config.batch_size, config.length)
        loss = lambda params: 0.5 * jnp.mean(jnp.square(outputs(kind, params, xs) - ys))  # noqa: E731
        value, gradient = jax.value_and_grad(loss)(params)
        gradient, adam = rule.update(gradient, adam)
        now = 1e-7 + (rate - 1e-7) * 0.5 * (1 + jnp.cos(jnp.pi * step / total))
        params = jax.tree.map(lambda leaf, change: leaf - now * change, params, gradient)
        return (params, adam), (value, 0.5 * jnp.mean(jnp.square(ys)))

    def one(carried, system, key):
        steps = begin + jnp.arange(config.epoch_steps)
        carried, losses = jax.lax.scan(lambda held, step: update(held, step, system, key), carried, steps)
        return carried, jax.tree.map(jnp.mean, losses)

    return jax.vmap(one)(state, systems, keys)


def train_students(config: Config, name: str, memory: float, rate: float) -> dict[str, Any]:
    """Losses of the students of one kind by epoch, `[epochs, seeds]`, and those of the answer zero; a job."""
    kind = student(name, config.features)
    stacked = lambda trees: jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)  # noqa: E731
    keys = [jax.random.split(jax.random.key(seed)) for seed in config.seeds]
    params = stacked([initial_params(kind, own[0], memory) for own in keys])
    systems = stacked([teacher(seed, config.teacher_features, memory) for seed in config.seeds])
    data_keys = jnp.stack([own[1] for own in keys])
    state, losses, trivial = (params, jax.vmap(optax.scale_by_adam().init)(params)), [], []
    for epoch in range(config.epochs):
        begin = jnp.asarray(epoch * config.epoch_steps)
        state, found = _epoch(kind, config, jnp.float32(rate), begin, state, systems, data_keys)
        losses.append(np.asarray(found[0]))
        trivial.append(np.asarray(found[1]))
        if not np.isfinite(losses[-1]).any():
            break
    return {"losses": np.stack(losses), "trivial": np.mean(trivial, axis=0)}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains all students with all learning rates, and keeps the best rate of each."""
    plain, longest = dataclasses.replace(config, processes=None), config.memories[-1]
    asked = {(name, memory, rate): None for name, rates in ((RNN, config.rnn_rates), ("LRU", config.lru_rates))
             for memory in config.memories for rate in rates}  # fmt: skip
    asked |= {(name, longest, rate): None for name in (RNN, *LADDER) for rate in config.ablation_rates}
    jobs = [(plain, *one) for one in asked]
    found: dict[tuple[str, float], dict[float, dict[str, Any]]] = {}
    for (_, name, memory, rate), outcome in run_jobs(train_students, jobs, config.processes, folder.path / "jobs"):
        found.setdefault((name, memory), {})[rate] = outcome
        final = _final(outcome)
        for seed, loss in zip(config.seeds, final, strict=True):
            folder.append({"student": name, "memory": memory, "rate": rate, "seed": seed, "loss": loss})
        print(f"{name}, nu_0 = {memory:g}, rate {rate:g}: mean loss {np.mean(final):.3g}", flush=True)
    summary = _summary(config, found)
    return Outcome(summary, _sections(config, summary))


def _final(outcome: dict[str, Any]) -> list[float]:
    """The loss of the last epoch of each seed, infinite where it is not a number."""
    last = np.asarray(outcome["losses"][-1], float)
    return np.where(np.isfinite(last), last, np.inf).tolist()


def _summary(config: Config, found: dict[tuple[str, float], dict[float, dict[str, Any]]]) -> dict[str, Any]:
    def best(name: str, memory: float, rates: tuple[float, ...]) -> dict[str, Any]:
        means = {rate: float(np.mean(_final(found[name, memory][rate]))) for rate in rates}
        rate = min(means, key=lambda rate: means[rate])
        outcome = found[name, memory][rate]
        return {"rate": rate, "losses": _final(outcome), "trivial": np.asarray(outcome["trivial"], float).tolist(),
                "means": {f"{rate:g}": mean for rate, mean in means.items()}}  # fmt: skip

    rates, longest = {RNN: config.rnn_rates, "LRU": config.lru_rates}, config.memories[-1]
    return {
        "seeds": list(config.seeds),
        "memories": list(config.memories),
        "students": {name: {f"{memory:g}": best(name, memory, own) for memory in config.memories}
                     for name, own in rates.items()},
        "ablation": {name: best(name, longest, config.ablation_rates) for name in (RNN, *LADDER)},
    }  # fmt: skip


def _sections(config: Config, summary: dict[str, Any]) -> tuple[Section, ...]:
    rows = [(name, memory, f"{one['rate']:g}", *_numbers(one))
            for name, of in summary["students"].items() for memory, one in of.items()]  # fmt: skip
    ladder = [(name, f"{one['rate']:g}", *_numbers(one)) for name, one in summary["ablation"].items()]
    numbers = ("mean loss", "standard error", "loss of the answer zero")
    return (
        Section(
            "Loss against the teacher's memory",
            "Half the mean squared error in the last epoch, at the best learning rate of each student and memory. All "
            "eigenvalues of the teacher have moduli between nu_0 and 1.",
            (("Means over seeds with standard errors; the memory 1 / (1 - nu_0) on the axis.",
              _figure(config, summary)),),
            ((("student", "nu_0", "learning rate", *numbers), tuple(rows)),),
        ),
        Section(
            "From the dense network to the linear recurrent unit",
            f"Students of the teachers with nu_0 = {config.memories[-1]:g}, each at its best learning rate.",
            tables=((("student", "learning rate", *numbers), tuple(ladder)),),
        ),
    )  # fmt: skip


def _numbers(one: dict[str, Any]) -> tuple[str, str, str]:
    error = np.std(one["losses"], ddof=1) / math.sqrt(len(one["losses"])) if len(one["losses"]) > 1 else math.nan
    return f"{np.mean(one['losses']):.3g}", f"{error:.1g}", f"{np.mean(one['trivial']):.3g}"


def _figure(config: Config, summary: dict[str, Any]) -> Any:
    from rnnjax.analysis import style

    memory = 1 / (1 - np.asarray(config.memories))
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes((RNN, "LRU", "answer zero"))
        for name, of in summary["students"].items():
            losses = np.array([one["losses"] for one in of.values()], float)
            error = losses.std(1) / np.sqrt(losses.shape[1])
            axes.errorbar(memory, losses.mean(1), error, color=strokes[name].color, marker="o", ms=3.4, label=name)
        trivial = [np.mean(one["trivial"]) for one in summary["students"]["LRU"].values()]
        axes.plot(memory, trivial, color=style.SOFT, linestyle=(0, (3, 2)), linewidth=1, label="answer zero")
        axes.set(xscale="log", yscale="log", ylabel="loss in the last epoch")
        axes.set_xlabel(r"memory of the teacher  $1\,/\,(1-\nu_0)$  (steps)")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _at_longest(summary: dict[str, Any], name: str) -> list[float]:
    return summary["students"][name][f"{summary['memories'][-1]:g}"]["losses"]


def _relative(summary: dict[str, Any], name: str, memory: float) -> float:
    """The mean loss as a share of that of the answer zero."""
    one = summary["students"][name][f"{memory:g}"]
    return float(np.mean(one["losses"]) / np.mean(one["trivial"]))


_SOURCE = "Zucchet & Orvieto 2024, arXiv:2405.21064, Fig. 3"

CLAIMS = (
    Claim(
        "Where the teacher's memory is long, a linear recurrent unit learns it better than a dense linear network, on "
        "every seed.",
        _SOURCE + " (left) and abstract",
        "lower loss (figure only)",
        lambda s: (
            f"nu_0 = {s['memories'][-1]:g}: LRU {np.mean(_at_longest(s, 'LRU')):.3g}, dense "
            f"{np.mean(_at_longest(s, RNN)):.3g}; lower on {_wins(s)} of {len(s['seeds'])} seeds"
        ),
        lambda s: _wins(s) == len(s["seeds"]),
    ),
    Claim(
        "The longer the teacher's memory, the worse the dense network learns it, also relative to the size of the "
        "teacher's answers.",
        _SOURCE + " (left)",
        "loss grows with nu_0 (figure only)",
        lambda s: (
            " / ".join(f"{_relative(s, RNN, memory):.2g}" for memory in s["memories"])
            + f" of the loss of the answer zero at nu_0 = {' / '.join(f'{memory:g}' for memory in s['memories'])}"
        ),
        lambda s: _relative(s, RNN, s["memories"][-1]) > 2 * _relative(s, RNN, s["memories"][0]),
    ),
)


def _wins(summary: dict[str, Any]) -> int:
    """On how many seeds, each with a teacher of its own, the LRU's loss is the lower one."""
    return sum(one < other for one, other in zip(_at_longest(summary, "LRU"), _at_longest(summary, RNN), strict=True))


EXPERIMENT = Experiment(
    name="teacher_student",
    title="Students of linear teachers",
    papers="Zucchet & Orvieto 2024",
    description="A dense linear network and a linear recurrent unit learn linear systems with ever longer memory.",
    protocol="Teachers are dense linear systems with 10 states, one input and one output, moduli of eigenvalues "
    "brought between nu_0 and 1; each seed has its own. Students have 64 units, the LRU complex ones, and a direct "
    "way from input to output. White inputs of 300 steps, 128 fresh sequences an update, half the mean squared error, "
    "Adam with a cosine from the learning rate to 1e-7 over 10,000 updates, no clipping; 7 values of nu_0, 5 learning "
    "rates and 10 seeds for each student. The loss is the mean over the last 100 updates, at the learning rate with "
    "the lowest mean over seeds. The ladder from dense to LRU at nu_0 = 0.99: 32 blocks of 2 x 2, 64 blocks, complex "
    "diagonal, with normalisation, with the exponential parametrisation. As in the published scans and code.",
    deviations=(
        "The paper's numbers stand in a figure only.",
        "All students of the ladder are given the same seven learning rates; the published scans give block-diagonal "
        "ones four of these, and the dense one its five of the other sweep.",
        "A run whose loss is not a number counts as infinitely bad; the published figures leave such seeds out of the "
        "means.",
        "The published code draws seeds 2023 to 2032 with another generator: teachers and data differ.",
    ),
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
)
