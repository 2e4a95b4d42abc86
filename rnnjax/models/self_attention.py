"""Self-attention over a sequence, such as the outputs of a recurrent layer: full, within a window, or by hashing."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.errors import check, check_choice
from rnnjax.local_attention import local_attention
from rnnjax.lsh_attention import lsh_attention

Array = jax.Array

KINDS = ("full", "local", "lsh")


class SelfAttention(nn.Module):
    """Several heads, each of which lets every step attend to the others.

        "full"    all steps (Vaswani et al. 2017, arXiv:1706.03762): time * time scores
        "local"   those at most `window` away (`rnnjax.local_attention`): about 3 * window * time
        "lsh"     those that fall into the same bucket (`rnnjax.lsh_attention`): about 3 * rounds * window * time

    Parameters have the names and shapes of `nn.MultiHeadDotProductAttention`: "query", "key", "value" and "out"; "lsh"
    has no "key", since queries are its keys. The same parameters serve "full" and "local".

    Attributes:
      heads: how many.
      kind: "full", "local" or "lsh".
      window: of "local", how far a step sees; of "lsh", the steps of a chunk.
      buckets: of "lsh": 1, or an even number; about time / window is usual.
      rounds: of "lsh": how many times everything is hashed.
      causal: whether a step sees no later ones.
      width: of a head; `None` is the width of the inputs divided by `heads`.
      seed: of the hashes of "lsh"; a random stream "dropout" draws new ones at each call.
    """

    heads: int = 4
    kind: str = "full"
    window: int = 64
    buckets: int = 16
    rounds: int = 2
    causal: bool = False
    width: int | None = None
    seed: int = 0

    @nn.compact
    def __call__(self, states: Array, lengths: Any = None) -> Array:
        """Runs the heads.

        Args:
          states: `[*batch, time, features]`.
          lengths: `[*batch]`, or `None` where every row is full.

        Returns:
          `[*batch, time, features]`, zero past a row's length.

        Raises:
          InputError: an unknown kind, or heads that do not divide the features where no width is given.
        """
        check_choice("SelfAttention.kind", self.kind, KINDS)
        features, time = states.shape[-1], states.shape[-2]
        expected = f"a divisor of {features} features, or a width"
        check(self.width is not None or features % self.heads == 0, "SelfAttention.heads", self.heads, expected)
        shape = (self.heads, self.width or features // self.heads)

        def projected(name):
            return nn.DenseGeneral(shape, name=name, dtype=states.dtype)(states)

        query, value = projected("query"), projected("value")
        if self.kind == "lsh":
            key = self.make_rng("dropout") if self.has_rng("dropout") else jax.random.key(self.seed)
            options: dict[str, Any] = dict(buckets=self.buckets, chunk=self.window, rounds=self.rounds)
            found = lsh_attention(query, value, key, lengths=lengths, causal=self.causal, **options)
        elif self.kind == "local":
            window = min(self.window, time)
            found = local_attention(query, projected("key"), value, window=window, lengths=lengths, causal=self.causal)
        else:
            seen = jnp.tril(jnp.ones((time, time), bool)) if self.causal else jnp.ones((time, time), bool)
            if lengths is not None:
                seen = seen & (jnp.arange(time) < jnp.asarray(lengths)[..., None])[..., None, None, :]
            found = nn.dot_product_attention(query, projected("key"), value, mask=seen)
        found = nn.DenseGeneral(features, axis=(-2, -1), name="out", dtype=states.dtype)(found)
        if lengths is None:
            return found
        return jnp.where((jnp.arange(time) < jnp.asarray(lengths)[..., None])[..., None], found, 0)
