"""Captions of images: what a batch shows, what is counted, and names that are written letter by letter."""

import jax
import numpy as np
import pytest
from made_up_mnist import write_idx

from rnnjax import GRU
from rnnjax.applications import Caption
from rnnjax.data.digit_names import ENGLISH
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, train


def test_a_batch_shows_the_letters_before_and_asks_for_the_next(tmp_path):
    """The words shown are the targets one step later; the end counts, the padding does not."""
    caption = Caption(data=write_idx(tmp_path))
    examples = [caption.examples("test")[place] for place in range(20)]
    batch = caption.collate(examples, caption.longest)
    letters = caption.letters
    for row, example in enumerate(examples):
        name = ENGLISH[example.target]
        assert "".join(letters.decode(batch.targets[row, : len(name)])) == name
        assert batch.targets[row, len(name)] == letters.eos and batch.lengths[row] == len(name) + 1
        assert batch.mask[row].tolist() == [1.0] * (len(name) + 1) + [0.0] * (caption.longest - len(name) - 1)
    words = batch.inputs["words"]
    np.testing.assert_array_equal(words[:, 1:], batch.targets[:, :-1])
    assert not words[:, 0].any() and batch.inputs["image"].shape == (20, 28, 28, 1)
    assert batch.inputs["image"].max() == 1.0


def test_digits_are_named():
    """A few updates on the bundled digits write names, the same for a file of them; captions score as given."""
    caption = Caption(embedding=24, channels=4)
    config = Config(caption, GRU(24), Optimizer("adam", 0.01), steps=90, batch_size=32, evaluate_every=90)
    run = train(config, quiet=True)
    params = jax.tree.map(lambda leaf: leaf[0], run.state.params)
    model = caption.model(config.cell)
    found = caption.evaluate(model, params, "test")
    assert found.metrics["exact"] >= 0.5 and found.metrics["cer"] <= 0.5
    assert np.mean([answer in ENGLISH for answer in found.answers]) >= 0.8
    examples = caption.examples("test")
    true = [ENGLISH[target] for target in examples.targets]
    assert caption.score(true, examples) == {"exact": 1.0, "cer": 0.0}
    rows = caption.predict(model, params, examples[:3])
    assert [row["answer"] for row in rows] == found.answers[:3]
    assert caption.figures(model, params)[0].figures
    assert caption.baseline()["exact"] >= 0.93


def test_labels_of_ones_own_are_the_captions(tmp_path):
    np.savez(tmp_path / "own.npz", images=np.zeros((40, 5, 6)), labels=np.array(["Cat", "Zebra"] * 20))
    caption = Caption(data=str(tmp_path / "own.npz"))
    assert [caption.caption(number) for number in (0, 1)] == ["cat", "zebra"] and caption.longest == 6


def test_bad_options_are_named():
    for options in ({"embedding": 0}, {"channels": 1.5}, {"beam": 0}, {"penalty": -1.0}):
        with pytest.raises(InputError, match=f"^{next(iter(options))}: "):
            Caption(**options)
