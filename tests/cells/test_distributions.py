"""Distributions of single papers: what they promise of a draw."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rnnjax import Elman, InputError
from rnnjax.cells.distributions import Sparse


def test_sparse_has_its_connections_and_its_radius():
    """Each unit sees so many others, and the largest eigenvalue is as told: NumPy's, in float64."""
    draw = np.asarray(Sparse(5, 0.8)(jax.random.key(0), (20, 20)), np.float64)
    np.testing.assert_array_equal((draw != 0).sum(0), 5)
    assert abs(np.abs(np.linalg.eigvals(draw)).max() - 0.8) < 1e-4
    assert Elman(20, recurrent_init=Sparse()).recurrent_init == Sparse(15, 0.95)


@pytest.mark.parametrize("make", [lambda: Sparse(0), lambda: Sparse(3, -1.0)])
def test_sparse_refuses(make):
    with pytest.raises(InputError, match=r"Sparse\."):
        make()
