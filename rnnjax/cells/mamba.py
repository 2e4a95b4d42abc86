"""The selective state space of Mamba."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.affine import AffineCell
from rnnjax.errors import check
from rnnjax.initializers import Lecun
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot_inputs

Array = jax.Array

_SHORTEST = 1e-4  # no initial step size is below


class MambaState(NamedTuple):
    """`memory [*batch, features * state_features]`: the states of all features, one after the other."""

    memory: Array


@dataclasses.dataclass(frozen=True, repr=False)
class Mamba(AffineCell):
    """Selective state space (S6): a state space for each feature, whose step size, input and readout see the input.

        d = softplus(W_d (W x) + b_d)              (a step size a feature; W_d W of low rank)
        B, C = W_B x, W_C x                        (one each for all features)
        s_hn' = exp(d_h A_hn) * s_hn + d_h B_n x_h
        y_h   = sum_n C_n s_hn' + D_h x_h

    Gu & Dao 2023, arXiv:2312.00752: the recurrence alone. The convolution before it, the gate beside it and the
    projections around it, which make a block of the paper, are not part of the cell. A is discretised by zero-order
    hold, and B by d B, as in the authors' code. Inputs are as wide as the outputs; those of another width go through
    `input_kernel [in_features, features]` first.

    Parameters: `kernel [features, rank + 2 * state_features]`, the W, W_B and W_C side by side; `step_kernel [rank,
    features]` and `step_bias [features]`, the W_d and b_d; `decay_log [features, state_features]`, A = -exp(decay_log);
    `skip [features]`, the D; `input_kernel`, LeCun-normal, where widths differ.

    As in the authors' code, A starts at -1, -2 ... -state_features, D at 1, `kernel` uniform within 1/sqrt(features),
    `step_kernel` uniform within 1/sqrt(rank), and b_d such that step sizes at zero input are log-uniform between
    `dt_min` and `dt_max`, none below 1e-4.

    Args:
      features: width of the outputs.
      state_features: numbers in the state of each feature.
      rank: of the map from inputs to step sizes; `None` means features / 16, rounded up.
      dt_min: smallest initial step size.
      dt_max: largest initial step size.
      negative_eigenvalues: whether what the state keeps is `2 exp(d_h A_hn) - 1`, from -1 to 1, so that an input may
        turn it around: Grazzi et al. 2024, arXiv:2411.12537.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    equation: ClassVar = "d = softplus(W_d W x+b);  s' = exp(d*A)*s + d*(W_B x)*x;  y = (W_C x)s' + Dx"
    source: ClassVar = "Gu & Dao 2023, arXiv:2312.00752"
    verified: ClassVar = ("mambapy 1.2.0",)

    _: dataclasses.KW_ONLY
    state_features: int = 16
    rank: int | None = None
    dt_min: float = 0.001
    dt_max: float = 0.1
    negative_eigenvalues: bool = False

    def __post_init__(self):
        super().__post_init__()
        for field, given in (("state_features", self.state_features), ("rank", self.step_rank)):
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
            check(valid, f"Mamba.{field}", given, "a positive int")
        check(0 < self.dt_min, "Mamba.dt_min", self.dt_min, "a number > 0")
        check(self.dt_min <= self.dt_max, "Mamba.dt_max", self.dt_max, f"a number >= dt_min={self.dt_min}")

    @property
    def step_rank(self) -> int:
        """The rank of the map from inputs to step sizes."""
        return -(-self.features // 16) if self.rank is None else self.rank

    @property
    def dynamics(self) -> Mamba:
        return dataclasses.replace(self, dt_min=0.001, dt_max=0.1)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        inputs, dtype = checked_width(in_features), self.precision.dtype("params")
        wide = jnp.promote_types(dtype, jnp.float32)
        features, width, rank = self.features, self.state_features, self.step_rank
        kernel_key, step_key, bias_key, input_key = jax.random.split(key, 4)
        uniform = lambda key, shape, bound: jax.random.uniform(key, shape, dtype, -bound, bound)  # noqa: E731
        low, high = math.log(self.dt_min), math.log(self.dt_max)
        steps = jnp.maximum(jnp.exp(jax.random.uniform(bias_key, (features,), wide, low, high)), _SHORTEST)
        params = {
            "kernel": uniform(kernel_key, (features, rank + 2 * width), features**-0.5),
            "step_kernel": uniform(step_key, (rank, features), rank**-0.5),
            "step_bias": (steps + jnp.log(-jnp.expm1(-steps))).astype(dtype),
            "decay_log": jnp.log(jnp.broadcast_to(jnp.arange(1, width + 1, dtype=wide), (features, width))).astype(
                dtype
            ),
            "skip": jnp.ones((features,), dtype),
        }
        if inputs != features:
            params["input_kernel"] = Lecun()(input_key, (inputs, features), dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MambaState:
        return MambaState(self.zeros(batch_shape, self.features * self.state_features))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        return weights | {"rates": -jnp.exp(params["decay_log"].astype(self.state_dtype))}

    def project(self, weights, xs):
        xs = xs.astype(self.precision.dtype("compute"))
        xs = dot_inputs(xs, weights["input_kernel"]) if "input_kernel" in weights else xs
        rank, width = self.step_rank, self.state_features
        low, b, c = jnp.split(dot_inputs(xs, weights["kernel"]), [rank, rank + width], axis=-1)
        return {"step": dot_inputs(low, weights["step_kernel"]) + weights["step_bias"], "b": b, "c": c, "x": xs}

    def affine(self, weights, drive):
        wide = {name: leaf.astype(self.state_dtype) for name, leaf in drive.items()}
        steps = jax.nn.softplus(wide["step"])
        factors = jnp.exp(steps[..., None] * weights["rates"])
        factors = 2 * factors - 1 if self.negative_eigenvalues else factors
        terms = (steps * wide["x"])[..., None] * wide["b"][..., None, :]
        return affine.Real(*(part.reshape(*part.shape[:-2], -1) for part in (factors, terms)))

    def readout(self, weights, carry, drive):
        memory = carry.memory.astype(self.precision.dtype("compute"))
        memory = memory.reshape(*memory.shape[:-1], self.features, self.state_features)
        return jnp.sum(memory * drive["c"][..., None, :], axis=-1) + weights["skip"] * drive["x"]
