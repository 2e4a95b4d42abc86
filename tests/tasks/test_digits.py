"""The splits, the orders, and the data behind them."""

import math
import sys

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

from rnnjax.errors import InputError
from rnnjax.tasks import Digits, digits

IMAGES, LABELS = load_digits(return_X_y=True)


def test_splits_are_disjoint_and_cover_the_data():
    rows = digits.split_rows()
    assert {split: len(part) for split, part in rows.items()} == {"train": 1197, "validation": 300, "test": 300}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1797))


def test_splits_are_fixed():
    rows = digits.split_rows()
    digits.split_rows.cache_clear()
    assert all(np.array_equal(part, rows[split]) for split, part in digits.split_rows().items())
    # written down, so that no change of the split, here or in scikit-learn, passes unseen
    assert rows["train"][:4].tolist() == [884, 26, 1701, 257]
    assert rows["validation"][:4].tolist() == [952, 101, 1638, 1595]
    assert rows["test"][:4].tolist() == [1053, 701, 364, 569]


def test_splits_are_stratified():
    share = np.bincount(LABELS) / len(LABELS)
    for rows in digits.split_rows().values():
        assert np.abs(np.bincount(LABELS[rows]) - share * len(rows)).max() < 2


def test_knowing_the_frequencies_saves_less_than_a_thousandth():
    for rows in digits.split_rows().values():
        share = np.bincount(LABELS[rows]) / len(rows)
        entropy = -(share * np.log(share)).sum()
        assert 0 <= Digits().baseline - entropy < 0.001
    assert math.isclose(Digits().baseline, math.log(10))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_is_the_whole_split(split):
    batch, rows = Digits("row").evaluation(split, size=7), digits.split_rows()[split]
    np.testing.assert_array_equal(batch.inputs.reshape(300, 64) * 16, IMAGES[rows])
    np.testing.assert_array_equal(batch.targets, LABELS[rows])
    assert batch.mask.shape == batch.lengths.shape == (300,)


def test_orders_show_the_same_pixels():
    rows, pixels = (np.asarray(Digits(order).evaluation().inputs) for order in ("row", "pixel"))
    assert rows.shape == (300, 8, 8) and pixels.shape == (300, 64, 1)
    np.testing.assert_array_equal(rows.reshape(300, 64), pixels[..., 0])
    permuted = np.asarray(Digits("pixel", permuted=True).evaluation().inputs)
    order = np.random.RandomState(0).permutation(64)
    np.testing.assert_array_equal(permuted, pixels[:, order])
    assert not np.array_equal(permuted, pixels)
    assert pixels.min() == 0 and pixels.max() == 1


def test_a_sample_comes_from_its_split():
    for split, rows in digits.split_rows().items():
        batch = Digits("row").sample(jax.random.key(0), 20_000, split)
        index = {image.tobytes(): label for image, label in zip(IMAGES[rows], LABELS[rows], strict=True)}
        shown = (np.asarray(batch.inputs, np.float64) * 16).reshape(-1, 64)
        assert [index[image.tobytes()] for image in shown] == batch.targets.tolist()
        assert len({image.tobytes() for image in shown}) == len(index)  # none is left out


def test_scikit_learn_is_imported_only_when_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits._load.cache_clear()
    assert Digits().time == 64
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        digits._load()


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"order": "column"}, "order"),
        ({"permuted": 1}, "permuted"),
        ({"order": "row", "permuted": True}, "permuted"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        Digits(**options)
    assert error.value.argument == f"Digits.{argument}" and repr(options[argument]) in str(error.value)
