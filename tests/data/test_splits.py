"""Fixed splits: each example in one of them, and the test untouched by the size of the validation."""

from __future__ import annotations

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.data.splits import three_ways


@pytest.mark.parametrize("count", [3, 10, 101, 1000])
def test_every_example_is_in_one_split(count):
    parts = three_ways(count)
    assert list(parts) == ["train", "validation", "test"]
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(count))
    assert len(parts["test"]) == len(parts["validation"]) == round(count / 10)


def test_the_split_is_fixed_and_follows_from_the_seed():
    assert three_ways(50)["test"].tolist() == [2, 10, 11, 28, 41]  # this split is that of published figures
    assert not np.array_equal(three_ways(50)["test"], three_ways(50, seed=1)["test"])


def test_the_test_does_not_depend_on_the_validation():
    for validation in (0.0, 0.05, 0.5):
        assert np.array_equal(three_ways(200, validation=validation)["test"], three_ways(200)["test"])


def test_shares_that_leave_nothing_are_refused():
    for arguments in (dict(validation=0.5, test=0.5), dict(test=-0.1), dict(validation=1.0)):
        with pytest.raises(InputError, match=r"count|test|validation"):
            three_ways(10, **arguments)
