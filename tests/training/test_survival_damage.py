"""Damaged and foreign checkpoints: what is used instead, what is refused, and that nothing is lost by it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import warnings

import pytest

from rnnjax import InputError
from rnnjax.training import restore_run, train
from rnnjax.training.checkpoints import CheckpointWarning

# Threads that were still reading when a checkpoint was given up have nowhere to report to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]
SEEDS = (0, 1)
METADATA = "_CHECKPOINT_METADATA"
EVERY = 10


@pytest.fixture(scope="module")
def config(small):
    return small(stop_when_solved=False)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """A run with checkpoints 20, 30 and 40, and its folder."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    return train(config, SEEDS, out, checkpoint_every=EVERY, keep=3, quiet=True), out


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[1], tmp_path / "copy")


def steps(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir())


def untimed(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def largest(place: pathlib.Path) -> pathlib.Path:
    """The file of a checkpoint with its arrays."""
    return max(
        (path for path in (place / "checkpoint").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


def truncated(place):
    largest(place).write_bytes(largest(place).read_bytes()[: largest(place).stat().st_size // 2])


def garbled(place):
    largest(place).write_bytes(bytes(byte ^ 0x5A for byte in largest(place).read_bytes()))


def lacking(place):
    largest(place).unlink()


def emptied(place):
    shutil.rmtree(place / "checkpoint")


def without_metric(place):
    (place / METADATA).write_text('{"val')


DAMAGES = [truncated, garbled, lacking, emptied, without_metric]


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("damage", [*DAMAGES[:2], *(pytest.param(damage, marks=IN_FULL) for damage in DAMAGES[2:])])
def test_the_checkpoint_before_a_damaged_one_is_used(damage, finished, config, copy, files, assert_identical):
    """A warning names both; records after it are computed again; the run ends as if nothing had been damaged."""
    run, whole = finished
    damage(copy / "checkpoints" / "40")
    before = files(copy / "checkpoints" / "40")
    with pytest.warns(CheckpointWarning, match=r"^checkpoint 40 \(.+\) is damaged, checkpoint 30 is used$"):
        assert restore_run(copy, "latest")[3] == 30
    with pytest.warns(CheckpointWarning, match=r"^checkpoint 40 \(.+\) is damaged, checkpoint 30 is used$"):
        again = train(config, SEEDS, copy, resume=True, checkpoint_every=EVERY, keep=3, quiet=True)
    assert_identical(again.state, run.state)
    assert untimed(copy) == untimed(whole) and again.summary == run.summary
    assert steps(copy) == steps(whole) == [20, 30, 40]
    assert files(copy / "damaged" / "40") == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_identical(restore_run(copy, "latest")[2], run.state)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.usefixtures("collected")
def test_several_damaged_checkpoints_are_passed_over(finished, config, copy, assert_identical):
    """Where the newest two are damaged, the third is used, and the best is the best of those that are whole."""
    for step, damage in ((30, truncated), (40, without_metric)):
        damage(copy / "checkpoints" / str(step))
    with pytest.warns(CheckpointWarning, match=r"^checkpoint 40 \(.+\), 30 \(.+\) is damaged, checkpoint 20 is used$"):
        assert restore_run(copy, "latest")[3] == 20
    with pytest.warns(CheckpointWarning, match="checkpoint 20 is used"):
        assert restore_run(copy, "best")[3] == 20
    with pytest.warns(CheckpointWarning, match="checkpoint 20 is used"):
        again = train(config, SEEDS, copy, resume=True, checkpoint_every=EVERY, keep=3, quiet=True)
    assert_identical(again.state, finished[0].state)
    assert sorted(path.name for path in (copy / "damaged").iterdir()) == ["30", "40"]


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.usefixtures("collected")
def test_where_all_are_damaged_nothing_is_done(config, copy, files):
    """One error names the folder and each checkpoint, and every file stays."""
    for step in steps(copy):
        lacking(copy / "checkpoints" / str(step))
    before = files(copy)
    for use in (
        lambda: train(config, SEEDS, copy, resume=True, quiet=True),
        lambda: restore_run(copy, "best"),
    ):
        with pytest.raises(InputError) as raised:
            use()
        message = str(raised.value)
        assert message.startswith("checkpoints: got ") and str(copy / "checkpoints") in message
        assert all(f"{step}: " in message for step in (20, 30, 40)) and "\n" not in message
        assert files(copy) == before


def test_what_a_kill_left_is_cleared_away(finished, config, copy, assert_identical):
    """A half-written checkpoint and half-deleted old ones are gone once the run has been taken up again."""
    shutil.copytree(copy / "checkpoints" / "20", copy / "checkpoints" / "10.orbax-checkpoint-tmp-deleted")
    shutil.copytree(copy / "checkpoints" / "40", copy / "checkpoints" / "40.orbax-checkpoint-tmp")
    shutil.rmtree(copy / "checkpoints" / "40")
    shutil.rmtree(copy / "checkpoints" / "20" / "checkpoint")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = train(config, SEEDS, copy, resume=True, checkpoint_every=EVERY, keep=3, quiet=True)
    assert_identical(again.state, finished[0].state)
    assert steps(copy) == [30, 40] and not (copy / "damaged").exists()


def rewritten(path, change):
    """Changes the JSON in a file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def refused(words, copy, files, config):
    """Resuming and reading raise an `InputError` with these words, of one short line, and write nothing."""
    before = files(copy)
    for use in (lambda: train(config, SEEDS, copy, resume=True, quiet=True), lambda: restore_run(copy, "latest")):
        with pytest.raises(InputError) as raised:
            use()
        assert all(word in str(raised.value) for word in words), raised.value
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 300
        assert files(copy) == before


def test_a_checkpoint_of_another_configuration_is_refused(config, copy, files):
    """A checkpoint that lies beside another configuration is refused, though shapes fit: the fields are named."""
    other = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=1.0), steps=80)
    rewritten(copy / "config.json", lambda value: value["config"]["optimizer"].update(learning_rate=1.0))
    rewritten(copy / "config.json", lambda value: value["config"].update(steps=80))
    words = [
        str(copy / "checkpoints" / "40"),
        "config.optimizer.learning_rate: 0.003 there, 1.0 here",
        "config.steps: 40",
    ]
    refused(words, copy, files, other)


def test_a_checkpoint_of_another_version_is_refused(config, copy, files):
    """Its number of the format is named, and that of this version."""
    rewritten(copy / "checkpoints" / "40" / METADATA, lambda value: value["custom_metadata"].update(format=2))
    refused(["checkpoint: got", str(copy / "checkpoints" / "40"), "format 2", "format 3"], copy, files, config)


def test_a_field_of_another_version_is_named(config, copy, files):
    """A configuration with a field that this version does not have is refused with the field's name."""
    rewritten(copy / "config.json", lambda value: value["config"].update(momentum_of_tomorrow=1))
    before = files(copy)
    with pytest.raises(InputError, match="momentum_of_tomorrow"):
        train(config, SEEDS, copy, resume=True, quiet=True)
    assert files(copy) == before
