"""The folder of a run: what is in it, what is kept, what is refused, and that nothing is deleted unasked."""

from __future__ import annotations

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, Elman, InputError
from rnnjax.serialization import from_json, to_json
from rnnjax.tasks import Latch
from rnnjax.training import Optimizer, evaluate_run, train
from rnnjax.training.run_folder import RunFolder

# Threads that were still reading when a checkpoint was given up have nowhere to report to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SEEDS = (0, 1)


@dataclasses.dataclass(frozen=True)
class Passing(Latch):
    """Outputs are pushed up at a steady rate. The metric is how far their mean is from a mark, which they pass."""

    mark: float = 0.23

    def target_loss(self, outputs, batch):
        return -outputs.mean(-1)

    def metrics(self, outputs, batch):
        return {"loss": self.loss(outputs, batch), "error_rate": jnp.abs(outputs.mean() - self.mark)}


@pytest.fixture(scope="module")
def config(small):
    """A run that gets better, then worse, and stops for it: each seed at another update."""
    options = dict(evaluate_every=5, patience=2, stop_when_solved=False)
    return small(task=Passing(10), optimizer=Optimizer("sgd", 0.005), **options)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A run with the newest checkpoint and the best, and its folder."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    return train(config, SEEDS, out, checkpoint_every=5, keep=1, quiet=True), out


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the run's folder to do as one likes with."""
    return shutil.copytree(finished[1], tmp_path / "copy")


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def untimed(records):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def means(records, metric="error_rate"):
    """The mean over seeds of a validation metric by update; a seed that has stopped keeps its last value."""
    latest, result = {}, {}
    for record in records:
        latest[record["seed"]] = record["validation"][metric]
        result[record["step"]] = np.mean(list(latest.values()))
    return result


def test_a_folder_tells_the_whole_run(finished, config):
    """Configuration, environment, records and summary are those of the run, in JSON."""
    run, out = finished
    files = {"config.json", "environment.json", "metrics.jsonl", "summary.json", "checkpoints"}
    assert {path.name for path in out.iterdir()} == files
    saved = from_json(json.loads((out / "config.json").read_text()))
    assert saved == {"config": config, "seeds": SEEDS}
    assert RunFolder(out).read_config() == saved
    environment = json.loads((out / "environment.json").read_text())
    assert environment["jax"] == jax.__version__ and environment["processor"]
    assert lines(out) == run.records
    assert json.loads((out / "summary.json").read_text()) == {"seeds": run.summary}


def test_patience_ends_each_seed_by_itself(finished):
    """A seed stops at the second evaluation in a row that is no better than its best; the others go on."""
    run, _ = finished
    for seed, stop in zip(SEEDS, run.state.step.tolist(), strict=True):
        values = [record["validation"]["error_rate"] for record in run.records if record["seed"] == seed]
        best = int(np.argmin(values))
        assert stop == 5 * len(values) == 5 * (best + 1 + 2) < 40
        solved_at = next((5 * number for number, value in enumerate(values, 1) if value < 0.01), None)
        row = run.summary[seed]
        assert (row["best"], row["steps"], row["solved_at"]) == (values[best], stop, solved_at)
    assert run.state.step[0] != run.state.step[1]


def test_the_newest_and_the_best_by_the_metric_are_kept(finished):
    """With `keep=1` two checkpoints are left: the last, and that of the best mean over seeds."""
    run, out = finished
    values = means(run.records)
    best = min(values, key=values.__getitem__)
    assert best < max(values), "the best is the newest, and shows nothing"
    assert {int(path.name) for path in (out / "checkpoints").iterdir()} == {best, max(values)}


@pytest.mark.parametrize("which", ["best", "latest"])
def test_evaluate_run_evaluates_the_checkpoint_asked_for(which, finished):
    """On the validation split it finds what was recorded at that update."""
    run, out = finished
    values = means(run.records)
    step = min(values, key=values.__getitem__) if which == "best" else max(values)
    rows, found = evaluate_run(out, "validation", which)
    assert found == step and len(rows) == len(SEEDS)
    for seed, row in zip(SEEDS, rows, strict=True):
        last = [r for r in run.records if r["seed"] == seed and r["step"] <= step][-1]
        assert row == pytest.approx({"seed": seed, **last["validation"]}, rel=1e-5, abs=1e-6)
    assert rows[0] != rows[1]


def test_the_test_split_is_another(finished):
    """Unless told otherwise `evaluate_run` takes the best checkpoint to the test split."""
    _, out = finished
    (tested, step), (validated, same) = evaluate_run(out), evaluate_run(out, "validation")
    assert step == same
    assert [row["seed"] for row in tested] == list(SEEDS)
    for one, other in zip(tested, validated, strict=True):
        assert one.keys() == other.keys() and one["loss"] != other["loss"]


