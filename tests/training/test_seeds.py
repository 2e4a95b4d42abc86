"""Many runs in one call are the runs by themselves."""

from __future__ import annotations

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.training import STRATEGIES, fit_seeds, over_runs, train
from rnnjax.training.seeds import keys_of

SEEDS = (0, 1)  # the first runs to the end, the second solves the task before


def alone(fitted, config):
    """The runs of `SEEDS` one by one, stacked."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(fitted(config, seed) for seed in SEEDS))


@pytest.fixture(scope="module")
def alike(assert_identical, assert_close):
    """How alike runs of a strategy are to runs alone: bit for bit, or up to 40 updates' worth of float32 rounding."""
    close = functools.partial(assert_close, rtol=1e-5, atol=1e-6)
    # A run in chunks is another program than a run in one piece. XLA rounds alike in both, unless the flag that makes
    # it compile faster for these tests has it write fusions in the older way.
    in_chunks = close if "use_fusion_emitters=false" in os.environ.get("XLA_FLAGS", "") else assert_identical
    return {"serial": assert_identical, "map": assert_identical, "vmap": close, "chunks": in_chunks}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_seeds_of_a_fit_are_runs_alone(strategy, small, fitted, alike):
    """Entry i of `fit_seeds` is `fit` of seed i, whichever way the seeds are mapped."""
    config = small()
    state, history = fit_seeds(SEEDS, config, strategy)
    assert state.step.tolist() == [40, 30]
    alike[strategy]((state, history), alone(fitted, config))


@pytest.mark.parametrize("strategy", ["serial", "vmap"])
def test_seeds_of_a_training_are_runs_alone(strategy, small, fitted, alike):
    """What the host does between chunks changes nothing: `train` ends in the states of `fit`, and records its means."""
    config = small()
    run = train(config, SEEDS, strategy=strategy, quiet=True)
    state, history = alone(fitted, config)
    alike["chunks" if strategy == "serial" else strategy](run.state, state)
    assert [(r["step"], r["seed"]) for r in run.records] == [(s, i) for s in (10, 20, 30, 40) for i in SEEDS][:-1]
    tolerance = 1e-5 if strategy == "vmap" else 1e-6
    for record in run.records:
        i, part = SEEDS.index(record["seed"]), slice(record["step"] - 10, record["step"])
        updates = {name: np.asarray(metric[i, part], float) for name, metric in history.updates.items()}
        expected = {name: updates[name].mean() for name in ("loss", "grad_norm", "update_norm")}
        expected |= {"grad_norm_max": updates["grad_norm"].max(), "clip_rate": updates["clipped"].mean()}
        expected |= {name: updates[name].sum() for name in ("nonfinite", "exploded")}
        for name, value in expected.items():
            np.testing.assert_allclose(record[name], value, rtol=tolerance, err_msg=name)
        for name, values in history.evaluations.items():
            value = values[i, record["step"] // 10 - 1]
            np.testing.assert_allclose(record["validation"][name], value, rtol=tolerance, atol=1e-6, err_msg=name)
    assert {0 < record["clip_rate"] < 1 for record in run.records} == {True, False}
    ends = [(row["seed"], row["steps"], row["solved_at"], row["best"], row["diverged"]) for row in run.summary]
    assert ends == [(0, 40, 40, 0.0, False), (1, 30, 30, 0.0, False)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_function_is_mapped_over_the_leading_axis(strategy):
    """Each strategy gives each entry of a pytree to the function and stacks what comes back."""
    runs = {"a": jnp.arange(6.0).reshape(3, 2), "b": jnp.arange(3)}
    outcome = over_runs(lambda run: {"sum": run["a"].sum() + run["b"]}, strategy)(runs)
    np.testing.assert_array_equal(outcome["sum"], [1, 6, 11])


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,), (0.5,), ("a",)])
def test_seeds_are_different_ints(seeds, small):
    with pytest.raises(InputError, match="seeds: got"):
        train(small(), seeds)


def test_a_seed_has_one_key():
    """The key of a seed does not depend on the seeds next to it."""
    data = jax.random.key_data(keys_of((3, 1)))
    np.testing.assert_array_equal(data[1], jax.random.key_data(jax.random.key(1)))


def test_an_unknown_strategy_is_refused(small):
    for call in (lambda: fit_seeds(SEEDS, small(), "threads"), lambda: train(small(), strategy="threads")):
        with pytest.raises(InputError, match="strategy: got 'threads', expected one of serial, map, vmap"):
            call()
