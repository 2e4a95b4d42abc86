"""A loss or gradient that is not finite: what each policy does, and what is written about it."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.tasks import Latch
from rnnjax.training import Optimizer, fit, initial_state, make_chunk, make_update, restore_run, train
from rnnjax.training.batches import hand_on, next_batch
from rnnjax.training.events import events_of
from rnnjax.training.fit import History


@dataclasses.dataclass(frozen=True)
class Cliff(Latch):
    """Outputs are pushed up at a steady rate, until the loss is no number any more."""

    edge: float = 1.0

    def target_loss(self, outputs, batch):
        value = -outputs.mean(-1)
        return jnp.where(outputs.max() > self.edge, jnp.nan, value)

    def metrics(self, outputs, batch):
        return {"loss": -outputs.mean(), "error_rate": outputs.max()}


@pytest.fixture(scope="module")
def config(small):
    """A run of 40 updates that comes to the edge after more than half of them."""
    options = dict(stop_when_solved=False, evaluate_every=5, on_nonfinite="stop")
    return small(task=Cliff(10, noise=0.0, edge=1.35), optimizer=Optimizer("sgd", 0.01), **options)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def stopped(config, tmp_path_factory):
    """The run with policy "stop", and its folder."""
    out = tmp_path_factory.mktemp("runs") / "stopped"
    return train(config, (0,), out, quiet=True), out


def test_stop_ends_in_the_state_before_the_update(stopped, config, assert_identical):
    """What is saved is the state from which the update can be repeated: it is not finite again."""
    run, out = stopped
    [row] = run.summary
    place = row["nonfinite_at"]
    assert 10 < place < 40 and place % 5 not in (0, 1), "not in the middle of a chunk"
    assert (row["diverged"], row["steps"], row["nonfinite"]) == (True, place - 1, 1)
    _, _, saved, _ = restore_run(out, "latest")
    assert_identical(saved, run.state)
    state = jax.tree.map(lambda leaf: leaf[0], saved)
    assert int(state.step) == place - 1 and bool(state.stopped)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    state = state._replace(diverged=jnp.zeros((), bool))
    _, metrics = jax.jit(make_update(config))(hand_on(state, config), next_batch(state, config))
    assert float(metrics["nonfinite"]) == 1 and math.isnan(float(metrics["loss"]))


def test_stop_is_written_down(stopped, config):
    """The last record counts one such update and has its number; so has the event; all before it are finite."""
    run, out = stopped
    place = run.summary[0]["nonfinite_at"]
    *before, last = lines(out / "metrics.jsonl")
    assert (last["nonfinite"], last["nonfinite_at"], last["loss"]) == (1, place, None)
    assert last["step"] == 5 * math.ceil(place / 5) and len(before) == last["step"] // 5 - 1
    assert all(record["nonfinite_at"] is None and record["nonfinite"] == 0 for record in before)
    common = {"step": last["step"], "seed": 0, "update": place, "updates": 1}
    assert lines(out / "events.jsonl") == [{"event": "nonfinite", **common}]


def test_stop_says_so_to_a_person(config, stopped, capsys):
    train(config)
    place = stopped[0].summary[0]["nonfinite_at"]
    assert f"gradient not finite: 1 updates (seed 0, first at update {place})" in capsys.readouterr().out


def test_a_run_as_a_function_stops_too(config, stopped, assert_identical):
    """`fit` ends in the same state, with NaN for the metrics of updates that were not made."""
    state, history = jax.jit(fit, static_argnames="config")(jax.random.key(0), config=config)
    assert_identical(state, jax.tree.map(lambda leaf: leaf[0], stopped[0].state))
    made = int(state.step) + 1  # the one that was not finite was tried
    assert (
        np.isnan(history.updates["nonfinite"][made:]).all() and not np.isnan(history.updates["nonfinite"][:made]).any()
    )


def test_nothing_moves_after_the_end(small, start, assert_identical):
    """From the update that is not finite on the state stays as it is, carry and counters included."""
    config = small(truncation=4)
    update = jax.jit(make_update(config))
    last = start(config)._replace(step=jnp.int32(2))  # the window in which targets count
    good = next_batch(last, config)
    bad = good._replace(inputs=good.inputs.at[2, 0].set(jnp.nan))
    state, metrics = update(last, good)
    assert float(metrics["update_norm"]) > 0
    after, metrics = update(state, bad)
    flags = {"diverged": jnp.ones((), bool), "stopped": jnp.ones((), bool), "nonfinite": jnp.int32(1)}
    assert_identical(after, state._replace(**flags))
    assert float(metrics["nonfinite"]) == 1 and float(metrics["update_norm"]) == 0
    for batch in (good, bad):
        later, metrics = update(after, batch)
        assert_identical(later, after)
        assert all(math.isnan(value) for value in metrics.values())


@pytest.fixture(scope="module")
def restored(config, tmp_path_factory):
    """The run with policy "restore", and its folder with all checkpoints."""
    out = tmp_path_factory.mktemp("runs") / "restored"
    config = dataclasses.replace(config, on_nonfinite="restore", restore_limit=9)
    return train(config, (0, 1), out, checkpoint_every=10, keep=9, quiet=True), out, config


def test_restore_goes_back_at_half_the_rate(restored, config):
    """Each time the rate is halved; the run comes to its end, and its records are those of a run without a fall."""
    run, out, _ = restored
    events = [event for event in lines(out / "events.jsonl") if event["event"] == "restored"]
    assert len(events) >= 2
    for seed, rate in zip((0, 1), run.state.rates.learning_rate.tolist(), strict=True):
        own = [event["learning_rate"] for event in events if event["seed"] == seed]
        np.testing.assert_allclose(own, [0.01 * 0.5**number for number in range(1, len(own) + 1)], rtol=1e-6)
        assert rate == (own or [np.float32(0.01)])[-1]
    assert all(event["back_to"] % 10 == 0 and event["back_to"] < event["update"] for event in events)
    assert run.state.step.tolist() == [40, 40] and not run.state.diverged.any()
    assert [record["step"] for record in run.records] == [step for step in range(5, 41, 5) for _ in (0, 1)]
    assert all(record["nonfinite"] == 0 and math.isfinite(record["loss"]) for record in run.records)
    assert [row["restored"] for row in run.summary] == [sum(e["seed"] == seed for e in events) for seed in (0, 1)]


def test_restore_is_the_checkpoint_with_another_rate(restored, config, assert_identical):
    """By hand: to the first fall, back to the checkpoint, half the rate, and on to the next fall or the end."""
    run, _, _ = restored
    chunk = jax.jit(make_chunk(config.dynamics))
    state = jax.jit(initial_state, static_argnames="config")(jax.random.key(0), config=config)
    saved = state
    for _ in range(50):
        if int(state.step) == 40:
            break
        state, _ = chunk(state)
        if bool(state.diverged):
            rate = state.rates.learning_rate * 0.5
            state = saved._replace(rates=state.rates._replace(learning_rate=rate))
        elif int(state.step) % 10 == 0:
            saved = state
    assert_identical(state, jax.tree.map(lambda leaf: leaf[0], run.state))


def test_a_restored_run_can_be_resumed(restored, tmp_path, assert_identical):
    """From whichever checkpoint it goes on, it falls again where it fell, and ends the same."""
    run, out, config = restored
    for newest in (10, 20):
        copy = shutil.copytree(out, tmp_path / str(newest))
        for step in range(newest + 10, 50, 10):
            shutil.rmtree(copy / "checkpoints" / str(step), ignore_errors=True)
        again = train(config, (0, 1), copy, resume=True, checkpoint_every=10, keep=9, quiet=True)
        assert_identical(again.state, run.state)
        assert again.summary == run.summary
        assert (copy / "events.jsonl").read_text() == (out / "events.jsonl").read_text()


def test_restoring_has_a_limit(config):
    """Where every rate falls, the run ends as with "stop" after so many attempts; without a folder too."""
    config = dataclasses.replace(config, on_nonfinite="restore", restore_limit=2)
    early = dataclasses.replace(config, task=dataclasses.replace(config.task, edge=-9.0))
    run = train(early, quiet=True)
    [row] = run.summary
    assert (row["diverged"], row["restored"], row["steps"], row["nonfinite_at"]) == (True, 2, 0, 1)


def test_policies_share_programs_where_they_can(config):
    """Stopping and going back are one program; skipping is another. What the host alone reads is in none."""
    others = [dict(on_nonfinite="restore", restore_limit=9), dict(explosion_factor=7.0), dict(nonfinite_limit=7)]
    assert {dataclasses.replace(config, **other).dynamics for other in others} == {config.dynamics}
    assert dataclasses.replace(config, on_nonfinite="skip").dynamics != config.dynamics


@pytest.mark.parametrize(
    ("field", "value"), [("on_nonfinite", "ignore"), ("restore_limit", 0), ("explosion_factor", -1.0)]
)
def test_a_policy_that_there_is_not_is_refused(field, value, config):
    with pytest.raises(InputError, match=f"^Config.{field}: got {value!r}"):
        dataclasses.replace(config, **{field: value})


def records(seed, medians, step=10):
    return [
        {"step": step * (place + 1), "seed": seed, "grad_norm_median": median, "nonfinite": 0, "nonfinite_at": None}
        for place, median in enumerate(medians)
    ]


def test_explosions_are_events(config):
    """Norms over the threshold, or over so many times the running median: the first update, how many, the largest."""
    config = dataclasses.replace(config, explosion_threshold=50.0, explosion_factor=10.0)
    norms = np.ones((2, 10))
    norms[0, [3, 7]] = 21.0, 45.0  # over 10 times the median of seed 4, which is 2
    norms[1, [2, 5, 9]] = 21.0, 51.0, np.inf  # the median of seed 5 is 9, so that the threshold is lower
    counted = np.ones((2, 10))
    history = History({"grad_norm": norms, "counted": counted}, {})
    before = records(4, [99.0] * 3 + [1.0, 2.0, 3.0] * 3 + [2.0]) + records(5, [None, 9.0, float("nan")])
    fresh = [{**records(4, [1.0])[0], "step": 140}, {**records(5, [1.0])[0], "step": 140}]
    common = {"event": "explosion", "step": 140}
    assert events_of(history, fresh, before, config, (4, 5)) == [
        {**common, "seed": 4, "update": 134, "updates": 2, "norm": 45.0, "over": 20.0},
        {**common, "seed": 5, "update": 136, "updates": 1, "norm": 51.0, "over": 50.0},
    ]
    counted[:] = 0
    assert events_of(history, fresh, before, config, (4, 5)) == []