def test_resuming_from_an_earlier_checkpoint_gives_the_same_run(finished, config, copy, assert_identical):
    """With the newest checkpoint lost, the run goes on from the one before and ends in the same bits and records."""
    run, _ = finished
    newest = max(int(path.name) for path in (copy / "checkpoints").iterdir())
    shutil.rmtree(copy / "checkpoints" / str(newest))
    again = train(config, SEEDS, copy, resume=True, quiet=True, checkpoint_every=5, keep=1)
    assert_identical(again.state, run.state)
    assert untimed(again.records) == untimed(run.records) == untimed(lines(copy))
    assert again.summary == run.summary
    assert (copy / "checkpoints" / str(newest)).is_dir()


def test_resuming_before_the_first_checkpoint_starts_anew(finished, config, copy, assert_identical):
    """A run that was killed before any checkpoint was written begins at the beginning, and its records too."""
    shutil.rmtree(copy / "checkpoints")
    again = train(config, SEEDS, copy, resume=True, quiet=True)
    assert_identical(again.state, finished[0].state)
    assert untimed(lines(copy)) == untimed(finished[0].records)


def test_resuming_a_finished_run_changes_nothing(finished, config, copy, files, assert_identical):
    """It returns the run as it was, and leaves every file as it is."""
    before = files(copy)
    again = train(config, SEEDS, copy, resume=True, quiet=True)
    assert_identical(again.state, finished[0].state)
    assert again.records == finished[0].records and again.summary == finished[0].summary
    assert files(copy) == before


def test_overwriting_replaces_the_run(finished, config, copy, assert_identical):
    """Asked to, it deletes the earlier run with all that was in its folder."""
    (copy / "figure.svg").write_text("of the earlier run")
    again = train(config, SEEDS, copy, overwrite=True, quiet=True)
    assert_identical(again.state, finished[0].state)
    assert not (copy / "figure.svg").exists()
    assert untimed(lines(copy)) == untimed(finished[0].records)


def refused(words, folder, files, *arguments, **options):
    """Training raises an `InputError` with these words, and leaves every file below the folder as it is."""
    before = files(folder)
    with pytest.raises(InputError) as raised:
        train(*arguments, quiet=True, **options)
    for word in words:
        assert word in str(raised.value), raised.value
    assert files(folder) == before


def test_a_run_is_not_overwritten_unasked(config, copy, files):
    """A folder that holds anything is refused without `resume` or `overwrite`."""
    refused(["out: got", str(copy), "new or empty folder"], copy, files, config, SEEDS, copy)


@pytest.mark.parametrize("content", [["notes.txt"], ["config.json"], ["environment.json", "notes.txt"]], ids="+".join)
def test_what_is_no_run_is_never_overwritten(content, config, tmp_path, files):
    """Without both config.json and environment.json a folder is not deleted, asked or not."""
    for name in content:
        (tmp_path / name).write_text("{}")
    refused(["out: got", str(tmp_path), "a run's folder"], tmp_path, files, config, SEEDS, tmp_path, overwrite=True)


@pytest.mark.parametrize("options", [{}, {"overwrite": True}], ids=["new", "overwrite"])
def test_a_folder_that_cannot_be_written_is_refused(options, config, tmp_path, files):
    """A path at or below a regular file is named, and nothing is touched."""
    (tmp_path / "file").write_text("of someone else")
    for out in (tmp_path / "file", tmp_path / "file" / "child"):
        refused(["out: got", str(out)], tmp_path, files, config, SEEDS, out, **options)


