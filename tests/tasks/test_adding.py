"""Where the marks lie, what they sum to, and which errors count."""

import dataclasses

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import Adding


def first_and_second(batch):
    marked = batch.inputs[..., 1] == 1
    assert (marked.sum(1) == 2).all()
    return marked.argmax(1), marked.shape[1] - 1 - marked[:, ::-1].argmax(1)


@pytest.mark.parametrize(("variant", "length"), [("halves", 20), ("anywhere", 20), ("pascanu", 40), ("hs97", 30)])
def test_the_target_follows_from_the_inputs(variant, length, draw):
    batch = draw(Adding(length, variant))
    values, marker = batch.inputs[..., 0], batch.inputs[..., 1]
    total = (values * (marker == 1)).sum(1, keepdims=True)
    target = {"pascanu": total / 2, "hs97": 0.5 + total / 4}.get(variant, total)
    np.testing.assert_allclose(batch.targets, target, atol=1e-6)
    assert values.min() >= (-1 if variant == "hs97" else 0) and values.max() < 1
    assert values.min() < (-0.99 if variant == "hs97" else 0.01) and values.max() > 0.99


def test_halves_has_one_mark_in_each_half(draw, assert_odds):
    first, second = first_and_second(draw(Adding(20, "halves")))
    assert_odds(first[:, None] == np.arange(20), np.repeat([0.1, 0], 10))
    assert_odds(second[:, None] == np.arange(20), np.repeat([0, 0.1], 10))


def test_anywhere_marks_any_two_steps(draw, assert_odds):
    batch = draw(Adding(20, "anywhere"))
    first, second = first_and_second(batch)
    assert_odds(batch.inputs[..., 1] == 1, 2 / 20)
    assert_odds(second == first + 1, 2 / 20)  # 19 of the 190 pairs


def test_pascanu_marks_the_first_tenth_and_then_up_to_the_half(draw, assert_odds):
    task = Adding(40, "pascanu")
    batch = draw(task)
    first, second = first_and_second(batch)
    assert set(batch.lengths) == {40, 41, 42, 43} and task.time == 43
    assert (first < 0.1 * batch.lengths).all()
    assert (second >= 0.1 * batch.lengths - 1).all() and (second < 0.5 * batch.lengths).all()
    assert_odds(first[:, None] == np.arange(43), np.repeat([1 / 4, 0], [4, 39]))
    shortest = second[batch.lengths == 40]
    assert_odds(shortest[:, None] == np.arange(43), np.repeat([0, 1 / 16, 0], [4, 16, 23]))


def test_hs97_marks_the_first_ten_then_the_first_half_and_both_ends(draw, assert_odds):
    task = Adding(30, "hs97")
    batch = draw(task)
    marker, rows = batch.inputs[..., 1], np.arange(len(batch.lengths))
    assert_odds(batch.lengths[:, None] == np.arange(29, 35), np.array([0, 1, 1, 1, 1, 0]) / 4)
    assert (marker[:, 0] == -1).all() and (marker[rows, batch.lengths - 1] == -1).all()
    assert (np.count_nonzero(marker == -1, 1) == 2).all()
    marked = marker == 1
    lost = marked.sum(1) == 1  # the first step was drawn: its marker stays -1, its value is 0
    assert (marked.sum(1) == 2 - lost).all()
    assert_odds(lost, 1 / 10 + (9 / 10) / 14)
    assert (batch.inputs[lost, 0, 0] == 0).all() and (batch.inputs[~lost, 0, 0] != 0).all()
    assert_odds(marked[:, 1:10], 1 / 10 + (9 / 10) / 14)
    assert_odds(marked[:, 10:15], 1 / 14)
    assert not marked[:, 15:].any()  # at least half the row follows the second mark


@pytest.mark.parametrize(
    ("variant", "length", "allowed"),
    [("halves", 20, 0.04), ("anywhere", 20, 0.04), ("hs97", 30, 0.04), ("pascanu", 40, 0.2)],
)
def test_which_errors_count(variant, length, allowed, draw, measure):
    task = Adding(length, variant)
    batch = draw(task)
    for error, wrong in ((0.99 * allowed, 0), (-1.01 * allowed, 1)):
        assert measure(task, batch.targets + error, batch)[0]["error_rate"] == wrong


def test_the_criteria_differ():
    metrics = {"loss": 0.009, "absolute_error": 0.02, "error_rate": 0.005}
    assert Adding(variant="halves").solved(metrics) and Adding(variant="anywhere").solved(metrics)
    assert Adding(variant="pascanu").solved(metrics) and not Adding(variant="hs97").solved(metrics)
    metrics = {"loss": np.array([0.02, 0.005]), "absolute_error": np.array([0.009, 0.011]), "error_rate": np.zeros(2)}
    assert Adding(variant="halves").solved(metrics).tolist() == [False, True]
    assert Adding(variant="hs97").solved(metrics).tolist() == [True, False]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"variant": "thirds"}, "variant"),
        ({"variant": ["halves"]}, "variant"),
        ({"length": 1}, "length"),
        ({"length": 20.0}, "length"),
        ({"length": True}, "length"),
        ({"length": 9, "variant": "pascanu"}, "length"),
        ({"length": 19, "variant": "hs97"}, "length"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        Adding(**options)
    assert error.value.argument == f"Adding.{argument}" and repr(options[argument]) in str(error.value)


def test_fields_are_the_options():
    assert [field.name for field in dataclasses.fields(Adding)] == ["length", "variant"]
