"""Windows of a text, and the text that comes with Python."""

import dataclasses
import os
import pathlib

import jax
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import Characters

WORDS = "to be or not to be that is the question\n"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A text in which a word follows another at random."""
    words = np.random.RandomState(0).choice(WORDS.split(), 1200)
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(" ".join(words) + "\n", encoding="utf-8")
    return Characters(5, str(path))


def text_of(task):
    return pathlib.Path(task.data).read_text()


def test_the_splits_are_the_text(task):
    parts = [task.decode(task.text.splits[split]) for split in ("train", "validation", "test")]
    text = text_of(task)
    assert "".join(parts) == text and task.text.vocabulary == "".join(sorted(set(text)))
    assert [len(part) / len(text) for part in parts] == pytest.approx([0.9, 0.05, 0.05], abs=0.001)
    assert task.in_features == task.outputs == len(set(text))
    np.testing.assert_array_equal(task.encode(parts[1]), task.text.splits["validation"])


def test_a_row_is_a_window_and_its_targets_are_the_next_characters(task):
    batch = task.sample(jax.random.key(0), 2000, "validation")
    shown = np.asarray(batch.inputs)
    assert shown.shape == (2000, 5, task.in_features) and (shown.sum(-1) == 1).all()
    part = task.decode(task.text.splits["validation"])
    windows = {part[start : start + 6] for start in range(len(part) - 5)}
    drawn = {task.decode([*row, last]) for row, last in zip(shown.argmax(-1), batch.targets[:, -1], strict=True)}
    assert drawn == windows  # all of them, and nothing else
    np.testing.assert_array_equal(batch.targets[:, :-1], shown.argmax(-1)[:, 1:])
    assert np.asarray(batch.mask).all() and (np.asarray(batch.lengths) == 5).all()


def test_an_evaluation_is_the_split_in_order(task):
    batch = task.evaluation("test")
    part = task.decode(task.text.splits["test"])
    rows = (len(part) - 1) // 5
    assert task.decode(np.asarray(batch.inputs).argmax(-1).ravel()) == part[: 5 * rows]
    assert task.decode(np.asarray(batch.targets).ravel()) == part[1 : 5 * rows + 1]


def test_a_sample_is_a_function_of_its_key_and_its_split(task):
    few, many = task.sample(jax.random.key(1), 4), jax.jit(lambda key: task.sample(key, 40))(jax.random.key(1))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[:4]), few, many)
    assert not np.array_equal(few.targets, task.sample(jax.random.key(2), 4).targets)
    with jax.enable_x64(True):
        wide = task.sample(jax.random.key(1), 4)
    assert jax.tree.map(lambda a: a.dtype, wide) == jax.tree.map(lambda a: a.dtype, few)


def test_the_baseline_is_that_of_the_pairs(task):
    """The best table from a character to the next, fitted to all pairs of the training part, has this loss."""
    codes = task.text.splits["train"].astype(int)
    table = np.full((task.outputs, task.outputs), 1e-30)
    np.add.at(table, (codes[:-1], codes[1:]), 1)
    table /= table.sum(1, keepdims=True)
    assert task.baseline == pytest.approx(-np.log(table[codes[:-1], codes[1:]]).mean(), rel=1e-9)
    batch = task.sample(jax.random.key(0), 4000)
    outputs = np.log(table)[np.asarray(batch.inputs).argmax(-1)]
    metrics = task.metrics(outputs.astype(np.float32), batch)
    assert float(metrics["loss"]) == pytest.approx(task.baseline, rel=0.02) and not task.solved(metrics)


def test_an_oracle_solves_it_and_nan_does_not(task):
    batch = task.evaluation("test")
    sure = 60 * jax.nn.one_hot(batch.targets, task.outputs)
    assert task.solved(task.metrics(sure, batch)) and task.metrics(sure, batch)["accuracy"] == 1
    assert not task.solved(task.metrics(np.nan * sure, batch))


def test_the_text_that_comes_with_python():
    task = Characters()
    assert 200_000 < sum(map(len, task.text.splits.values())) < 2_000_000
    assert "assert" in task.decode(task.text.splits["train"][:1000]).lower()
    assert 1.5 < task.baseline < 3.5
    assert hash(task) == hash(Characters(**dataclasses.asdict(task)))


def test_errors_name_the_argument(task, tmp_path):
    (tmp_path / "short").write_text("a" * 100)
    (tmp_path / "empty").write_text("")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe" * 500)
    for name in ("nothing", "short", "empty", "bytes"):
        with pytest.raises(InputError) as error:
            Characters(5, str(tmp_path / name))
        assert error.value.argument == "Characters.data" and name in str(error.value)
    with pytest.raises(InputError, match=r"Characters\.length"):
        Characters(0)
    with pytest.raises(InputError, match="text"):
        task.encode("§")
    with pytest.raises(InputError, match="split"):
        task.evaluation("train")


@pytest.mark.skipif("RNNJAX_DATA" not in os.environ, reason="RNNJAX_DATA names no folder of data sets")
def test_tiny_shakespeare():
    path = pathlib.Path(os.environ["RNNJAX_DATA"]) / "tiny_shakespeare" / "input.txt"
    if not path.is_file():
        pytest.skip(f"no {path}")
    task = Characters(64, str(path))
    assert [len(part) for part in task.text.splits.values()] == [1003854, 55770, 55770] and task.outputs == 65
