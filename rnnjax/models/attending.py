"""The functions of `rnnjax.attention` as a layer with parameters."""

from __future__ import annotations

import flax.linen as nn
import jax

from rnnjax import attention

Array = jax.Array


class Attention(nn.Module):
    """Weighted means of values for each query, with the weights of Bahdanau et al. or Luong et al.

    Parameters: those of `rnnjax.attention.init`, under their names.

    Attributes:
      kind: one of `rnnjax.attention.KINDS`.
      units: the width of the hidden layer of "additive" and "concat"; `None` is that of the queries.
    """

    kind: str = "general"
    units: int | None = None

    @nn.compact
    def __call__(
        self, queries: Array, keys: Array, values: Array | None = None, *, mask: Array | None = None
    ) -> attention.Attended:
        """Attends, as `rnnjax.attention.attend`.

        Args:
          queries: `[*batch, queries, query_features]`.
          keys: `[*batch, time, key_features]`.
          values: `[*batch, time, features]`; `None` takes the keys.
          mask: bools that broadcast to `[*batch, queries, time]`, as from `rnnjax.attention.key_mask`.
        """
        widths = queries.shape[-1], keys.shape[-1]
        shapes = jax.eval_shape(lambda key: attention.init(key, self.kind, *widths, self.units), jax.random.key(0))
        start = lambda key, name: attention.init(key, self.kind, *widths, self.units)[name]  # noqa: E731
        params = {name: self.param(name, start, name) for name in shapes}
        return attention.attend(self.kind, params, queries, keys, values, mask=mask)
