"""The layout of each variant, read back from the inputs."""

import math

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import CopyMemory

T, M, S = 6, 5, 8


def codes(task, batch):
    """The code shown at each step: 0 blank, 1..S an item, S + 1 the signal, and -1 in the padding."""
    if task.variant == "tcn":
        return batch.inputs[..., 0]
    valid = batch.inputs.any(-1)
    assert (batch.inputs.sum(-1) == valid).all()
    return np.where(valid, batch.inputs.argmax(-1), -1)


def test_arjovsky(draw):
    task = CopyMemory(T, "arjovsky", items=M)
    batch = draw(task)
    shown = codes(task, batch)
    assert task.time == T + 2 * M and task.outputs == S + 1 and task.in_features == S + 2
    assert set(np.unique(shown[:, :M])) == set(range(1, S + 1))
    assert (shown[:, M:] == np.array([0] * (T - 1) + [S + 1] + [0] * M)).all()
    assert not batch.targets[:, :-M].any() and (batch.targets[:, -M:] == shown[:, :M]).all()
    assert batch.mask.all()


def test_tcn(draw):
    task = CopyMemory(T, "tcn", items=M)
    batch = draw(task)
    shown = codes(task, batch)
    assert task.time == T + 2 * M and task.outputs == S + 2 and task.in_features == 1
    assert set(np.unique(shown[:, :M])) == set(range(1, S + 1))
    assert (shown[:, M:] == np.array([0] * (T - 1) + [S + 1] * (M + 1))).all()
    assert not batch.targets[:, :-M].any() and (batch.targets[:, -M:] == shown[:, :M]).all()
    assert batch.mask.all()


def test_henaff(draw, assert_odds):
    task = CopyMemory(T, "henaff", items=M)
    batch = draw(task)
    shown = codes(task, batch)
    lag = batch.lengths - 2 * M - 1
    assert_odds(lag[:, None] == np.arange(T + 2), np.array([0, *[1 / T] * T, 0]))
    for row in range(200):
        expected = [*shown[row, :M], *[0] * lag[row], S + 1, *[0] * M, *[-1] * (T - lag[row])]
        assert shown[row].tolist() == expected
        targets = [*[0] * (M + lag[row] + 1), *shown[row, :M], *[0] * (T - lag[row])]
        assert batch.targets[row].tolist() == targets
    assert (batch.mask == (np.arange(task.time) < batch.lengths[:, None])).all()


def test_s4(draw):
    task = CopyMemory(T, "s4", items=M)
    batch = draw(task)
    shown = codes(task, batch)
    assert task.time == T + 2 * M and task.outputs == S + 2
    assert (shown[:, M:] == np.array([0] * T + [S + 1] * M)).all()
    assert (batch.targets[:, -M:] == shown[:, :M]).all()
    assert not batch.mask[:, :-M].any() and batch.mask[:, -M:].all()


def test_selective(draw, assert_odds):
    task = CopyMemory(T, "selective", items=M)
    batch = draw(task)
    shown = codes(task, batch)
    assert (shown[:, -M:] == S + 1).all()
    item = (shown[:, :-M] > 0) & (shown[:, :-M] <= S)
    assert (item.sum(1) == M).all()
    assert_odds(item, M / (T + M))
    assert (shown[:, :-M][item].reshape(-1, M) == batch.targets[:, -M:]).all()
    assert not batch.mask[:, :-M].any() and batch.mask[:, -M:].all()


def test_lru(draw, assert_odds):
    task = CopyMemory(T, "lru", items=M)
    batch = draw(task)
    assert task.in_features == 8 and task.outputs == 7
    assert_odds(batch.inputs[:, :M, :7] == 1, 0.5)
    assert not batch.inputs[:, M:, :7].any()
    assert (batch.inputs[..., 7] == (np.arange(task.time) == M + T - 1)).all()
    assert (batch.targets[:, -M:] == batch.inputs[:, :M, :7]).all()
    assert not batch.mask[:, :-M].any() and batch.mask[:, -M:].all()


def test_items_are_uniform(draw, assert_odds):
    targets = draw(CopyMemory(T, "arjovsky", items=M)).targets[:, -M:]
    assert_odds(targets[..., None] == np.arange(1, S + 1), 1 / S)


@pytest.mark.parametrize(("lag", "published"), [(50, 0.2971), (100, 0.1733), (500, 0.0400), (1000, 0.0204)])
def test_published_baselines(lag, published):
    for variant in ("arjovsky", "tcn"):
        assert round(CopyMemory(lag, variant).baseline, 4) == published


def test_the_published_lru_layout_has_28_steps():
    task = CopyMemory(8, "lru")
    assert task.time == 28 and task.in_features == 8 and math.isclose(task.baseline, math.log(2))


@pytest.mark.parametrize("variant", ["arjovsky", "s4", "henaff"])
def test_accuracy_counts_items_and_not_blanks(variant, draw, measure):
    task = CopyMemory(T, variant, items=M)
    batch = draw(task)
    always_blank = np.broadcast_to(np.eye(task.outputs)[0], (*batch.mask.shape, task.outputs))
    assert measure(task, always_blank, batch)[0]["accuracy"] == 0


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"variant": "copy"}, "variant"),
        ({"length": 0}, "length"),
        ({"items": 0}, "items"),
        ({"symbols": 1}, "symbols"),
        ({"bits": 3}, "bits"),
        ({"bits": 0, "variant": "lru"}, "bits"),
        ({"symbols": 9, "variant": "lru"}, "symbols"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        CopyMemory(**options)
    assert error.value.argument == f"CopyMemory.{argument}" and repr(options[argument]) in str(error.value)
