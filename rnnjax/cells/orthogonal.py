"""What the cells share whose recurrent matrix is orthogonal whatever their parameters are."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cell import UnitCell
from rnnjax.cells.input_gated import InputPreset
from rnnjax.initializers import Spec, as_initializer, in_force
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot_inputs

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class OrthogonalCell(UnitCell, abc.ABC):
    """A cell `h' = modReLU(U h + W x)`, whose U is orthogonal and made from parameters that are free.

        modReLU(a) = sign(a) * relu(|a| + b)

    The nonlinearity leaves the direction of a alone and moves its size by the bias b; with b = 0 it is the identity.
    It is that of Arjovsky, Shah & Bengio 2016, arXiv:1511.06464.

    A subclass draws the parameters of U in `initial_transition` and makes U of them in `transition`. That is done once
    a sequence, and never in less than single precision: the rounding of U to a narrower dtype comes last.

    Args:
      features: width of the state.
      kernel_init: initialiser of W; `None` is that of the paper.
      bias_init: initialiser of b; `None` is that of the paper.
      precision: the dtype policy.
    """

    gates: ClassVar = ("candidate",)
    start: ClassVar[InputPreset]

    _: dataclasses.KW_ONLY
    kernel_init: Spec = None
    bias_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        for field in ("kernel_init", "bias_init"):
            object.__setattr__(self, field, as_initializer(getattr(self, field), f"{name}.{field}", self.gates))

    @property
    def dynamics(self) -> OrthogonalCell:
        return dataclasses.replace(self, kernel_init=None, bias_init=None)

    @abc.abstractmethod
    def initial_transition(self, key: Array, dtype: jnp.dtype) -> dict[str, Array]:
        """The parameters of U, at least in single precision."""

    @abc.abstractmethod
    def transition(self, params: dict[str, Array]) -> Array:
        """The transpose of U, which the state is multiplied with from the left."""

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        width, dtype = checked_width(in_features), self.precision.dtype("params")
        keys = jax.random.split(key, 3)
        transition = self.initial_transition(keys[2], jnp.promote_types(dtype, jnp.float32))
        return {
            "kernel": self._kernel(in_force(self.kernel_init, self.start.kernel), keys[0], width, dtype),
            "bias": in_force(self.bias_init, self.start.bias).blocks(keys[1], self.gates, (self.features,), dtype),
            **{name: leaf.astype(dtype) for name, leaf in transition.items()},
        }

    def _kernel(self, initializer, key, width, dtype):
        return initializer.blocks(key, self.gates, (width, self.features), dtype)

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        wide = jnp.promote_types(self.precision.dtype("compute"), jnp.float32)
        free = {name: leaf.astype(wide) for name, leaf in params.items() if name not in ("kernel", "bias")}
        return {
            "kernel": weights["kernel"],
            "bias": weights["bias"],
            "recurrent_kernel": self.transition(free).astype(self.precision.dtype("compute")),
        }

    def project(self, weights, xs):
        return {"candidate": dot_inputs(xs, weights["kernel"])}


def mod_relu(a: Array, bias: Array) -> Array:
    """sign(a) * relu(|a| + bias)."""
    return jnp.sign(a) * jax.nn.relu(jnp.abs(a) + bias)


def skew_matrix(entries: Array, width: int) -> Array:
    """The skew-symmetric matrix with these entries `[width * (width - 1) / 2]` above the diagonal, row by row."""
    above = jnp.zeros((width, width), entries.dtype).at[np.triu_indices(width, 1)].set(entries)
    return above - above.T


def planes(values: Array, width: int) -> Array:
    """The entries of a skew-symmetric matrix that turns width // 2 planes, of units 0 and 1, 2 and 3, ...

    Args:
      values: `[width // 2]`, the entry of each plane.
      width: of the matrix.
    """
    rows, columns = np.triu_indices(width, 1)
    (places,) = np.nonzero((rows % 2 == 0) & (columns == rows + 1))
    return jnp.zeros(rows.size, values.dtype).at[places].set(values)
