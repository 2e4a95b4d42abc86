"""Dropout of single recurrent weights."""

from __future__ import annotations

import dataclasses

import jax

from rnnjax.errors import check
from rnnjax.wrappers.dropout import check_share, mask
from rnnjax.wrappers.kernels import map_matrices
from rnnjax.wrappers.wrapper import Wrapper


@dataclasses.dataclass(frozen=True, repr=False)
class DropConnect(Wrapper):
    """Drops single weights of the recurrent kernels, with one mask a sequence for all rows of a batch.

        U <- m * U / (1 - rate),   m ~ Bernoulli(1 - rate) for each weight

    Wan et al. 2013, PMLR 28(3):1058; on recurrent kernels Merity, Keskar & Socher 2017, arXiv:1708.02182. The masks are
    drawn once a sequence from the key given to `unroll` or `step`; without one the cell is the one inside. The loop
    over time is that of the cell: what is dropped is dropped before.

    Args:
      cell: the cell inside; its parameters and carry are those of the whole.
      rate: share of the recurrent weights dropped, in [0, 1).

    Raises:
      InputError: a rate outside [0, 1); in `prepare`, with a key, a cell without a recurrent kernel matrix.
    """

    _: dataclasses.KW_ONLY
    rate: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        check_share("DropConnect.rate", self.rate)

    def prepare(self, params, *, key=None, batch_shape=()):
        if key is not None and self.rate:
            key, drop_key = jax.random.split(key)
            params = self._dropped(params, drop_key)
        return self.cell.prepare(params, key=key, batch_shape=batch_shape)

    def _dropped(self, params, key):
        count = 0

        def dropped(path, leaf):
            nonlocal count
            count += 1
            return leaf * mask(jax.random.fold_in(key, count), self.rate, leaf.shape, leaf.dtype)

        params = map_matrices(dropped, params, self.recurrent_kernels)
        check(count > 0, "DropConnect.rate", self.rate, f"0: {self.cell} has no recurrent kernel matrix")
        return params

    def project(self, weights, xs):
        return self.cell.project(weights, xs)

    def recur(self, weights, carry, drive):
        return self.cell.advance(weights, carry, drive)

    def affine(self, weights, drive):
        return self.cell.affine(weights, drive)

    def readout(self, weights, carry, drive):
        return self.cell.readout(weights, carry, drive)
