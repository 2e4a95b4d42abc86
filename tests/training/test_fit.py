"""A run is a pure function of its key and its configuration."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import CELLS, each_in_full

from rnnjax import GRU, Elman, Precision
from rnnjax.tasks import Adding, CopyMemory, Digits
from rnnjax.training import Optimizer, fit, initial_state, make_chunk
from rnnjax.training.fit import History, judge

UPDATES = {"loss", "grad_norm", "update_norm", "clipped", "nonfinite", "exploded", "counted"}


def test_the_same_key_gives_the_same_run(small, fitted, assert_identical):
    """Two calls with one key agree bit for bit; another key gives other parameters and other losses."""
    once, again, other = fitted(small()), fitted(small()), fitted(small(), 1)
    assert_identical(once, again)
    for a, b in zip(jax.tree.leaves(once[0].params), jax.tree.leaves(other[0].params), strict=True):
        assert not np.array_equal(a, b)
    assert not np.any(once[1].updates["loss"] == other[1].updates["loss"])


def test_fit_is_chunks_by_hand(small, fitted, chunk, start, assert_identical):
    """`jit(fit)` equals `make_chunk` called `steps / evaluate_every` times, bit for bit."""
    config = small()
    state, parts = start(config), []
    for _ in range(config.steps // config.evaluate_every):
        state, history = chunk(config)(state)
        parts.append(history)
    updates = {name: jnp.concatenate([part.updates[name] for part in parts]) for name in UPDATES}
    evaluations = jax.tree.map(lambda *values: jnp.stack(values), *(part.evaluations for part in parts))
    assert_identical((state, History(updates, evaluations)), fitted(config))


def test_history_has_an_entry_an_update_and_an_evaluation(small, fitted):
    """Metrics of updates are `[steps]`, those of evaluations `[steps / evaluate_every]`, and flags are 0 or 1."""
    state, history = fitted(small())
    assert set(history.updates) == UPDATES
    assert set(history.evaluations) == {"loss", "accuracy", "absolute_error", "error_rate"}
    assert {metric.shape for metric in history.updates.values()} == {(40,)}
    assert {metric.shape for metric in history.evaluations.values()} == {(4,)}
    assert all(np.isfinite(metric).all() for metric in jax.tree.leaves(history))
    for flag in ("clipped", "nonfinite", "exploded", "counted"):
        assert set(np.unique(history.updates[flag])) <= {0.0, 1.0}
    np.testing.assert_array_equal(history.updates["clipped"], history.updates["grad_norm"] >= 0.8)
    assert 0 < history.updates["clipped"].mean() < 1
    assert int(state.step) == 40 and float(state.best) == history.evaluations["error_rate"].min()


def test_a_solved_run_stops(small, fitted):
    """It stops at the first evaluation that meets the criterion; all that would come later is NaN."""
    state, history = fitted(small(), 1)
    errors = np.asarray(history.evaluations["error_rate"])
    solved = int(np.argmax(errors < 0.01))
    assert 0 < solved < 3 and errors[solved] < 0.01
    assert bool(state.stopped) and not bool(state.diverged)
    assert int(state.solved_at) == int(state.step) == 10 * (solved + 1)
    for metric in history.updates.values():
        assert np.isfinite(metric[: state.step]).all() and np.isnan(metric[state.step :]).all()
    for metric in history.evaluations.values():
        assert np.isfinite(metric[: solved + 1]).all() and np.isnan(metric[solved + 1 :]).all()


def test_a_stopped_run_does_not_move(small, chunk, start, assert_identical):
    """A chunk leaves a stopped state as it is, bit for bit, and reports NaN alone."""
    stopped = start(small())._replace(stopped=jnp.ones((), bool))
    state, history = chunk(small())(stopped)
    assert_identical(state, stopped)
    assert all(np.isnan(metric).all() for metric in jax.tree.leaves(history))


def test_a_gru_learns_to_add(small, fitted):
    """On the adding problem the loss falls to a tenth of what any predictor without memory reaches."""
    config = small(task=Adding(10), cell=GRU(8), optimizer=Optimizer("adam", 0.02), steps=400, evaluate_every=50)
    state, history = fitted(config)
    losses = np.asarray(history.evaluations["loss"])
    assert np.isclose(config.task.baseline, 1 / 6) and history.updates["loss"][:10].mean() > 1 / 6
    assert np.nanmin(losses) < config.task.baseline / 10
    assert int(state.solved_at) > 0


def judged(values, config):
    """Where `stopped`, `best`, `since_best` and `solved_at` stand after each of a sequence of metric values."""
    state, rows = jax.eval_shape(lambda: initial_state(jax.random.key(0), config)), []
    best = jnp.float32(np.inf if config.task.mode == "min" else -np.inf)
    state = state._replace(best=best, since_best=jnp.int32(0), solved_at=jnp.int32(-1), stopped=jnp.bool_(False))
    for number, value in enumerate(values, 1):
        metrics = {"loss": jnp.float32(value), config.task.metric: jnp.float32(value)}
        state = judge(state._replace(step=jnp.int32(10 * number)), metrics, config)
        rows.append((bool(state.stopped), float(state.best), int(state.since_best), int(state.solved_at)))
    return rows


@pytest.mark.parametrize("patience", [None, 1, 2])
@pytest.mark.parametrize("stop_when_solved", [True, False])
@pytest.mark.parametrize("task", [Adding(10), Digits("row")], ids=lambda task: task.mode)
def test_patience_and_success_end_a_run(task, patience, stop_when_solved, small):
    """Stopped: the criterion met, or `patience` evaluations in a row no better than the best. NaN is never better."""
    values = [0.5, 0.4, 0.4, 0.3, np.nan, 0.35, 0.001, 0.9, 0.002, 0.95, 0.92]
    if task.mode == "max":
        values = [1 - value for value in values]
    config = small(task=task, patience=patience, stop_when_solved=stop_when_solved)
    best, since, solved_at, stopped, expected = np.inf * (1 if task.mode == "min" else -1), 0, -1, False, []
    for number, value in enumerate(values, 1):
        better = value < best if task.mode == "min" else value > best
        best, since = (value, 0) if better else (best, since + 1)
        solved = value < 0.01 if task.mode == "min" else value >= 0.9
        solved_at = 10 * number if solved and solved_at < 0 else solved_at
        stopped |= (solved and stop_when_solved) or (patience is not None and since >= patience)
        expected.append((stopped, np.float32(best), since, solved_at))
    assert judged(values, config) == expected


@each_in_full([entry for entry in CELLS if not entry.places])
def test_every_cell_fits_into_a_run(entry, small):
    """A run keeps the structure, shapes and dtypes of its state, with and without windows, in either precision."""
    for wide in (False, True):
        with jax.enable_x64(wide):
            cell = entry.cell(Precision("float64" if wide else "float32"))
            for truncation in (None, 3):
                task = CopyMemory(3, symbols=entry.in_features - 2, items=2)
                config = small(task=task, cell=cell, truncation=truncation)
                state = jax.eval_shape(lambda key, config=config: initial_state(key, config), jax.random.key(0))
                after, history = jax.eval_shape(make_chunk(config), state)
                assert after == state
                assert {leaf.dtype for leaf in jax.tree.leaves(history)} == {np.dtype("float32")}


def test_a_run_in_bfloat16_keeps_its_dtypes(small):
    """The policy of a cell holds for the whole run: parameters stay bfloat16, metrics are float32."""
    config = small(cell=Elman(8, precision=Precision("bfloat16")))
    state, history = jax.eval_shape(lambda key: fit(key, config), jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves(history)} == {np.dtype("float32")}
