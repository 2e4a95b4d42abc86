"""Sequential MNIST: its claims, its settings, its presets, and a toy run on made-up files."""

import pytest
from made_up_mnist import write_idx
from made_up_runs import end_to_end, held, presets_survive

from experiments.parts.mnist_settings import settings
from experiments.sequential_mnist import EXPERIMENT, NETWORKS, ORDERS, PRESETS, Config, training_of
from rnnjax.errors import InputError
from rnnjax.training.run_folder import RunFolder


def summary(tanh, others):
    """A summary from the accuracies of the tanh network and those of all others."""
    accuracy = {name: dict.fromkeys(ORDERS, tanh if name == "tanh" else others) for name in NETWORKS}
    return {"seeds": [0, 1], "orders": list(ORDERS), "accuracy": accuracy}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary([0.2, 0.4], [0.98, 0.97])))
    assert not any(held(EXPERIMENT, summary([0.8, 0.9], [0.8, 0.7])))


def test_what_was_not_run_is_not_held():
    """A part of the networks or orders is judged on what was run, and nothing where nothing was."""
    found = summary([0.2], [0.98])
    found["accuracy"] = {"LEM": {"pixel": [0.99]}}
    found["orders"] = ["pixel"]
    assert held(EXPERIMENT, found) == [False] * 6 + [True]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_runs_are_as_long_as_papers_take():
    """Updates are epochs of the training images, evaluated as often as asked for; a cap shortens them."""
    config = PRESETS["paper"]
    for permuted in (False, True):
        for name, setting in settings(permuted).items():
            training = training_of(config, name, "permuted" if permuted else "pixel", 57_000)
            epochs = training.steps * training.batch_size / 57_000
            assert abs(epochs / setting.epochs - 1) < 0.01
            assert training.steps == training.evaluate_every * config.evaluations
    brief = training_of(Config(epochs=1), "LEM", "pixel", 57_000)
    assert brief.steps * brief.batch_size < 57_001


def test_rates_fall_when_papers_say_so():
    """coRNN and LEM: a tenth of the rate after 100 of 120 epochs."""
    for name in ("coRNN", "LEM"):
        training = training_of(PRESETS["paper"], name, "pixel", 57_000)
        assert abs(training.optimizer.decay_steps / training.steps - 100 / 120) < 0.01


def test_missing_files_are_one_error_before_anything_runs(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match=r"^MNIST\.data: got "):
        EXPERIMENT.run(Config(data=str(tmp_path)), folder)
    with pytest.raises(InputError, match=r"^MNIST\.data: got ''"):
        EXPERIMENT.run(PRESETS["paper"], folder)
    with pytest.raises(InputError, match=r"networks.*'transformer'"):
        Config(networks=("transformer",))


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        data=write_idx(tmp_path), orders=("permuted",), seeds=(0,), epochs=1, width=4, evaluations=1, processes=1
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["accuracy"]) == set(NETWORKS)
    assert all(0 <= row["permuted"][0] <= 1 for row in found["accuracy"].values())
