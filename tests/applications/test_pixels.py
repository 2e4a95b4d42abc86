"""Images as sequences: the orders show the same pixels, and what the bundled digits teach."""

import jax
import numpy as np
import pytest
from made_up_mnist import images_and_labels, write_idx

from rnnjax import GRU
from rnnjax.applications import Pixels
from rnnjax.errors import InputError
from rnnjax.tasks import MNIST
from rnnjax.training import Config, Optimizer, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_idx(tmp_path_factory.mktemp("mnist"))


def shown(application, split="test"):
    examples = application.examples(split)
    rows = [examples[place] for place in range(len(examples))]
    return application.collate(rows, application.length(rows[0]))


@pytest.mark.parametrize(
    ("order", "task"), [("row", {"order": "row"}), ("pixel", {}), ("permuted", {"permuted": True})]
)
def test_sequences_are_those_of_the_task(folder, order, task):
    """Pixel for pixel those of `rnnjax.tasks.MNIST`, scaled to 0..1."""
    batch, expected = shown(Pixels(data=folder, order=order)), MNIST(folder, **task).evaluation("test")
    np.testing.assert_allclose(batch.inputs, expected.inputs, rtol=1e-6)
    np.testing.assert_array_equal(batch.targets, expected.targets)
    np.testing.assert_array_equal(batch.lengths, expected.lengths)
    assert batch.mask.all()


def test_images_of_any_kind(tmp_path):
    """Colours, floats and names: rows of width times channels, divided by the largest magnitude in training."""
    random = np.random.default_rng(0)
    images = (random.random((40, 5, 6, 3), np.float32) - 0.5) * 8
    np.savez(tmp_path / "own.npz", images=images, labels=np.array(["cat", "dog"] * 20))
    pixels = Pixels(data=str(tmp_path))
    assert pixels.fitted()["labels"] == ["cat", "dog"] and pixels.fitted()["shape"] == [5, 6, 3]
    train_rows = shown(pixels, "train").inputs
    assert train_rows.shape == (32, 5, 18) and np.isclose(np.abs(train_rows).max(), 1)
    assert set(pixels.answers(np.eye(2), shown(pixels))) == {"cat", "dog"}


def test_bundled_digits_are_learned_and_shown():
    """Without data: 1797 digits. A few updates beat chance by far; the answers are names of labels."""
    pixels = Pixels()
    assert [len(pixels.examples(split)) for split in ("train", "validation", "test")] == [1197, 300, 300]
    config = Config(pixels, GRU(16), Optimizer("adam", 0.02), steps=60, batch_size=32, evaluate_every=60)
    run = train(config, quiet=True)
    params = jax.tree.map(lambda leaf: leaf[0], run.state.params)
    model = pixels.model(config.cell)
    found = pixels.evaluate(model, params, "test")
    assert found.metrics["accuracy"] >= 0.6 and set(found.answers) <= set("0123456789")
    assert pixels.score([str(digit) for digit in pixels.examples("test").targets], pixels.examples("test")) == {
        "accuracy": 1.0,
        "macro_f1": 1.0,
    }
    assert pixels.baseline()["accuracy"] >= 0.93
    assert len(pixels.figures(model, params)[0].figures) == 2


def test_images_of_a_file_are_predicted(folder, tmp_path):
    pixels = Pixels(data=folder)
    np.savez(tmp_path / "asked.npz", images=images_and_labels("t10k")[0][:3])
    examples = pixels.read_inputs(str(tmp_path / "asked.npz"))
    model = pixels.model(GRU(2))
    params = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 28, 28)), np.full(1, 28))["params"]
    found = pixels.predict(model, params, examples)
    assert [row["image"] for row in found] == [0, 1, 2] and {row["answer"] for row in found} <= set("0123456789")
    np.savez(tmp_path / "small.npz", images=np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(InputError, match=r"^--input: got shape \(8, 8, 1\)"):
        pixels.read_inputs(str(tmp_path / "small.npz"))


def test_bad_options_are_named():
    for options in ({"order": "column"}, {"pooling": "median"}, {"readout_dropout": 1.0}):
        with pytest.raises(InputError, match=f"^{next(iter(options))}: "):
            Pixels(**options)
    with pytest.raises(InputError, match=r"^tfds: "):
        Pixels(data="somewhere", tfds="mnist").examples("train")
