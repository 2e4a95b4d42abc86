"""Gradients of linear orthogonal networks change by exactly their gain a step, and tanh only makes them smaller."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness.claims import Claim
from experiments.harness.experiment import Experiment, Outcome, Section
from rnnjax import Elman, Precision
from rnnjax.analysis import gradient_flow, jacobian_spectrum
from rnnjax.initializers import Orthogonal
from rnnjax.training.run_folder import RunFolder

LN10 = math.log(10)


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      gains: g, the scale of the orthogonal recurrent matrix; 1 among them.
      features: width of the networks.
      in_features: width of the inputs, which are N(0, 1) and independent from step to step.
      lag: steps back from the loss at which gradients are read.
      long_lag: the same where they have long left the range of floats.
      spectrum_lags: lags of the Jacobian products.
      rows: sequences of the tanh networks.
      seeds: networks for each gain.
      processes: not used: it is a matter of seconds.
    """

    gains: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05, 1.1)
    features: int = 64
    in_features: int = 4
    lag: int = 200
    long_lag: int = 20_000
    spectrum_lags: tuple[int, ...] = (1, 2, 5, 10, 20, 50, 100, 200)
    rows: int = 16
    seeds: tuple[int, ...] = (0, 1, 2)
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(features=128, long_lag=100_000, rows=64, seeds=(0, 1, 2, 3, 4)),
}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Measures gradients and Jacobian products of linear and tanh networks, in float64."""
    flows: dict[str, dict[str, list[np.ndarray]]] = {"linear": {}, "long": {}, "tanh": {}}
    spectra: dict[str, list[np.ndarray]] = {}
    with jax.enable_x64(True):
        for gain in config.gains:
            name = f"g = {gain:g}"
            for seed in config.seeds:
                measured = measure(config, gain, seed)
                for kind, rows in flows.items():
                    rows.setdefault(name, []).append(measured[kind])
                spectra.setdefault(name, []).append(measured["spectrum"])
                folder.append({"gain": gain, "seed": seed, **_numbers(config, gain, measured)})
            print(f"{name}: gradients and Jacobians of {len(config.seeds)} networks", flush=True)
    joined = {kind: {name: np.concatenate(rows) for name, rows in of.items()} for kind, of in flows.items()}
    products = {name: np.concatenate(rows) for name, rows in spectra.items()}
    summary = summarize(config, joined, products)
    return Outcome(summary, _sections(config, joined, products))


def measure(config: Config, gain: float, seed: int) -> dict[str, np.ndarray]:
    """Natural logarithms of |dL/dh| relative to lag 0, `[rows, time]`, and of singular values, `[rows, lags, n]`.

    "linear" and "long" are without inputs: the gradient of a linear network does not depend on its state, and the state
    of one with a gain above 1 leaves the range of floats. "tanh" is driven.
    """
    network_key, input_key, loss_key = jax.random.split(jax.random.key(seed), 3)
    recurrent, precision = Orthogonal(gain), Precision("float64")
    cells = {kind: Elman(config.features, recurrent_init=recurrent, activation=kind, precision=precision)
             for kind in ("identity", "tanh")}  # fmt: skip
    params = cells["tanh"].init(network_key, config.in_features)
    weights = jax.random.normal(loss_key, (config.features,), jnp.float64)
    loss = lambda ys, carry: jnp.sum(ys[:, -1] @ weights)  # noqa: E731
    inputs = jax.random.normal(input_key, (config.rows, config.lag + 1, config.in_features), jnp.float64)

    def relative(kind: str, xs: jax.Array) -> np.ndarray:
        logs = np.asarray(gradient_flow(cells[kind], params, xs, loss).log_norms)
        return logs - logs[:, -1:]

    silent = {kind: jnp.zeros((1, lag + 1, config.in_features), jnp.float64)
              for kind, lag in (("linear", config.lag), ("long", config.long_lag))}  # fmt: skip
    spectrum = jacobian_spectrum(cells["identity"], params, silent["linear"], config.spectrum_lags)
    return {
        "linear": relative("identity", silent["linear"]),
        "long": relative("identity", silent["long"]),
        "tanh": relative("tanh", inputs),
        "spectrum": np.asarray(spectrum.log_singular_values),
    }


def deviation(gain: float, logs: np.ndarray) -> float:
    """The largest relative error of the norms `exp(logs)`, `[..., time]`, against g^k at lag k."""
    lags = np.arange(logs.shape[-1])[::-1]
    return float(np.max(np.abs(np.expm1(logs - lags * math.log(gain)))))


def _numbers(config: Config, gain: float, measured: dict[str, np.ndarray]) -> dict[str, Any]:
    lags = np.asarray(config.spectrum_lags)[:, None]
    bound = np.arange(config.lag + 1)[::-1] * math.log(gain)
    return {
        "error": deviation(gain, measured["linear"]),
        "long_error": float(np.max(np.abs(measured["long"][:, 0] / (config.long_lag * math.log(gain)) - 1)))
        if gain != 1
        else float(np.max(np.abs(measured["long"][:, 0]))),
        "long_decades": float(measured["long"][0, 0] / LN10),
        "spectrum_error": float(np.max(np.abs(np.expm1(measured["spectrum"] - lags * math.log(gain))))),
        "tanh_decades": float(np.median(measured["tanh"][:, 0]) / LN10),
        "tanh_largest_decades": float(np.max(measured["tanh"][:, 0]) / LN10),
        "tanh_below_bound": bool(np.all(measured["tanh"][:, :-1] < bound[:-1])),
    }


def summarize(config: Config, flows: dict[str, dict[str, np.ndarray]], spectra: dict[str, np.ndarray]) -> dict:
    """The numbers by gain: what claims and table are made from."""
    by_gain = {}
    for gain in config.gains:
        name = f"g = {gain:g}"
        measured = {kind: of[name] for kind, of in flows.items()} | {"spectrum": spectra[name]}
        by_gain[f"{gain:g}"] = {"oracle_decades": config.lag * math.log10(gain), **_numbers(config, gain, measured)}
    return {"seeds": list(config.seeds), "lag": config.lag, "long_lag": config.long_lag, "gains": by_gain}


def _sections(config: Config, flows, spectra) -> tuple[Section, ...]:
    from rnnjax.analysis import figures

    names = list(spectra)
    drawn = functools.partial(figures.gradient_flow_figure, relative=True, names=names)
    titled = {kind: drawn(flows[kind]) for kind in ("linear", "tanh")}
    numbers = summarize(config, flows, spectra)["gains"]
    header = ("gain", f"g^{config.lag}", "largest error of the linear network", f"at lag {config.long_lag:,}",
              "error of its exponent", "largest error of a singular value", "tanh network")  # fmt: skip
    rows = tuple(
        (gain, f"10^{row['oracle_decades']:.3f}", f"{row['error']:.1e}", f"10^{row['long_decades']:.1f}",
         f"{row['long_error']:.1e}", f"{row['spectrum_error']:.1e}", f"10^{row['tanh_decades']:.1f}")
        for gain, row in numbers.items()
    )  # fmt: skip
    return (
        Section(
            "Linear networks",
            f"The gradient of a loss on the last state, on its way back through {config.lag} steps of h' = Wh with an "
            "orthogonal W times g: straight lines with slope log g, below 1 the vanishing and above 1 the exploding "
            f"gradient. All {len(config.seeds)} networks of a gain lie on one line.",
            (("Gradient norm relative to lag 0, all networks.", titled["linear"]),),
            ((header, rows),),
        ),
        Section(
            "Networks with tanh",
            "The same matrices with tanh and random inputs. Its slope is below 1 wherever the state is not zero, so "
            "that g^k is an upper bound: a gain above 1 is necessary for gradients to explode, and not sufficient.",
            ((f"Median and central 80 % over {config.rows} sequences of each network.", titled["tanh"]),),
        ),
        Section(
            "Beyond the range of floats",
            f"The linear networks over {config.long_lag:,} steps. A float64 ends at 10^-308 and 10^308; the gradient "
            "is carried as a mantissa and an exponent. Dashed: the ends of the range.",
            (("Gradient norm relative to lag 0.", _long_figure(config, flows["long"])),),
        ),
        Section(
            "All directions",
            "Singular values of products of Jacobians. An orthogonal matrix treats all directions alike, so that the "
            "largest, the median and the smallest are one.",
            (("Singular values against the lag.",
              figures.spectrum_figure({name: (config.spectrum_lags, logs) for name, logs in spectra.items()},
                                      names=names)),),
        ),
    )  # fmt: skip


def _long_figure(config: Config, flows: dict[str, np.ndarray]) -> Any:
    """Decades against lag, at 200 of all the lags."""
    from rnnjax.analysis import style

    shown = np.linspace(0, config.long_lag, 201).astype(int)
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes, ends = style.strokes(flows), []
        for name, logs in flows.items():
            decades = np.median(logs, axis=0)[::-1][shown] / LN10
            axes.plot(shown, decades, color=strokes[name].color)
            ends.append(style.End(name, float(decades[-1]), strokes[name].text))
        for edge in (-308, 308):
            axes.axhline(edge, color=style.SOFT, linewidth=0.7, linestyle=(0, (3, 2)))
        axes.set_xlim(0, config.long_lag)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:.0f}}}$")
        axes.set_xlabel("lag: steps back from the loss")
        axes.set_ylabel(r"gradient norm  $\|\partial L\,/\,\partial h_t\|$, relative to lag 0")
        style.label_ends(figure, axes, ends)
        style.settle(figure)
    return figure


def _worst(summary: dict[str, Any], number: str) -> float:
    return max(row[number] for row in summary["gains"].values())


def _tanh(summary: dict[str, Any], number: str = "tanh_decades") -> str:
    return ", ".join(f"10^{row[number]:.1f} at g = {gain}" for gain, row in summary["gains"].items())


CLAIMS = (
    Claim(
        "In a linear network gradients change with the k-th power of the recurrent matrix: for an orthogonal matrix "
        "times g, exactly by g^k.",
        "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 2.1 (linear model)",
        "g^k",
        lambda s: f"largest relative error {_worst(s, 'error'):.1e} over lags to {s['lag']}, all gains and seeds",
        lambda s: _worst(s, "error") < 1e-6,
    ),
    Claim(
        "The law holds far outside of the range of floats.",
        "the same closed form",
        "g^k",
        lambda s: (
            f"at lag {s['long_lag']:,}: 10^{min(r['long_decades'] for r in s['gains'].values()):.1f} to "
            f"10^{max(r['long_decades'] for r in s['gains'].values()):.1f}, relative error of the exponent "
            f"{_worst(s, 'long_error'):.1e}"
        ),
        lambda s: _worst(s, "long_error") < 1e-6,
    ),
    Claim(
        "Orthogonal matrices carry gradients back in all directions alike, and at gain 1 without loss.",
        "Saxe, McClelland & Ganguli 2014, arXiv:1312.6120, abstract; Henaff, Szlam & LeCun 2016, arXiv:1602.06662",
        "faithful propagation of gradients",
        lambda s: (
            f"singular values are g^k to {_worst(s, 'spectrum_error'):.1e}; at g = 1 and lag {s['long_lag']:,} the "
            f"norm has changed by {abs(math.expm1(s['gains']['1']['long_decades'] * LN10)):.1e} of itself"
        ),
        lambda s: _worst(s, "spectrum_error") < 1e-6 and abs(s["gains"]["1"]["long_decades"]) < 1e-6,
    ),
    Claim(
        "With tanh, g^k is an upper bound.",
        "Pascanu, Mikolov & Bengio 2013, section 2.1 (bounded derivative of the non-linearity)",
        "|dh_k/dh_0| <= g^k",
        lambda s: f"after {s['lag']} steps {_tanh(s)}",
        lambda s: all(row["tanh_below_bound"] for row in s["gains"].values()),
    ),
    Claim(
        "A gain above 1 is necessary for gradients to explode, but not sufficient: with tanh they may vanish.",
        "Pascanu, Mikolov & Bengio 2013, section 2.1",
        "necessary for it to be larger than 1 for gradients to explode",
        lambda s: f"largest of all sequences after {s['lag']} steps {_tanh(s, 'tanh_largest_decades')}",
        lambda s: all(row["tanh_largest_decades"] < -1 for row in s["gains"].values()),
    ),
)

EXPERIMENT = Experiment(
    name="orthogonal_decay",
    title="Gradients of orthogonal networks",
    papers="Pascanu, Mikolov & Bengio 2013; Saxe, McClelland & Ganguli 2014; Henaff, Szlam & LeCun 2016",
    description="Gradients of linear orthogonal networks change by exactly the gain a step; tanh makes them smaller.",
    protocol="Simple recurrent networks at initialisation, with a random orthogonal recurrent matrix times the gain, "
    "no bias, and LeCun-normal input weights, once with the identity and once with tanh, in float64. The loss is a "
    "random linear function of the last state. Its gradient with respect to the state at each lag is set against g^k, "
    "and so are the singular values of products of Jacobians. Linear networks have no inputs, since their gradient "
    "does not depend on the state; tanh networks have normal inputs.",
    deviations=(
        "The papers derive the law and show no figure or table of it: the gains, widths and lags are this library's.",
        "Henaff et al. was not read; what is attributed to it is that orthogonal matrices preserve norms.",
    ),
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
)
