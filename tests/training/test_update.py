"""One update: what it computes, what it reports, and that a gradient which is not finite changes nothing."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import Elman
from rnnjax.tasks import Adding, Latch
from rnnjax.training import Optimizer, make_update, train


@pytest.fixture(scope="module")
def plain(small):
    """Plain gradient descent, so that an update is the gradient times the rate."""
    return small(optimizer=Optimizer("sgd", 0.5, clip="none"), explosion_threshold=0.9)


@pytest.fixture(scope="module")
def update(plain):
    return jax.jit(make_update(plain))


@functools.partial(jax.jit, static_argnames="config")
def drawn(config, seed=0):
    return config.task.sample(jax.random.key(seed), config.batch_size)


def test_an_update_is_a_step_down_the_gradient(plain, update, start, assert_close):
    """Parameters move by minus rate times the gradient of the mean cross-entropy, written out with `unroll`."""
    state, batch = start(plain), drawn(plain)

    @jax.jit
    @jax.value_and_grad
    def expected(params):
        carry, _ = rnnjax.unroll(plain.cell, params["cell"], batch.inputs)
        logits = carry.h @ params["readout"]["kernel"] + params["readout"]["bias"]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(8), batch.targets])

    loss, gradient = expected(state.params)
    norm = np.sqrt(sum(np.square(leaf).sum() for leaf in jax.tree.leaves(gradient)))
    after, metrics = update(state, batch)
    assert_close(after.params, jax.tree.map(lambda p, g: p - 0.5 * g, state.params, gradient), 1e-5, 1e-6)
    flags = {"clipped": 0, "nonfinite": 0, "exploded": norm > 0.9, "counted": 1}
    reported = {"loss": loss, "grad_norm": norm, "update_norm": 0.5 * norm, **flags}
    assert set(metrics) == set(reported)
    for name, value in reported.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    assert int(after.step) == 1 and after.carry is None


def test_a_norm_over_the_threshold_counts_as_exploded(plain, update, start):
    """`exploded` is 1 exactly where the norm of the gradient exceeds the threshold."""
    metrics = [update(start(plain), drawn(plain, seed))[1] for seed in range(20)]
    exploded = np.array([metric["exploded"] for metric in metrics])
    np.testing.assert_array_equal(exploded, np.array([metric["grad_norm"] for metric in metrics]) > 0.9)
    assert 0 < exploded.mean() < 1


def test_a_gradient_that_is_not_finite_is_skipped(small, start, assert_identical):
    """Parameters and optimiser state stay as they are, bit for bit; only the counters move."""
    config = small(on_nonfinite="skip")
    update = jax.jit(make_update(config))
    good = drawn(config)
    bad = good._replace(inputs=good.inputs.at[2, 3].set(jnp.nan))
    state, counts, diverged = start(config), [], []
    for batch in (good, bad, bad, good, bad, bad, bad, good):
        after, metrics = update(state, batch)
        assert int(after.step) == int(state.step) + 1
        if batch is bad:
            assert_identical((after.params, after.opt_state), (state.params, state.opt_state))
            assert {name: float(metrics[name]) for name in ("update_norm", "clipped", "nonfinite", "exploded")} == {
                "update_norm": 0.0,
                "clipped": 0.0,
                "nonfinite": 1.0,
                "exploded": 1.0,
            }
        else:
            assert float(metrics["nonfinite"]) == 0 and float(metrics["update_norm"]) > 0
        state = after
        counts.append(int(state.nonfinite))
        diverged.append((bool(state.diverged), bool(state.stopped)))
    assert counts == [0, 1, 2, 0, 1, 2, 3, 0]
    assert diverged == [(False, False)] * 6 + [(True, True)] * 2


@dataclasses.dataclass(frozen=True)
class Blinding(Latch):
    """A task whose training inputs are infinite."""

    def sample(self, key, batch_size, split="train"):
        batch = super().sample(key, batch_size, split)
        return batch._replace(inputs=batch.inputs * jnp.inf)


def test_a_diverged_run_stops_and_says_so(small, start, assert_identical, capsys):
    """Nothing is learned from infinite inputs: all is skipped, the run ends after the limit, and the reports say so."""
    config = small(task=Blinding(10), cell=Elman(8, activation="relu"), nonfinite_limit=15, on_nonfinite="skip")
    run = train(config)
    assert_identical(jax.tree.map(lambda leaf: leaf[0], run.state.params), start(config).params)
    assert bool(run.state.diverged[0]) and bool(run.state.stopped[0]) and int(run.state.step[0]) == 20
    assert [(r["step"], r["nonfinite"], r["exploded"], r["update_norm"]) for r in run.records] == [
        (10, 10, 10, 0.0),
        (20, 10, 10, 0.0),
    ]
    row = {name: run.summary[0][name] for name in ("steps", "diverged", "nonfinite", "exploded", "solved_at")}
    assert row == {"steps": 20, "diverged": True, "nonfinite": 20, "exploded": 20, "solved_at": None}
    printed = capsys.readouterr().out
    assert "gradient not finite: 10 updates, skipped (seed 0, first at update 11)" in printed


def test_a_rate_too_high_is_caught(small, fitted):
    """At a rate of a million gradients explode, then overflow: counted, skipped, stopped, and no parameter is NaN."""
    config = small(task=Adding(10), optimizer=Optimizer("sgd", 1e6, clip="none"), on_nonfinite="skip")
    state, history = fitted(config)
    ran = int(state.step)
    norms = np.asarray(history.updates["grad_norm"][:ran])
    exploded, nonfinite = (np.asarray(history.updates[name][:ran]) for name in ("exploded", "nonfinite"))
    np.testing.assert_array_equal(exploded, ~(norms <= 1e3))
    assert np.any((exploded == 1) & (nonfinite == 0)), "no gradient was large but finite"
    assert nonfinite.sum() >= 3 and nonfinite[~np.isfinite(norms)].all()
    assert bool(state.diverged) and bool(state.stopped) and ran < 40
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
