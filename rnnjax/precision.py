"""Which dtype is used where: parameters, computation, carry and outputs."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Precision:
    """The dtype policy of a cell. Names of dtypes, so that it is hashable and can be written to a file.

    Args:
      params: dtype of the parameters that `init` makes.
      compute: dtype of matrix products and of everything that follows from them; `None` means that of `params`.
      carry: dtype of the state between steps; `None` means that of `compute`. `Precision("float32", "bfloat16",
        "float32")` computes in bfloat16 with a float32 state, the usual choice for long sequences.
      output: dtype of the outputs; `None` means that of `compute`.

    Raises:
      InputError: a dtype that is unknown or not floating.
    """

    params: str = "float32"
    compute: str | None = None
    carry: str | None = None
    output: str | None = None

    def __post_init__(self):
        fallback = {"compute": "params", "carry": "compute", "output": "compute"}
        for field in ("params", "compute", "carry", "output"):
            given = getattr(self, field)
            given = getattr(self, fallback[field]) if given is None and field in fallback else given
            try:
                dtype = jnp.dtype("none" if given is None else given)  # NumPy takes None for float64
            except TypeError:
                raise InputError(f"Precision.{field}", given, "the name of a floating dtype") from None
            if not jnp.issubdtype(dtype, jnp.floating):
                raise InputError(f"Precision.{field}", given, "the name of a floating dtype")
            object.__setattr__(self, field, dtype.name)

    def dtype(self, role: str) -> jnp.dtype:
        """The dtype of "params", "compute", "carry" or "output".

        Raises:
          InputError: float64 is asked for while JAX has it switched off.
        """
        dtype = jnp.dtype(getattr(self, role))
        if dtype == jnp.float64 and not jax.config.read("jax_enable_x64"):
            raise InputError(f"Precision.{role}", "float64", "jax_enable_x64 to be on, or a narrower dtype")
        return dtype
