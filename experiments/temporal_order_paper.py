"""Temporal order at all lengths from 50 to 200 with one model, and far beyond the lengths that it has seen."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, every_solved, results_table, summarize, verdict
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from rnnjax import Elman
from rnnjax.analysis.figures import learning_curves_figure
from rnnjax.errors import check
from rnnjax.initializers import Constant, Normal
from rnnjax.models.readout import read_steps
from rnnjax.tasks import TemporalOrder
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import Batch
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer, Pascanu
from rnnjax.training.run_folder import RunFolder
from rnnjax.unroll import unroll


@dataclasses.dataclass(frozen=True)
class AnyLength(TemporalOrder):
    """Temporal order with a length of its own for each row, uniform from `shortest` to `length`.

    The windows of a row are fractions of its own length, as in the variant `pascanu`. Solved: no row is wrong.

    Args:
      shortest: the least number of steps, at least 10.

    Raises:
      InputError: a shortest length that is no int from 10 to `length`, or another variant or number of symbols.
    """

    variants: ClassVar[Mapping[str, str]] = {"pascanu": TemporalOrder.variants["pascanu"]}

    shortest: int = 50

    def __post_init__(self):
        super().__post_init__()
        check(self.symbols == 2, "AnyLength.symbols", self.symbols, "2")
        given = self.shortest
        valid = type(given) is int and 10 <= given <= self.length
        check(valid, "AnyLength.shortest", given, f"an int from 10 to length={self.length}")

    @property
    def variable_length(self) -> bool:
        return True

    def sequence(self, key: jax.Array) -> Batch:
        words = random_words(key, 5 + self.time)
        length = self._length(words[0], shortest=self.shortest)
        tenth, starts = length // 10, jnp.asarray([10, 50]) * length // 100
        places, values = integers(words[1:3], starts, starts + tenth), integers(words[3:5], 0, 2)
        codes = integers(words[5:], 2, 6).at[places].set(values)
        valid = jnp.arange(self.time) < length
        inputs = jax.nn.one_hot(codes, self.in_features, dtype=jnp.float32) * valid[:, None]
        return Batch(inputs, values[0] + 2 * values[1], jnp.float32(1), length)

    def solved(self, metrics: Mapping[str, Any]) -> jax.Array:
        """No row is wrong."""
        return jnp.asarray(metrics["error_rate"]) <= 0


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      shortest: the least length in training.
      longest: the largest one.
      lengths: of the sequences that the trained networks are tested on.
      seeds: one network each.
      hidden: width of the network.
      batch_size: rows an update.
      learning_rate: of plain gradient descent.
      clip_threshold: on the norm of the gradient.
      weight: of the regulariser.
      variant: the form of the regulariser, see `rnnjax.training.Pascanu`.
      steps: updates, at most.
      evaluate_every: updates between evaluations.
      evaluation_size: fresh sequences of an evaluation, and of the test at each length.
      processes: worker processes; `None` means one a core.
    """

    shortest: int = 50
    longest: int = 200
    lengths: tuple[int, ...] = (50, 100, 150, 200, 250, 500, 1000, 2000, 3000, 5000)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    hidden: int = 50
    batch_size: int = 20
    learning_rate: float = 0.01
    clip_threshold: float = 1.0
    weight: float = 4.0
    variant: str = "code"
    steps: int = 5_000_000
    evaluate_every: int = 1000
    evaluation_size: int = 10_000
    processes: int | None = None


PRESETS = {"paper": Config()}
NAME = "SGD-CR, basic tanh"
ROWS = 1000  # of a test at a time: outputs of 5000 steps take memory


