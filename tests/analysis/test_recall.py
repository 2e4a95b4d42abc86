"""Capacity: what must hold of any memory, and the classical network's known limits."""

import numpy as np
import pytest

from rnnjax.analysis.recall import CRITICAL_LOAD, Capacity, capacity, recall
from rnnjax.cells.hopfield import Hopfield, ModernHopfield
from rnnjax.errors import InputError


def test_a_single_pattern_is_found_again_by_both():
    for cell in (Hopfield(60), ModernHopfield(60, beta=1.0)):
        found = capacity(cell, (1 / 60,), seeds=(0, 1), flips=0.3, sweeps=5)
        assert (found.recalled == 1).all() and (found.fixed == 1).all() and (found.overlap == 1).all()


def test_one_update_is_that_of_the_weights():
    """Against sums by hand: a pattern is fixed where no unit of it wants to change."""
    rng = np.random.default_rng(0)
    patterns = rng.choice(np.array([-1, 1], np.float32), (9, 41))
    weights = patterns.T @ patterns
    np.fill_diagonal(weights, 0)
    cell = Hopfield(41, update="synchronous")
    found = np.asarray(recall(cell, patterns, patterns, 1))
    np.testing.assert_array_equal(
        found, np.where(patterns @ weights > 0, 1, np.where(patterns @ weights < 0, -1, patterns))
    )
    pool = np.concatenate([patterns] * 1)
    counted = capacity(cell, (9 / 41,), seeds=(0,), sweeps=1, pool=pool)
    assert counted.fixed[0, 0] == (found == patterns).all(1).mean()


def test_the_classical_network_loses_all_beyond_its_critical_load_and_the_modern_one_does_not():
    """Below 0.138 it recalls nearly all, and well above it hardly any, the more so the more units there are: of 150
    and 600 units the larger network falls at a smaller load, still above that of the theory."""
    loads = (0.1, 0.14, 0.18, 0.22, 0.3)
    falls = []
    for units in (150, 600):
        found = capacity(Hopfield(units, update="synchronous"), loads, seeds=(0, 1, 2), starts=50)
        assert (found.recalled[:, 0] > 0.98).all() and (found.recalled[:, -1] < 0.2).all()
        assert (found.fixed <= found.recalled).all()
        falls.append(found.critical().mean())
    assert CRITICAL_LOAD < falls[1] < falls[0] < 1.6 * CRITICAL_LOAD
    modern = capacity(ModernHopfield(150, beta=1.0), (10.0,), seeds=(0,), flips=0.1, sweeps=2)
    assert modern.recalled[0, 0] == 1


def test_the_critical_load_lies_between_points():
    curve = Capacity(
        np.array([0.1, 0.2, 0.3]), np.array([[1, 0.75, 0.25], [1, 1, 0.9], [0.4, 0, 0]]), *np.zeros((2, 3, 3))
    )
    np.testing.assert_allclose(curve.critical(), [0.25, np.nan, 0.1])


def test_errors_name_the_argument():
    with pytest.raises(InputError, match="loads"):
        capacity(Hopfield(10), (0.2, 0.1))
    with pytest.raises(InputError, match="flips"):
        capacity(Hopfield(10), (0.2,), flips=0.7)
    with pytest.raises(InputError, match="pool"):
        capacity(Hopfield(10), (0.5,), pool=np.ones((3, 10)))
