"""The curse of memory: the longer a linear unit remembers, the more a change of its eigenvalue changes its state."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.experiment import Experiment, Outcome, Section
from rnnjax import LRU, IndRNN, unroll
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      eigenvalues: lambda, in ascending order, below 1.
      correlations: rho of the inputs, E[x_t x_t+d] = rho^d, unit variance; 1 is a constant input.
      steps: that count, of each row.
      burn_in: steps before these; the derivative is stationary after some ten memory times 1 / (1 - lambda).
      rows: sequences, the independent samples that standard errors come from.
      seeds: draws of the inputs; all rows count together.
      processes: not used: it is a matter of seconds.
    """

    eigenvalues: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
    correlations: tuple[float, ...] = (0.0, 0.5, 0.9, 1.0)
    steps: int = 2000
    burn_in: int = 1500
    rows: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        eigenvalues=(0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999),
        correlations=(0.0, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0),
        steps=10_000,
        burn_in=15_000,
        rows=256,
        seeds=(0, 1, 2, 3, 4),
    ),
}


def state_variance(eigenvalue: Any, correlation: float) -> Any:
    """E h^2 of `h' = lambda h + x`: (1 + rho lambda) / ((1 - rho lambda)(1 - lambda^2)). Their equation 5."""
    return (1 + correlation * eigenvalue) / ((1 - correlation * eigenvalue) * (1 - eigenvalue**2))


def sensitivity(eigenvalue: Any, correlation: float) -> Any:
    """E (dh/dlambda)^2, for white inputs (1 + lambda^2) / (1 - lambda^2)^3. Their equation 6, for R(d) = rho^d."""
    product, gap = correlation * eigenvalue, 1 - eigenvalue**2
    return ((1 + eigenvalue**2) * (1 - product**2) + 2 * gap * product) / (gap**3 * (1 - product) ** 2)


def lru_sensitivity(eigenvalue: Any, correlation: float) -> Any:
    """E (dh/dnu_log)^2 of an LRU unit with lambda = exp(-exp(nu_log)) and inputs times sqrt(1 - lambda^2)."""
    return (1 - eigenvalue**2) * (eigenvalue * np.log(eigenvalue)) ** 2 * sensitivity(eigenvalue, correlation)


