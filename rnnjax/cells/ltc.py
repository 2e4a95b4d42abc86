"""The liquid time-constant network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import check
from rnnjax.inputs import checked_width, timed

Array = jax.Array


class LTCState(NamedTuple):
    """`h`: membrane potentials, the output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LTC(UnitCell):
    """Liquid time-constant network: leaky neurons whose synapses conduct as much as their source is active.

        C_j dh_j/dt = g_j (l_j - h_j) + sum_i s_ij(h_i) (E_ij - h_j) + sum_k r_kj(x_k) (F_kj - h_j)
        s_ij(a) = w_ij sigmoid(sigma_ij (a - mu_ij)),   and r likewise, of the inputs

    Hasani et al. 2021, arXiv:2006.04439. The solver is the paper's: `unfolds` semi-implicit Euler steps a step, of d =
    elapsed / unfolds, which are stable for any d because h_j stands on the left of each:

        h_j <- (C_j h_j + d (g_j l_j + sum_i s_ij E_ij + sum_k r_kj F_kj)) / (C_j + d (g_j + sum_i s_ij + sum_k r_kj))

    Inputs are a plain array, one unit of time a step, or `Timed(x, elapsed)`; x is constant during a step. Each step
    computes features^2 sigmoids a row and unfold: these are small networks. All units are connected with all.

    Parameters: `capacitance`, `leak_conductance`, `leak_potential [features]`; `conductance`, `slope`, `threshold`,
    `reversal [features, features]` of the synapses between units, source first, and `input_conductance`, `input_slope`,
    `input_threshold`, `input_reversal [in_features, features]`. Capacitances and conductances are positive: they are
    the softplus of their parameters.

    The start is that of the authors' package: C from U(0.4, 0.6), g and w from U(0.001, 1), l from U(-0.2, 0.2), sigma
    from U(3, 8), mu from U(0.3, 0.8), and reversal potentials E of -1 in one of three cases, else 1. ncps 1.0.1 adds
    affine maps of inputs and outputs, clips at zero instead of the softplus unless it is asked not to, and adds 1e-8 to
    the denominator.

    Args:
      unfolds: number of solver steps a step.
      excitatory: probability that a synapse starts with E = 1.

    Raises:
      InputError: a number of steps that is no positive int, or a probability outside [0, 1].
    """

    recurrent_kernels: ClassVar = ()
    equation: ClassVar = "C dh/dt = g(l-h) + sum_i w*sig(sigma*(h_i-mu))*(E-h) + the same of x, semi-implicitly"
    source: ClassVar = "Hasani et al. 2021, arXiv:2006.04439"
    verified: ClassVar = ("ncps 1.0.1",)

    _: dataclasses.KW_ONLY
    unfolds: int = 6
    excitatory: float = 2 / 3

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.unfolds, int) and not isinstance(self.unfolds, bool) and self.unfolds >= 1
        check(valid, "LTC.unfolds", self.unfolds, "a positive int")
        check(0 <= self.excitatory <= 1, "LTC.excitatory", self.excitatory, "a probability in [0, 1]")

    @property
    def dynamics(self) -> LTC:
        return dataclasses.replace(self, excitatory=2 / 3)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        width, dtype = checked_width(in_features), self.precision.dtype("params")
        wide, units = jnp.promote_types(dtype, jnp.float32), (self.features,)
        keys = iter(jax.random.split(key, 11))

        def within(low, high, shape):
            return jax.random.uniform(next(keys), shape, wide, low, high)

        def synapses(shape):
            reversal = 2.0 * jax.random.bernoulli(next(keys), self.excitatory, shape) - 1.0
            return {
                "conductance": _unconstrained(within(0.001, 1.0, shape)),
                "slope": within(3.0, 8.0, shape),
                "threshold": within(0.3, 0.8, shape),
                "reversal": reversal,
            }

        params = {
            "capacitance": _unconstrained(within(0.4, 0.6, units)),
            "leak_conductance": _unconstrained(within(0.001, 1.0, units)),
            "leak_potential": within(-0.2, 0.2, units),
            **synapses((self.features, self.features)),
            **{f"input_{name}": leaf for name, leaf in synapses((width, self.features)).items()},
        }
        return {name: leaf.astype(dtype) for name, leaf in params.items()}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LTCState:
        return LTCState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        for name in ("capacitance", "leak_conductance", "conductance", "input_conductance"):
            weights[name] = jax.nn.softplus(weights[name])
        for kind in ("", "input_"):
            weights[f"{kind}current"] = weights[f"{kind}conductance"] * weights.pop(f"{kind}reversal")
        weights["leak"] = weights["leak_conductance"] * weights.pop("leak_potential")
        return weights

    def project(self, weights, xs):
        x, elapsed = timed(xs)
        compute = self.precision.dtype("compute")
        current, conductance = _summed(weights, x.astype(compute), "input_")
        return {
            "current": current + weights["leak"],
            "conductance": conductance + weights["leak_conductance"],
            "interval": elapsed.astype(compute) / self.unfolds,
        }

    def recur(self, weights, carry, drive):
        h = carry.h
        for _ in range(self.unfolds):
            current, conductance = _summed(weights, h.astype(self.precision.dtype("compute")), "")
            current = drive["interval"] * (current + drive["current"])
            conductance = drive["interval"] * (conductance + drive["conductance"])
            h = (weights["capacitance"] * h + current) / (weights["capacitance"] + conductance)
        return LTCState(h), h


def _summed(weights: dict[str, Array], sources: Array, kind: str) -> tuple[Array, Array]:
    """Currents and conductances of all synapses onto each unit, `[..., sources] -> [..., features]` twice."""
    slope, threshold = weights[f"{kind}slope"], weights[f"{kind}threshold"]
    activity = jax.nn.sigmoid(slope * (sources[..., None] - threshold))
    summed = [jnp.einsum("...ij,ij->...j", activity, weights[f"{kind}{name}"]) for name in ("current", "conductance")]
    return summed[0], summed[1]


def _unconstrained(positive: Array) -> Array:
    """What the softplus of is `positive`."""
    return jnp.log(jnp.expm1(positive))
