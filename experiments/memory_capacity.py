"""How many past inputs a network holds: as many as it has units if it is linear, and fewer the more it saturates."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.experiment import Experiment, Outcome, Section
from rnnjax import Elman, Precision
from rnnjax.analysis import MemoryCapacity, memory_capacity
from rnnjax.initializers import Orthogonal
from rnnjax.training.run_folder import RunFolder

LINEAR = ("ring", "orthogonal", "Gaussian")


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      sizes: units of the linear networks, ascending.
      tanh_size: units of the tanh networks; one of `sizes`.
      scales: of the inputs of the tanh networks, ascending.
      forgetting: the square of a network's radius to the power of its size: what is left of an input after as many
        steps as there are units, in variance.
      reach: lags that count, in sizes.
      steps: of the sequence, of which half fit the readout.
      seeds: networks of each kind.
      processes: not used: it is a matter of seconds.
    """

    sizes: tuple[int, ...] = (25, 50, 100, 200)
    tanh_size: int = 100
    scales: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    forgetting: float = 0.1
    reach: int = 4
    steps: int = 20_000
    seeds: tuple[int, ...] = (0, 1, 2)
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(sizes=(50, 100, 200, 400), steps=100_000, seeds=(0, 1, 2, 3, 4)),
}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Measures capacities of linear networks by their size, and of tanh networks by the scale of their inputs."""
    linear: dict[str, dict[str, list[float]]] = {kind: {} for kind in LINEAR}
    curves: dict[str, MemoryCapacity] = {}
    ring_error = 0.0
    with jax.enable_x64(True):
        for size in config.sizes:
            for kind in LINEAR:
                found = [measure(config, kind, "identity", size, 1.0, seed) for seed in config.seeds]
                linear[kind][str(size)] = [float(each.capacity) for each in found]
                if kind == "ring":
                    oracle = ring_memory(config, size)
                    ring_error = max(ring_error, *(_distance(each, oracle) for each in found))
                if size == config.tanh_size:
                    curves[f"{kind}, linear"] = found[0]
                folder.append({"kind": kind, "size": size, "capacity": linear[kind][str(size)]})
            print(f"linear networks of {size} units", flush=True)
        tanh: dict[str, list[float]] = {}
        for scale in config.scales:
            found = [measure(config, "orthogonal", "tanh", config.tanh_size, scale, seed) for seed in config.seeds]
            tanh[f"{scale:g}"] = [float(each.capacity) for each in found]
            curves[f"tanh, inputs times {scale:g}"] = found[0]
            folder.append({"kind": "tanh", "scale": scale, "capacity": tanh[f"{scale:g}"]})
        print(f"tanh networks of {config.tanh_size} units", flush=True)
    summary = {
        "seeds": list(config.seeds),
        "sizes": list(config.sizes),
        "tanh_size": config.tanh_size,
        "linear": linear,
        "tanh": tanh,
        "ring_error": ring_error,
    }
    return Outcome(summary, _sections(config, summary, curves))


def measure(config: Config, kind: str, activation: str, size: int, scale: float, seed: int) -> MemoryCapacity:
    """The capacity of one network for a sequence of independent inputs from U(-1, 1) times `scale`."""
    network_key, weight_key, input_key = jax.random.split(jax.random.key(seed), 3)
    precision = Precision("float64")
    cell = Elman(size, activation=activation, recurrent_init=Orthogonal(1.0), precision=precision)
    params = cell.init(network_key, 1)
    radius = config.forgetting ** (0.5 / size)
    if kind == "ring":
        matrix, kernel = np.roll(np.eye(size), 1, axis=1), np.eye(size)[:1]
    else:
        matrix = np.asarray(params["recurrent_kernel"])
        if kind == "Gaussian":
            matrix = np.asarray(jax.random.normal(network_key, (size, size), jnp.float64))
            matrix = matrix / np.abs(np.linalg.eigvals(matrix)).max()
        kernel = np.asarray(jax.random.normal(weight_key, (1, size), jnp.float64)) / math.sqrt(size)
    params = params | {"recurrent_kernel": jnp.asarray(radius * matrix), "kernel": jnp.asarray(kernel)}
    xs = scale * jax.random.uniform(input_key, (config.steps, 1), jnp.float64, -1, 1)
    return memory_capacity(cell, params, xs, config.reach * size, ridge=0.0)


def ring_memory(config: Config, size: int) -> np.ndarray:
    """R^2 by lag of a linear ring into which inputs enter at one unit.

    Unit j holds the inputs of the lags j, j + n, j + 2n, ..., each n steps the weaker by the factor f in variance, so
    that R^2 is f^floor(lag / n) (1 - f): a sum of n over all lags.
    """
    rounds = np.arange(config.reach * size + 1) // size
    return config.forgetting**rounds * (1 - config.forgetting)


def _distance(found: MemoryCapacity, oracle: np.ndarray) -> float:
    return float(np.max(np.abs(np.asarray(found.r_squared)[:, 0] - oracle)))


def _sections(config: Config, summary: dict[str, Any], curves: dict[str, MemoryCapacity]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures_dynamics import memory_figure

    spread = lambda values: " / ".join(f"{value:.1f}" for value in values)  # noqa: E731
    rows = tuple(
        (size, *(spread(summary["linear"][kind][size]) for kind in LINEAR)) for size in summary["linear"]["ring"]
    )
    shown = {name: curve for name, curve in curves.items() if not name.startswith("tanh")}
    saturating = {name: curve for name, curve in curves.items() if name.startswith("tanh")}
    return (
        Section(
            "Memory and saturation",
            f"What a linear readout finds of past inputs in orthogonal networks of {config.tanh_size} units with tanh. "
            "Small inputs leave tanh linear, and the network holds one input a unit; the larger they are, the fewer "
            "it holds.",
            (("R^2 of past inputs by lag, first seed.", memory_figure(saturating)),),
            ((("inputs times", "capacity of each seed"), tuple((k, spread(v)) for k, v in summary["tanh"].items())),),
        ),
        Section(
            "Linear networks",
            "A ring hands its inputs on from unit to unit. All three kinds hold as many inputs as they have units, in "
            "theory. In the states of a Gaussian matrix most of them are so faint that no readout fitted to states "
            "with 16 digits finds them.",
            (("R^2 of past inputs by lag, first seed.", memory_figure(shown)),),
            ((("units", *(f"{kind}: capacity of each seed" for kind in LINEAR)), rows),),
        ),
    )


def _shares(summary: dict[str, Any], kind: str) -> list[float]:
    """Capacities of all sizes and seeds, over the number of units."""
    return [value / int(size) for size, values in summary["linear"][kind].items() for value in values]


def _largest(summary: dict[str, Any]) -> float:
    tanh = [value / summary["tanh_size"] for values in summary["tanh"].values() for value in values]
    return max([*tanh, *(share for kind in LINEAR for share in _shares(summary, kind))])


def _growth(summary: dict[str, Any], kind: str) -> float:
    """By which factor the mean capacity grows from the smallest to the largest size, over that of the size."""
    first, last = (summary["linear"][kind][str(summary["sizes"][place])] for place in (0, -1))
    return float(np.mean(last) / np.mean(first)) * summary["sizes"][0] / summary["sizes"][-1]


def _tanh_means(summary: dict[str, Any]) -> list[float]:
    return [float(np.mean(values)) for values in summary["tanh"].values()]


_DAMBRE = "Dambre et al. 2012, doi:10.1038/srep00514, abstract"

CLAIMS = (
    Claim(
        "No network holds more inputs than it has units.",
        f"{_DAMBRE}; Jaeger 2001, GMD report 152",
        "bounded by the number of linearly independent state variables",
        lambda s: f"at most {_largest(s):.4f} inputs a unit, over all networks",
        lambda s: _largest(s) < 1.01,  # what a finite sequence leaves open
    ),
    Claim(
        "A linear network with independent inputs holds as many as the rank of its controllability matrix, which for a "
        "ring and for a random orthogonal matrix is the number of its units.",
        "Gonon, Grigoryeva & Ortega 2020, arXiv:2004.11234, abstract",
        "the rank: 1 a unit",
        lambda s: ", ".join(
            f"{kind} {min(_shares(s, kind)):.3f} to {max(_shares(s, kind)):.3f}" for kind in ("ring", "orthogonal")
        ),
        lambda s: min(_shares(s, "ring") + _shares(s, "orthogonal")) > 0.95,
    ),
    Claim(
        "The memory of distributed shift registers and of random orthogonal networks scales with their size.",
        "White, Lee & Sompolinsky 2004, doi:10.1103/PhysRevLett.92.148102, abstract",
        "scales with system size",
        lambda s: (
            f"from {s['sizes'][0]} to {s['sizes'][-1]} units {_growth(s, 'ring'):.3f} (ring) and "
            f"{_growth(s, 'orthogonal'):.3f} (orthogonal) times as the size"
        ),
        lambda s: all(abs(_growth(s, kind) - 1) < 0.05 for kind in ("ring", "orthogonal")),
    ),
    Claim(
        "A ring forgets by the closed form.",
        "the closed form for inputs that enter at one unit: R^2 = f^floor(lag / n) (1 - f)",
        "f^floor(lag / n) (1 - f)",
        lambda s: f"largest difference {s['ring_error']:.3f}, over all lags, sizes and seeds",
        lambda s: s["ring_error"] < 0.05,
    ),
    Claim(
        "Capacities that are estimated from states contradict the theory for numerical reasons alone: for a Gaussian "
        "matrix, whose rank is full, the estimate falls far short.",
        "Ballarin, Grigoryeva & Ortega 2024, arXiv:2305.01457, abstract",
        "a gap between the theoretical capacity and its empirical counterpart",
        lambda s: (
            f"at {s['sizes'][-1]} units, in float64, "
            f"{min(s['linear']['Gaussian'][str(s['sizes'][-1])]):.1f} to "
            f"{max(s['linear']['Gaussian'][str(s['sizes'][-1])]):.1f}"
        ),
        lambda s: max(s["linear"]["Gaussian"][str(s["sizes"][-1])]) < 0.8 * s["sizes"][-1],
    ),
    Claim(
        "The more a network's computation is non-linear, the shorter its memory.",
        f"{_DAMBRE} (a trade-off between the non-linearity of the computation and the short-term memory)",
        "universal trade-off",
        lambda s: (
            f"of {s['tanh_size']} units with tanh: {' / '.join(f'{value:.1f}' for value in _tanh_means(s))} "
            f"for inputs times {' / '.join(s['tanh'])}"
        ),
        lambda s: (
            bool(np.all(np.diff(_tanh_means(s)) < 0))
            and _tanh_means(s)[0] > 0.9 * s["tanh_size"]
            and _tanh_means(s)[-1] < 0.5 * s["tanh_size"]
        ),
    ),
)

EXPERIMENT = Experiment(
    name="memory_capacity",
    title="Memory capacity",
    papers="Jaeger 2001; White, Lee & Sompolinsky 2004; Dambre et al. 2012; Gonon et al. 2020; Ballarin et al. 2024",
    description="A linear network holds as many past inputs as it has units, and one that saturates fewer.",
    protocol="Simple recurrent networks of fixed random weights with one input, independent draws from U(-1, 1), in "
    "float64. Their recurrent matrix is a ring (a cyclic shift, inputs entering at one unit), a random orthogonal "
    "matrix, or one of independent Gaussian entries, scaled to a spectral radius whose square, to the power of the "
    "number of units, is 0.1; input weights are Gaussian. A linear readout without penalty is fitted for each lag to "
    "the first half of a sequence of 20,000 steps (`paper`: 100,000), and R^2 taken on the second; the capacity is its "
    "sum over lags to four times the size, of what is positive. Networks with tanh have orthogonal matrices, and "
    "inputs of five scales.",
    deviations=(
        "Of the papers the abstracts were read, and of Jaeger's report nothing; the bound is attributed to it by the "
        "others. Sizes, radii, scales and the length of the sequence are this library's.",
        "An estimate from a finite sequence may exceed the bound by its error: what is less than 1 % above it counts "
        "as not above it.",
        "White et al. treat networks with noise; here there is none.",
        "Pilot runs with the seeds 100 and 101 had inputs times 0.01 too: 98.2 and 99.7 inputs in 100 units with tanh, "
        "against 98.4 and 99.6 for inputs times 0.1. Both are linear there, and the smaller one was left out.",
        "Ballarin et al. compute capacities from moments of states; here readouts are fitted and judged on other "
        "steps, which makes an estimate too low rather than too high.",
    ),
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
)
