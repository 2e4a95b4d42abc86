"""MNIST from files: what is read, how it is split, and what is said of files that are not what they should be."""

import json
import math
import os
import pathlib

import jax
import numpy as np
import pytest
from made_up_mnist import idx, images_and_labels, write_idx, write_npz

from rnnjax.errors import InputError
from rnnjax.serialization import from_json, to_json
from rnnjax.tasks import MNIST, get
from rnnjax.tasks.mnist_files import read

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "mnist"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_idx(tmp_path_factory.mktemp("mnist"))


def test_all_formats_say_the_same(folder, tmp_path):
    """Packed and unpacked idx files and an npz file are the same data, pixel for pixel."""
    for name, write in (("plain", lambda path: write_idx(path, packed=False)), ("npz", write_npz)):
        (tmp_path / name).mkdir()
        other = read(write(tmp_path / name))
        for split, (images, labels) in read(folder).items():
            np.testing.assert_array_equal(images, other[split][0])
            np.testing.assert_array_equal(labels, other[split][1])


def test_splits_are_the_files_in_their_order(folder):
    """The last twentieth of the training images is for validation; together the splits are the files."""
    splits = read(folder)
    assert {name: len(labels) for name, (_, labels) in splits.items()} == {"train": 57, "validation": 3, "test": 20}
    for kind, whole in enumerate(images_and_labels("train")):
        parts = np.concatenate([splits[name][kind] for name in ("train", "validation")])
        np.testing.assert_array_equal(parts.reshape(whole.shape), whole)
    np.testing.assert_array_equal(splits["test"][0].reshape(-1, 28, 28), images_and_labels("t10k")[0])


def test_orders_show_the_same_pixels(folder):
    """Rows, pixels and permuted pixels are one image, in [0, 1]; the permutation is one of all pixels."""
    images = images_and_labels("t10k")[0].reshape(-1, 784).astype(np.float32) / 255
    pixels, rows, permuted = (
        np.asarray(MNIST(folder, **options).evaluation("test").inputs)
        for options in ({}, {"order": "row"}, {"permuted": True})
    )
    np.testing.assert_allclose(pixels[..., 0], images, rtol=1e-6)
    np.testing.assert_array_equal(rows.reshape(-1, 784), pixels[..., 0])
    np.testing.assert_array_equal(permuted[..., 0], pixels[:, np.random.RandomState(92916).permutation(784), 0])
    assert pixels.shape == (20, 784, 1) and rows.shape == (20, 28, 28) and not np.array_equal(permuted, pixels)


def test_a_sample_is_a_function_of_its_key_and_comes_from_its_split(folder):
    task = MNIST(folder, "row")
    for split, (images, labels) in read(folder).items():
        batch = task.sample(jax.random.key(0), 400, split)
        index = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        shown = np.round(np.asarray(batch.inputs) * 255).astype(np.uint8).reshape(-1, 784)
        assert [index[image.tobytes()] for image in shown] == batch.targets.tolist()
        few = jax.jit(lambda key, split=split: task.sample(key, 8, split))(jax.random.key(0))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[:8], rtol=1e-6), few, batch)
        assert batch.inputs.dtype == np.float32 and batch.targets.dtype == batch.lengths.dtype == np.int32
        assert set(batch.lengths.tolist()) == {task.time} and batch.mask.all()
    assert not np.array_equal(task.sample(jax.random.key(1), 400).targets, task.sample(jax.random.key(0), 400).targets)


def test_certainty_solves_it_and_indifference_costs_the_baseline(folder):
    task = MNIST(folder, "row")
    batch = task.evaluation("test")
    sure = task.metrics(60 * jax.nn.one_hot(batch.targets, 10), batch)
    unsure = task.metrics(np.zeros((20, 10), np.float32), batch)
    assert task.solved(sure) and float(sure["accuracy"]) == 1 and not task.solved(unsure)
    assert math.isclose(float(unsure["loss"]), task.baseline, rel_tol=1e-6)  # the made-up classes are balanced


def test_a_task_is_a_configuration():
    """It is made without its files, and comes back from config.json."""
    task = MNIST("somewhere", permuted=True)
    assert from_json(json.loads(json.dumps(to_json(task)))) == task == get("mnist", data="somewhere", permuted=True)
    assert (MNIST().time, MNIST("", "row").time, MNIST().in_features) == (784, 28, 1)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"data": 3}, "data"),
        ({"order": "column"}, "order"),
        ({"permuted": 1}, "permuted"),
        ({"order": "row", "permuted": True}, "permuted"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        MNIST(**options)
    assert error.value.argument == f"MNIST.{argument}" and repr(options[argument]) in str(error.value)


def broken(folder, name, text):
    write_idx(folder, packed=False)
    (folder / name).write_bytes(text)
    return str(folder)


IMAGES, LABELS = (idx(array) for array in images_and_labels("train"))
CASES = {
    "no folder named": lambda path: "",
    "an empty folder": str,
    "a file cut short": lambda path: broken(path, "train-images-idx3-ubyte", IMAGES[:-1]),
    "labels for images": lambda path: broken(path, "train-images-idx3-ubyte", LABELS),
    "an empty file": lambda path: broken(path, "train-labels-idx1-ubyte", b""),
    "too few labels": lambda path: broken(path, "train-labels-idx1-ubyte", idx(np.zeros(7, np.uint8))),
    "a label too large": lambda path: broken(path, "train-labels-idx1-ubyte", idx(np.full(60, 10, np.uint8))),
    "images of other sizes": lambda path: broken(path, "t10k-images-idx3-ubyte", idx(np.zeros((20, 8, 8), np.uint8))),
    "one training image": lambda path: _one_image(path),
    "a damaged archive": lambda path: _written(path, "mnist.npz", b"PK nothing"),
    "another archive": lambda path: _other_archive(path),
    "a damaged gz file": lambda path: _written(path, "train-images-idx3-ubyte.gz", b"nothing"),
}


def _one_image(path):
    broken(path, "train-images-idx3-ubyte", idx(np.zeros((1, 28, 28), np.uint8)))
    (path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(1, np.uint8)))
    return str(path)


def _written(path, name, text):
    (path / name).write_bytes(text)
    return str(path)


def _other_archive(path):
    np.savez(path / "mnist.npz", images=np.zeros(3))
    return str(path)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_what_is_wrong_with_files_is_one_clear_error(make, tmp_path):
    """It comes when data is drawn, before anything is compiled, and says what was looked for."""
    with pytest.raises(InputError, match=r"^MNIST\.data: got ") as error:
        MNIST(make(tmp_path)).evaluation()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.skipif(not REAL.is_dir(), reason="set RNNJAX_DATA to a folder with mnist/ to read the real files")
def test_the_real_files():
    """Sizes, frequencies and the mean grey value of MNIST as it is known."""
    splits = read(str(REAL))
    assert {name: len(labels) for name, (_, labels) in splits.items()} == {
        "train": 57_000,
        "validation": 3000,
        "test": 10_000,
    }
    labels = np.concatenate([splits[name][1] for name in ("train", "validation")])
    share = np.bincount(labels) / len(labels)
    assert 0 <= MNIST().baseline + (share * np.log(share)).sum() < 0.002
    pixels = np.concatenate([splits[name][0] for name in ("train", "validation")])
    assert abs(pixels.mean() / 255 - 0.1307) < 5e-5
    assert (pixels[:, -1] == 0).mean() > 0.99