def test_a_configuration_that_cannot_be_written_deletes_nothing(config, small, copy, files, tmp_path):
    """A function in it is found before the earlier run is deleted, and before a folder is made."""
    unwritable = small(cell=Elman(8, activation=lambda x: x))
    refused(["functions by name"], copy, files, unwritable, SEEDS, copy, overwrite=True)
    refused(["functions by name"], tmp_path, files, unwritable, SEEDS, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_resuming_another_run_is_refused(config, copy, files):
    """Another width, cell, optimiser, task or set of seeds than the folder's is an error that names the folder."""
    words = ["out: got", str(copy), "same configuration"]
    for other, difference in (
        (dataclasses.replace(config, cell=dataclasses.replace(config.cell, features=9)),
         "(config.cell.features: 8 there, 9 here)"),
        (dataclasses.replace(config, cell=GRU(8)), "(config.cell: Elman there, GRU here)"),
        (dataclasses.replace(config, steps=80), "(config.steps: 40 there, 80 here)"),
        (dataclasses.replace(config, task=Latch(10)), "(config.task: Passing there, Latch here)"),
        (dataclasses.replace(config, optimizer=Optimizer("sgd", 0.006)),
         "(config.optimizer.learning_rate: 0.005 there, 0.006 here)"),
    ):  # fmt: skip
        refused([*words, difference], copy, files, other, SEEDS, copy, resume=True)
    refused([*words, "(seeds[1]: 1 there, 2 here)"], copy, files, config, (0, 2), copy, resume=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["config.json", "JSON"]),
        ('{"config": {"type": "rnnjax.tr', ["config.json", "JSON"]),
        ("[1, 2]", ["config.json", "configuration of a training run"]),
        ('{"config": 1, "seeds": [0]}', ["config.json", "configuration of a training run"]),
        ('{"name": "a web page", "version": "1.0"}', ["config.json", "configuration of a training run"]),
        ('{"config": {"type": "no.such:Class"}}', ["config.json", "no.such:Class"]),
        (json.dumps(to_json({"config": Optimizer(), "seeds": (0,)})), ["configuration of a training run"]),
    ],
)
def test_a_foreign_configuration_is_refused(text, words, config, copy, files):
    """A config.json that is not that of a training run is named, by resuming and by evaluating alike."""
    (copy / "config.json").write_text(text)
    refused(words, copy, files, config, SEEDS, copy, resume=True)
    before = files(copy)
    with pytest.raises(InputError, match=words[0]):
        evaluate_run(copy)
    assert files(copy) == before


def test_a_damaged_metric_is_refused(config, copy, files):
    """Where it cannot be told which checkpoint is the best, the folder with the checkpoints is named."""
    for path in (copy / "checkpoints").glob("*/_CHECKPOINT_METADATA"):
        path.write_text('{"val')
    refused(["checkpoints", str(copy)], copy, files, config, SEEDS, copy, resume=True)
    with pytest.raises(InputError, match=str(copy)):
        evaluate_run(copy)


def test_what_is_no_run_cannot_be_resumed_or_evaluated(config, copy, tmp_path, files):
    """A missing or empty folder, and a run without checkpoints, are named with what they lack."""
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, tmp_path / "missing"):
        refused(["run folder", str(folder), "config.json"], tmp_path, files, config, SEEDS, folder, resume=True)
        with pytest.raises(InputError, match=r"a folder with a config\.json"):
            evaluate_run(folder)
        assert not (tmp_path / "missing").exists()
    for make in (lambda path: shutil.rmtree(path), lambda path: path.mkdir()):
        make(copy / "checkpoints")
        with pytest.raises(InputError, match=r"a folder with (a checkpoint|checkpoints)"):
            evaluate_run(copy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"devices": 2, "strategy": "vmap"},
            "devices: got 2, expected a number of devices in 1..1",
        ),
        ({"devices": 99}, "devices: got 99"),
        ({"checkpoint_every": 7}, "checkpoint_every: got 7, expected a multiple of evaluate_every=5"),
        ({"checkpoint_every": 0}, "checkpoint_every: got 0"),
        ({"keep": 0}, "keep: got 0, expected a positive int"),
        ({"resume": True, "overwrite": True}, "resume: got True, expected either resume or overwrite, not both"),
        ({"out": None, "resume": True}, "out: got None, expected a folder"),
        ({"out": None, "tensorboard": True}, "out: got None, expected a folder"),
        ({"seeds": (1, 1)}, "seeds: got (1, 1)"),
    ],
)
def test_arguments_that_do_not_fit_write_nothing(options, message, config, tmp_path):
    with pytest.raises(InputError) as raised:
        train(config, **({"out": tmp_path / "run", "quiet": True} | options))
    assert str(raised.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("option", "given"), [("split", "train"), ("which", "first")])
def test_an_unknown_split_or_choice_is_named(option, given, finished):
    with pytest.raises(InputError, match=f"{option}: got '{given}', expected one of"):
        evaluate_run(finished[1], **{option: given})


def test_numbers_that_are_not_finite_become_null(tmp_path):
    """metrics.jsonl is strict JSON, and comes back with `None` where a number was not finite."""
    folder = RunFolder(tmp_path)
    folder.append({"step": 1, "loss": float("nan"), "validation": {"loss": float("inf"), "rate": [1.0, -np.inf]}})
    [line] = (tmp_path / "metrics.jsonl").read_text().splitlines()
    strict = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert strict == {"step": 1, "loss": None, "validation": {"loss": None, "rate": [1.0, None]}}


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    """Records of later updates and a last half line are forgotten; what comes before stays as it was written."""
    folder = RunFolder(tmp_path)
    assert list(folder.records()) == []
    for step in (10, 20, 30):
        folder.append({"step": step, "loss": 1 / step})
    text = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(text[:-5])
    assert [record["step"] for record in folder.records()] == [10, 20]
    folder.forget_after(10)
    assert (tmp_path / "metrics.jsonl").read_text() == text.splitlines(keepends=True)[0]
