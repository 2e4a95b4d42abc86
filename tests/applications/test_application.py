"""Applications: trained from a pipeline, resumed to the last bit, used without their training data."""

import dataclasses
import json
import os
import signal

import jax
import numpy as np
import pytest
from made_up_application import Majority, write_words

from rnnjax import Elman
from rnnjax.applications import REGISTRY
from rnnjax.cli import main
from rnnjax.commands.applications import laptop_of
from rnnjax.commands.run_options import RunOptions
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, evaluate_run, load_trained, make_model, train
from rnnjax.training.interruption import Interrupted
from rnnjax.training.report import write_report


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words") / "words.txt")


@pytest.fixture(scope="module")
def config(data):
    return Config(
        Majority(data=str(data)), Elman(4), Optimizer(learning_rate=0.01), steps=6, batch_size=8, evaluate_every=2
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return out, train(config, (0, 3), out, checkpoint_every=2, quiet=True)


def test_a_run_writes_records_and_what_was_fitted(run):
    """A record a seed and evaluation, and prepared.json with the letters."""
    out, made = run
    assert [(record["step"], record["seed"]) for record in made.records] == [(s, n) for s in (2, 4, 6) for n in (0, 3)]
    assert all(0 <= record["validation"]["accuracy"] <= 1 for record in made.records)
    assert json.loads((out / "prepared.json").read_text())["fitted"] == {"letters": ["a", "b"]}


def test_a_resumed_run_is_the_run_to_the_last_bit(config, run, tmp_path):
    """Interrupted after two of three chunks and resumed, parameters and optimiser are those of the whole run."""
    _, whole = run

    def interrupt(record):
        if record["step"] == 4 and record["seed"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped after update 4 of 6"):
        train(config, (0, 3), tmp_path / "run", checkpoint_every=6, quiet=True, watch=interrupt)
    resumed = train(config, (0, 3), tmp_path / "run", resume=True, checkpoint_every=2, quiet=True)
    for a, b in zip(jax.tree.leaves(whole.state.params), jax.tree.leaves(resumed.state.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.records[-1]["validation"] == whole.records[-1]["validation"]


def test_an_evaluation_does_not_depend_on_the_batches(config, run):
    """Metrics and answers are the same whatever the size of a batch."""
    params = jax.tree.map(lambda leaf: leaf[0], run[1].state.params)
    model = make_model(config)
    found = [config.task.evaluate(model, params, "train", size) for size in (3, 40)]
    assert found[0].answers == found[1].answers
    np.testing.assert_allclose(found[0].metrics["loss"], found[1].metrics["loss"], rtol=1e-5)
    assert len(config.task.evaluate(model, params, "train", 3, limit=7).answers) == 7


def test_a_model_is_used_without_its_training_data(run, data, tmp_path):
    """With the data gone, a run's folder is enough to predict; to evaluate is an error that names the file."""
    out, made = run
    rows, step = evaluate_run(out, "test", "latest")
    assert step == 6 and [row["seed"] for row in rows] == [0, 3]
    (tmp_path / "input.txt").write_text("aab\nbbbb\n")
    moved = tmp_path / "moved"
    out.rename(moved)
    try:
        trained = load_trained(moved, which="latest", seed=3)
        examples = trained.application.read_inputs(str(tmp_path / "input.txt"))
        answers = trained.application.predict(trained.model, trained.params, examples)
        assert [set(answer) for answer in answers] == [{"answer"}] * 2
        for a, b in zip(jax.tree.leaves(trained.params), jax.tree.leaves(made.state.params), strict=True):
            np.testing.assert_array_equal(a, b[1])
    finally:
        moved.rename(out)
    with pytest.raises(InputError, match="seed"):
        load_trained(out, seed=1)


def test_the_report_is_one_file(run, tmp_path):
    """Curves, the test split beside the baseline, the configuration."""
    text = write_report(run[0], tmp_path / "report.html").read_text()
    parts = ("How it learned", "plain baseline", "accuracy against updates", "Smaller models", "config.json", "<svg")
    for words in parts:
        assert words in text
    assert "src=" not in text and "<link" not in text


def test_the_command_has_the_fields_of_the_application(data, tmp_path, capsys, monkeypatch):
    """`rnnjax train NAME`: the laptop preset unless told otherwise, a test split, a prediction, a report."""
    monkeypatch.setitem(REGISTRY, "majority", Majority)
    out = str(tmp_path / "run")
    assert main(["train", "majority", "--data", str(data), "--noise", "0.5", "--out", out, "--test", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "seed 0: 6 updates, best validation accuracy" in printed and "baseline" in printed
    saved = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert saved["task"]["noise"] == 0.5 and saved["cell"]["features"] == 4 and saved["optimizer"]["clip"] == "norm"
    (tmp_path / "input.txt").write_text("ab\n")
    assert main(["predict", out, "--input", str(tmp_path / "input.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] in (0, 1)
    assert main(["report", out]) == 0 and (tmp_path / "run" / "report.html").exists()
    assert main(["train", "majority", "--help"]) == 0
    assert "how much of nothing is added" in capsys.readouterr().out
    for arguments, words in (
        (["sample", out, "--prompt", "a"], ["majority", "lm"]),
        (["train", "majority", "--data", str(data), "--noise", "much"], ["--noise", "much"]),
        (["train", "majority", "--data", str(data), "--test"], ["--out", "--test"]),
        (["predict", out, "--input", "no-such-file"], ["no-such-file"]),
    ):
        assert main(arguments) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and all(word in lines[0] for word in words), lines


@pytest.mark.parametrize("name", REGISTRY)
def test_every_application_is_a_command(name, capsys):
    """Its fields are no options of all runs already, each is explained, and the preset is one that training takes."""
    shared = {field.name for field in dataclasses.fields(RunOptions)}
    own = [field.name for field in dataclasses.fields(REGISTRY[name])]
    assert shared.isdisjoint(own)
    assert main(["train", name, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"--{field.replace('_', '-')}" in text for field in own if field != "prepared")
    preset = laptop_of(name)
    assert preset.steps % preset.evaluate_every == 0 and preset.make_cell().features == preset.hidden
    assert preset.make_optimizer().learning_rate == preset.learning_rate


def test_options_of_tasks_are_refused(config):
    """What an application does not have is one error."""
    with pytest.raises(InputError, match=r"Config\.truncation"):
        dataclasses.replace(config, truncation=3)
    with pytest.raises(InputError, match="strategy"):
        train(config, strategy="vmap", quiet=True)
    with pytest.raises(InputError, match="batch_size"):
        train(dataclasses.replace(config, batch_size=41), quiet=True)
