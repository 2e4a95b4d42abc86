"""Students of linear teachers: the teachers, the students, claims, presets, and a toy run."""

import jax
import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.parts.linear_students import LADDER, RNN, initial_params, outputs, sample, student, teacher
from experiments.teacher_student import EXPERIMENT, Config

MEMORIES = (0.36, 0.99)


def summary(rnn, lru):
    """A summary from losses at each of the memories."""
    one = lambda losses: {"rate": 0.01, "losses": list(losses), "trivial": [1.0] * len(losses), "means": {}}  # noqa: E731
    students = {name: {f"{memory:g}": one(losses) for memory, losses in zip(MEMORIES, of, strict=True)}
                for name, of in ((RNN, rnn), ("LRU", lru))}  # fmt: skip
    return {"seeds": [0, 1], "memories": list(MEMORIES), "students": students, "ablation": {}}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary(((1e-5, 1e-5), (0.1, 0.2)), ((1e-5, 1e-5), (0.01, 0.02)))))
    assert not any(held(EXPERIMENT, summary(((1e-2, 1e-2), (1e-2, 1e-2)), ((1e-5, 1e-5), (0.1, 0.001)))))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_teachers_have_long_memory():
    """All moduli of eigenvalues lie between nu_0 and 1, and each seed has a teacher of its own."""
    for memory in MEMORIES:
        moduli = np.abs(np.linalg.eigvals(teacher(3, 10, memory)["a"].astype(float)))
        assert moduli.min() > memory - 1e-3 and moduli.max() < 1
    assert not np.array_equal(teacher(0, 10, 0.9)["a"], teacher(1, 10, 0.9)["a"])


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_ladder_leads_from_one_end_to_the_other():
    """Students before the LRU answer as it does, if only the parametrisation or the normalisation is another."""
    xs, ys = sample(teacher(0, 10, 0.9), jax.random.key(0), 2, 20)
    assert xs.shape == ys.shape == (2, 20, 1)
    answers = {}
    for name in (RNN, *LADDER):
        kind = student(name, 8)
        params = initial_params(kind, jax.random.key(1), 0.9)
        answers[name] = np.asarray(outputs(kind, params, xs))
        assert answers[name].shape == (2, 20, 1)
    np.testing.assert_allclose(answers["normalised"], answers["LRU"], rtol=1e-4, atol=1e-5)
    assert not np.allclose(answers["complex diagonal"], answers["LRU"], rtol=0.1)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(memories=(0.5, 0.9), rnn_rates=(1e-2,), lru_rates=(1e-2,), ablation_rates=(1e-2, 1e-3), features=4,
                    length=8, batch_size=2, epochs=2, epoch_steps=2, seeds=(0, 1), processes=1)  # fmt: skip
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["students"]) == {RNN, "LRU"} and set(found["ablation"]) == {RNN, *LADDER}