ORACLES = {
    "state": state_variance,
    "sensitivity": sensitivity,
    "lru_state": lambda eigenvalue, correlation: (1 - eigenvalue**2) * state_variance(eigenvalue, correlation),
    "lru_sensitivity": lru_sensitivity,
}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Measures states and their derivatives by simulation, and sets them against the closed forms."""
    found: dict[str, dict[str, Any]] = {}
    for correlation in config.correlations:
        samples = [simulate(config, correlation, seed) for seed in config.seeds]
        row: dict[str, Any] = {}
        for name, oracle in ORACLES.items():
            rows = np.concatenate([np.asarray(sample[name], float) for sample in samples])
            row[name] = {
                "measured": rows.mean(0).tolist(),
                "standard_error": (rows.std(0, ddof=1) / np.sqrt(len(rows))).tolist(),
                "closed_form": oracle(np.asarray(config.eigenvalues), correlation).tolist(),
            }
        found[f"{correlation:g}"] = row
        folder.append({"correlation": correlation, **row})
        print(f"inputs of correlation {correlation:g}: {config.rows * len(config.seeds)} sequences", flush=True)
    summary = {"seeds": list(config.seeds), "eigenvalues": list(config.eigenvalues), "correlations": found}
    return Outcome(summary, _sections(config, summary))


def simulate(config: Config, correlation: float, seed: int) -> dict[str, jax.Array]:
    """Means over time of the squares of states and derivatives, `[rows, eigenvalues]`, by the names of `ORACLES`."""
    eigenvalues = jnp.asarray(config.eigenvalues)
    units, time = len(config.eigenvalues), config.burn_in + config.steps
    plain, lru = IndRNN(units, activation="identity"), LRU(1, state_features=units)
    ones, zeros = jnp.ones((1, units)), jnp.zeros((units, 1))
    unit = {"kernel": ones, "bias": jnp.zeros(units)}
    normalized = {
        "gamma_log": 0.5 * jnp.log(1 - eigenvalues**2),
        "theta_log": jnp.full(units, -30.0),  # a phase of zero: real eigenvalues
        "kernel_real": ones,
        "kernel_imag": 0 * ones,
        "output_kernel_real": zeros,
        "output_kernel_imag": zeros,
        "skip": jnp.zeros(1),
    }
    draw = functools.partial(_inputs, rows=config.rows, time=time)
    xs = draw(jax.random.key(seed), jnp.float32(correlation))
    found = {}
    for name, cell, rest, leaf, at in (
        ("", plain, unit, "recurrent_vector", eigenvalues),
        ("lru_", lru, normalized, "nu_log", jnp.log(-jnp.log(eigenvalues))),
    ):
        state, tangent = _squares(cell, rest, leaf, at, xs, config.burn_in)
        found |= {f"{name}state": state, f"{name}sensitivity": tangent}
    return found


@functools.partial(jax.jit, static_argnames=("rows", "time"))
def _inputs(key: jax.Array, correlation: jax.Array, rows: int, time: int) -> jax.Array:
    """Stationary inputs of unit variance with E[x_t x_t+d] = correlation^d, `[rows, time, 1]`."""
    noise = jax.random.normal(key, (time, rows))

    def step(x, fresh):
        x = correlation * x + jnp.sqrt(1 - correlation**2) * fresh
        return x, x

    _, later = jax.lax.scan(step, noise[0], noise[1:])
    return jnp.concatenate([noise[:1], later]).T[..., None]


@functools.partial(jax.jit, static_argnums=(0, 2, 5))
def _squares(cell, rest, leaf: str, at: jax.Array, xs: jax.Array, burn_in: int) -> tuple[jax.Array, jax.Array]:
    """Means over time of h^2 and (dh/dp)^2, p being each unit's own entry of a leaf of the parameters."""

    def states(values):
        _, _, carries = unroll(cell, {**rest, leaf: values}, xs, return_carries=True, engine="scan", hoist=False)
        return carries[0]

    pair = jax.jvp(states, (at,), (jnp.ones_like(at),))  # units do not touch each other: one direction has them all
    state, tangent = (jnp.mean(jnp.square(found[:, burn_in:]), axis=1) for found in pair)
    return state, tangent


def _sections(config: Config, summary: dict[str, Any]) -> tuple[Section, ...]:
    white = summary["correlations"]["0"]
    header = (
        "eigenvalue",
        "E h^2",
        "closed form",
        "E (dh/dlambda)^2",
        "closed form",
        "E (dh/dnu)^2, LRU",
        "closed form",
    )
    rows = []
    for i, eigenvalue in enumerate(config.eigenvalues):
        cells = [f"{eigenvalue:g}"]
        for name in ("state", "sensitivity", "lru_sensitivity"):
            one = white[name]
            cells.append(f"{one['measured'][i]:.4g} +- {one['standard_error'][i]:.1g}")
            cells.append(f"{one['closed_form'][i]:.4g}")
        rows.append(tuple(cells))
    return (
        Section(
            "State and sensitivity against memory",
            "A linear unit h' = lambda h + x with inputs of unit variance. Lines are closed forms, dots simulations. "
            "As the memory 1 / (1 - lambda) grows, the state grows, and its derivative with respect to lambda grows "
            "faster: no gradient explodes in time, and yet a small step of lambda changes the output beyond bounds. "
            "Correlated inputs make it worse.\n\n"
            "On the right an LRU unit, with inputs times sqrt(1 - lambda^2) and lambda = exp(-exp(nu)): for inputs "
            "that are not constant, its derivative with respect to nu levels off. For constant inputs it still grows.",
            (("Mean squares against memory; rho is the correlation of successive inputs.", _figure(config, summary)),),
        ),
        Section(
            "White inputs",
            f"Means over {config.rows * len(config.seeds)} sequences of {config.steps:,} steps, with standard errors.",
            tables=((header, tuple(rows)),),
        ),
    )