def training(config: Config) -> TrainConfig:
    """The run: the network from "basic tanh", on rows of all lengths."""
    start = Normal(0.1)
    return TrainConfig(
        AnyLength(config.longest, shortest=config.shortest),
        Elman(config.hidden, kernel_init=start, recurrent_init=start, bias_init=Constant(0.0)),
        Optimizer("sgd", config.learning_rate, clip="norm", clip_threshold=config.clip_threshold),
        steps=config.steps,
        batch_size=config.batch_size,
        evaluate_every=config.evaluate_every,
        evaluation_size=config.evaluation_size,
        regularizer=Pascanu(config.weight, variant=config.variant),
        readout_init=start,
    )


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains the networks, and tests each at every length."""
    measure = functools.partial(wrong_by_length, lengths=config.lengths, size=config.evaluation_size)
    found = sweep([Arm(NAME, training(config))], config.seeds, folder, config.processes, measure=measure)[NAME]
    row = summarize(found)
    wrong = {str(length): [int(each[str(length)]) for each in found["measured"]] for length in config.lengths}
    summary = {
        "seeds": list(config.seeds),
        "range": [config.shortest, config.longest],
        "tested": config.evaluation_size,
        "network": row,
        "wrong": wrong,
    }
    return Outcome(summary, sections(summary, found))


def wrong_by_length(run: TrainConfig, params: Any, lengths: tuple[int, ...], size: int) -> dict[str, int]:
    """How many of so many fresh sequences of each length a trained network gets wrong."""
    return {str(length): _wrong(run, params, length, size) for length in lengths}


def _wrong(run: TrainConfig, params: Any, length: int, size: int) -> int:
    task, rows = TemporalOrder(length), min(ROWS, size)

    @jax.jit
    def wrong(params, key):
        batch = task.sample(key, rows, "test")
        _, ys = unroll(run.cell.dynamics, params["cell"], batch.inputs)
        outputs = read_steps(ys, None) @ params["readout"]["kernel"] + params["readout"]["bias"]
        return jnp.sum(jnp.argmax(outputs, -1) != batch.targets) + jnp.sum(jnp.isnan(outputs).any(-1))

    keys = jax.random.split(jax.random.key(length), -(-size // rows))
    return int(sum(int(wrong(params, key)) for key in keys))


def sections(summary: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Section, ...]:
    """The report, from the summary and the curves."""
    steps, errors = curves(found, "error_rate")
    low, high = summary["range"]
    figure = learning_curves_figure({NAME: errors}, {NAME: steps}, ylabel="share of wrong sequences", baseline=0.75)
    header = ("length", *(f"seed {seed}" for seed in summary["seeds"]))
    rows = tuple((length, *(str(count) for count in counts)) for length, counts in summary["wrong"].items())
    return (
        Section(
            "One model for all lengths",
            f"Temporal order with lengths from {low} to {high} steps: the share of fresh sequences of all these "
            f"lengths that are wrong. Training ends where none is.",
            (("Error on the validation split, one thin line a seed, median in bold; the baseline is that of guessing.",
              figure),),
            (results_table({NAME: summary["network"]}),),
        ),
        Section(
            "Longer than seen",
            f"Wrong sequences among at least {summary['tested']:,} of one length, for the same weights.",
            (),
            ((header, rows),),
        ),
    )  # fmt: skip


def _most_wrong(summary) -> tuple[str, int]:
    """The length with the most wrong sequences of any seed, and how many."""
    return max(((length, int(np.max(counts))) for length, counts in summary["wrong"].items()), key=lambda at: at[1])


PAPER = "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 4.1.1"
CLAIMS = (
    Claim(
        "One network learns temporal order for all lengths from 50 to 200.",
        PAPER,
        "5 of 5 seeds, none of 10,000 sequences wrong",
        lambda s: verdict(s["network"]),
        lambda s: every_solved(s["network"]),
    ),
    Claim(
        "The same weights serve sequences of up to 5000 steps.",
        PAPER,
        "none of 10,000 wrong at each of 50, 100, 150, 200, 250, 500, 1000, 2000, 3000 and 5000 steps",
        lambda s: "at most {1} of {2:,} wrong (T={0})".format(*_most_wrong(s), s["tested"]),
        lambda s: every_solved(s["network"]) and _most_wrong(s)[1] == 0,
    ),
)

EXPERIMENT = Experiment(
    name="temporal_order_paper",
    title="Temporal order for all lengths with one model",
    papers="Pascanu, Mikolov & Bengio 2013",
    description="One tanh network for temporal order at 50 to 200 steps, tested on up to 5000, at the paper's budget.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="Temporal order in the variant of the paper, with lengths from 50 to 200. A simple recurrent network of "
    "50 tanh units with all weights from N(0, 0.1^2) and zero biases. Gradient descent on batches of 20 fresh "
    "sequences at a constant rate of 0.01 for at most 5 million updates, with the norm of the gradient "
    "clipped at 1 after Pascanu's regulariser was added with weight 4. A run succeeds, and ends, at the first "
    "evaluation without a wrong sequence among 10,000 of all lengths; then it is tested on 10,000 of each "
    "length. Sized for an accelerator.",
    deviations=(
        "Each sequence of a batch has a length of its own, uniform from 50 to 200; in the authors' program "
        "(pascanur/trainingRNNs) the sequences of one batch have one length, from 50 to 199.",
        "The regulariser is that of the authors' program: a mean over steps of a term in squared norms, as in equation "
        "10, where equations 9 and 10 are sums over steps. The weight is the paper's 4; the program comes with 2.",
        "Evaluated every 1000 updates; the authors' program does so every 20.",
        "An update whose gradient is not finite is skipped; the program then shrinks the recurrent matrix instead, "
        "also for norms above 1e10.",
    ),
)
