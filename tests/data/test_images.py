"""Images from idx and npz files: what is read, how it is split, and what is said of files that are something else."""

import os
import pathlib
import struct

import numpy as np
import pytest
from made_up_mnist import idx, images_and_labels, write_idx, write_npz

from rnnjax.data import tfds
from rnnjax.data.files import Entry
from rnnjax.data.images import SPLITS, from_tfds, read, read_idx, read_unlabelled
from rnnjax.errors import InputError
from rnnjax.tasks import mnist_files

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "tfds"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_idx(tmp_path_factory.mktemp("idx"))


def test_splits_are_those_of_the_task(folder):
    """Pixel for pixel what `rnnjax.tasks.MNIST` reads, validation included."""
    for split, (pixels, labels) in mnist_files.read(folder).items():
        found = read(folder)[split]
        assert found.pixels.shape == (len(labels), 28, 28, 1) and found.pixels.dtype == np.uint8
        np.testing.assert_array_equal(found.pixels.reshape(len(labels), -1), pixels)
        np.testing.assert_array_equal(found.labels, labels)


def test_all_formats_say_the_same(folder, tmp_path):
    for name, write in (("plain", lambda path: write_idx(path, packed=False)), ("npz", write_npz)):
        (tmp_path / name).mkdir()
        place = write(tmp_path / name)
        for path in (place, place + "/mnist.npz") if name == "npz" else (place,):
            for split in SPLITS:
                for a, b in zip(read(path)[split], read(folder)[split], strict=True):
                    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_of_every_type(kind):
    """What NumPy writes big-endian after the header comes back in this machine's order."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[kind]
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    raw = bytes([0, 0, code, 3]) + struct.pack(">3I", 2, 3, 4) + array.astype(">" + kind).tobytes()
    found = read_idx(Entry("a", lambda: raw))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.dtype(kind)


def test_images_without_parts_are_split_at_random(tmp_path):
    """A tenth each for validation and test, the same each time; names and colours are kept."""
    random = np.random.default_rng(0)
    images = random.random((40, 5, 6, 3), np.float32)
    np.savez(tmp_path / "own.npz", images=images, labels=np.array(["cat", "dog"] * 20))
    parts = read(tmp_path / "own.npz")
    assert {name: len(part.labels) for name, part in parts.items()} == {"train": 32, "validation": 4, "test": 4}
    together = np.concatenate([parts[name].pixels for name in SPLITS])
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in images)
    names = {image.tobytes(): label for image, label in zip(images, ["cat", "dog"] * 20, strict=True)}
    for part in parts.values():
        assert [names[image.tobytes()] for image in part.pixels] == part.labels.tolist()


def test_images_to_ask_about(folder, tmp_path):
    """An idx file or an npz file with images alone."""
    images = images_and_labels("t10k")[0]
    np.savez(tmp_path / "asked.npz", images=images, other=np.zeros(3))
    for path in (pathlib.Path(folder) / "t10k-images-idx3-ubyte.gz", tmp_path / "asked.npz"):
        np.testing.assert_array_equal(read_unlabelled(path)[..., 0], images)
    with pytest.raises(InputError, match=r"^--input: "):
        read_unlabelled(folder)
    with pytest.raises(InputError, match=r"^t10k-labels-idx1-ubyte: "):
        read_unlabelled(pathlib.Path(folder) / "t10k-labels-idx1-ubyte.gz")


def _write(path, name, raw):
    (path / name).write_bytes(raw)
    return str(path)


def _npz(path, **arrays):
    np.savez(path / "own.npz", **arrays)
    return str(path)


def _idx(path, name, raw):
    write_idx(path, packed=False)
    return _write(path, name, raw)


X, Y = images_and_labels("train")
BROKEN = {
    "an empty folder": str,
    "nothing known": lambda path: _write(path, "notes.txt", b"hello"),
    "no labels": lambda path: _write(path, "train-images-idx3-ubyte", idx(X)),
    "cut short": lambda path: _idx(path, "train-images-idx3-ubyte", idx(X)[:-1]),
    "an empty file": lambda path: _idx(path, "train-labels-idx1-ubyte", b""),
    "too few labels": lambda path: _idx(path, "train-labels-idx1-ubyte", idx(Y[:7])),
    "no part to train on": lambda path: _npz(path, x_test=X, y_test=Y),
    "one image": lambda path: _npz(path, x_train=X[:1], y_train=Y[:1], x_test=X[:1], y_test=Y[:1]),
    "a label outside": lambda path: _npz(path, x_train=X, y_train=Y, x_test=X[:1], y_test=np.array([10])),
    "another size": lambda path: _npz(path, x_train=X, y_train=Y, x_test=X[:, 1:], y_test=Y),
    "NaN": lambda path: _npz(path, images=np.full((30, 2, 2), np.nan), labels=np.arange(30) % 2),
    "flat images": lambda path: _npz(path, images=np.zeros((30, 4)), labels=np.arange(30) % 2),
    "labels of floats": lambda path: _npz(path, images=np.zeros((30, 2, 2)), labels=np.zeros(30)),
    "a damaged archive": lambda path: _write(path, "own.npz", b"PK nothing"),
    "an array alone": lambda path: _write(path, "own.npz", b"\x93NUMPY nothing"),
    "objects": lambda path: _npz(path, images=np.array([{}, {}]), labels=np.arange(2)),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_files_is_one_clear_error(make, tmp_path):
    """It names the file or the argument, in one line."""
    with pytest.raises(InputError, match=r"^(data|own\.npz|train-[a-z0-9-]*): got ") as error:
        read(make(tmp_path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_tfds_rows_become_images(monkeypatch):
    """Splits by name, labels by theirs; a split that is none of ours is left out."""
    random = np.random.default_rng(0)
    rows = [{"image": random.integers(0, 256, (4, 5, 1), np.uint8), "label": i % 2} for i in range(40)]
    monkeypatch.setattr(tfds, "splits", lambda name, data_dir: {"train": rows, "test": rows[:6], "extra": rows})
    monkeypatch.setattr(tfds, "label_names", lambda source: ("cat", "dog"))
    parts = from_tfds("pets", "somewhere")
    assert {name: len(part.labels) for name, part in parts.items()} == {"train": 38, "validation": 2, "test": 6}
    np.testing.assert_array_equal(parts["test"].pixels, [row["image"] for row in rows[:6]])
    assert parts["test"].labels.tolist() == ["cat", "dog"] * 3


@pytest.mark.slow
@pytest.mark.exhaustive
def test_mnist_of_tfds_is_mnist():
    """The prepared data set holds the images of the original files."""
    if not (REAL / "mnist").is_dir():
        pytest.skip("RNNJAX_DATA does not name a folder with tfds/mnist")
    found, files = from_tfds("mnist", str(REAL)), read(REAL.parent / "mnist")
    for split in SPLITS:
        a, b = (sorted(image.tobytes() for image in part[split].pixels) for part in (found, files))
        assert len(a) == len(b) and (split != "test" or a == b)