def _figure(config: Config, summary: dict[str, Any]) -> Any:
    from rnnjax.analysis import style

    panels = {
        "state": r"state  $E\,h^2$",
        "sensitivity": r"sensitivity  $E\,(\partial h/\partial\lambda)^2$",
        "lru_sensitivity": r"LRU  $E\,(\partial h/\partial\nu)^2$",
    }
    eigenvalues = np.asarray(config.eigenvalues)
    smooth = 1 - np.geomspace(1 - eigenvalues[0], 1 - eigenvalues[-1], 200)
    with style.applied():
        figure = style.new_figure(height=2.7)
        grid = figure.subplots(1, len(panels))
        strokes = style.strokes(f"{correlation:g}" for correlation in config.correlations)
        for axes, (name, title) in zip(grid, panels.items(), strict=True):
            for correlation, found in summary["correlations"].items():
                color = strokes[correlation].color
                axes.plot(1 / (1 - smooth), ORACLES[name](smooth, float(correlation)), color=color, linewidth=1.2)
                measured = found[name]["measured"]
                axes.plot(1 / (1 - eigenvalues), measured, "o", color=color, markersize=3.2, label=correlation)
            axes.set(xscale="log", yscale="log", title=title)
        grid[1].set_xlabel(r"memory  $1\,/\,(1-\lambda)$  (steps)")
        grid[-1].legend(title=r"$\rho$", loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _worst(summary: dict[str, Any], names: tuple[str, ...], correlations: tuple[str, ...] | None = None) -> float:
    """The largest difference between measured and closed form, in standard errors."""
    chosen = summary["correlations"] if correlations is None else correlations
    each = [summary["correlations"][correlation][name] for correlation in chosen for name in names]
    parts = (np.subtract(one["measured"], one["closed_form"]) / np.asarray(one["standard_error"]) for one in each)
    return float(max(np.max(np.abs(part)) for part in parts))


def _last(summary: dict[str, Any], name: str, correlation: str = "0") -> str:
    one = summary["correlations"][correlation][name]
    return f"{one['measured'][-1]:.5g} against {one['closed_form'][-1]:.5g} at lambda = {summary['eigenvalues'][-1]:g}"


def _slope(summary: dict[str, Any], name: str) -> float:
    """The power of 1 / (1 - lambda^2) with which a measured mean grows between the two largest eigenvalues."""
    gap = np.log(1 - np.square(summary["eigenvalues"][-2:]))
    values = np.log(summary["correlations"]["0"][name]["measured"][-2:])
    return float((values[1] - values[0]) / (gap[0] - gap[1]))


def _growth(summary: dict[str, Any], name: str) -> float:
    """By which factor a measured mean grows from the first eigenvalue of at least 0.9 to the last one."""
    first = next(i for i, eigenvalue in enumerate(summary["eigenvalues"]) if eigenvalue >= 0.9)
    measured = summary["correlations"]["0"][name]["measured"]
    return measured[-1] / measured[first]


def _by_correlation(summary: dict[str, Any]) -> list[float]:
    """Measured sensitivity at the largest eigenvalue, relative to that for white inputs, in order of rho."""
    values = [found["sensitivity"]["measured"][-1] for found in summary["correlations"].values()]
    return [value / values[0] for value in values]


_SOURCE = "Zucchet & Orvieto 2024, arXiv:2405.21064"

CLAIMS = (
    Claim(
        "For white inputs the state has the variance 1 / (1 - lambda^2).",
        f"{_SOURCE}, equation 5",
        "1 / (1 - lambda^2)",
        lambda s: f"{_last(s, 'state')}; largest difference {_worst(s, ('state',), ('0',)):.1f} standard errors",
        lambda s: _worst(s, ("state",), ("0",)) < 4,
    ),
    Claim(
        "For white inputs the derivative of the state has the mean square (1 + lambda^2) / (1 - lambda^2)^3.",
        f"{_SOURCE}, equation 6",
        "(1 + lambda^2) / (1 - lambda^2)^3",
        lambda s: (
            f"{_last(s, 'sensitivity')}; largest difference {_worst(s, ('sensitivity',), ('0',)):.1f} standard errors"
        ),
        lambda s: _worst(s, ("sensitivity",), ("0",)) < 4,
    ),
    Claim(
        "The closed forms hold for correlated inputs.",
        f"{_SOURCE}, equations 5 and 6; published code, figures/1D-case.ipynb",
        "as printed there, for a correlation of rho^d at lag d",
        lambda s: (
            f"rho = {', '.join(s['correlations'])}: largest difference "
            f"{_worst(s, ('state', 'sensitivity')):.1f} standard errors"
        ),
        lambda s: _worst(s, ("state", "sensitivity")) < 4,
    ),
    Claim(
        "As memory grows, the state's sensitivity to lambda explodes faster than the state, without any exploding "
        "gradient.",
        f"{_SOURCE}, abstract; exponents from equations 5 and 6",
        "powers 3 and 1 of 1 / (1 - lambda^2)",
        lambda s: f"powers {_slope(s, 'sensitivity'):.2f} and {_slope(s, 'state'):.2f}",
        lambda s: abs(_slope(s, "sensitivity") - 3) < 0.3 and abs(_slope(s, "state") - 1) < 0.1,
    ),
    Claim(
        "The more the inputs are correlated, the larger the sensitivity.",
        f"{_SOURCE}, equation 6 (Fig. 1)",
        "grows with rho",
        lambda s: (
            f"relative to white inputs {' / '.join(f'{value:.3g}' for value in _by_correlation(s))} "
            f"at rho = {' / '.join(s['correlations'])}"
        ),
        lambda s: bool(np.all(np.diff(_by_correlation(s)) > 0)) and _by_correlation(s)[-1] > 10,
    ),
    Claim(
        "Normalised inputs and the exponential parametrisation of the LRU keep the sensitivity bounded for white "
        "inputs.",
        f"{_SOURCE}, abstract: careful parametrisations mitigate the effect",
        "mitigated",
        lambda s: (
            f"from lambda = 0.9 to {s['eigenvalues'][-1]:g} the mean square grows {_growth(s, 'sensitivity'):,.0f} "
            f"times, in the LRU {_growth(s, 'lru_sensitivity'):.2f} times"
        ),
        lambda s: _growth(s, "sensitivity") > 100 and _growth(s, "lru_sensitivity") < 2,
    ),
)

EXPERIMENT = Experiment(
    name="curse_of_memory",
    title="The curse of memory",
    papers="Zucchet & Orvieto 2024",
    description="The longer a linear unit remembers, the more a change of its eigenvalue changes its state.",
    protocol="Linear units with fixed real eigenvalues, driven by stationary Gaussian inputs whose correlation falls "
    "as rho^d. The mean squares of state and derivative are taken over time, after a burn-in, and over sequences, with "
    "the derivative from forward-mode differentiation through the recurrence; standard errors are over sequences. They "
    "are set against the closed forms. The LRU is this library's cell, with its normalisation and its logarithms as "
    "parameters, at real eigenvalues and unit input weights; the normalisation is a parameter of its own there, and "
    "is held fixed in the derivative.",
    deviations=(
        "The paper draws the closed forms; here they are also measured on recurrences.",
        "Only real eigenvalues are shown; the paper also treats the phase of complex ones.",
    ),
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
)
