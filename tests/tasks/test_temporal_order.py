"""Where the relevant symbols lie, which class they make, and what half a memory is worth."""

import itertools
import math

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import TemporalOrder

BOTH = [(variant, symbols) for variant in TemporalOrder.variants for symbols in (2, 3)]


def places_and_values(task, batch):
    codes = np.where(batch.inputs.any(-1), batch.inputs.argmax(-1), -1)
    relevant = (codes == 0) | (codes == 1)
    assert (relevant.sum(1) == task.symbols).all()
    places = np.nonzero(relevant)[1].reshape(-1, task.symbols)
    return codes, places, np.take_along_axis(codes, places, 1)


@pytest.mark.parametrize(("variant", "symbols"), BOTH)
def test_the_class_follows_from_the_inputs(variant, symbols, draw, assert_odds):
    task = TemporalOrder(20, symbols, variant)
    batch = draw(task)
    _, _, values = places_and_values(task, batch)
    assert (batch.targets == values @ 2 ** np.arange(symbols)).all()
    assert_odds(batch.targets[:, None] == np.arange(2**symbols), 0.5**symbols)


@pytest.mark.parametrize(("variant", "symbols"), BOTH)
def test_symbols_fill_their_windows(variant, symbols, draw, assert_odds):
    task = TemporalOrder(20, symbols, variant)
    _, places, _ = places_and_values(task, draw(task))
    for place, (first, last) in zip(places.T, task.windows, strict=True):
        inside = (np.arange(task.time) >= first) & (np.arange(task.time) <= last)
        assert_odds(place[:, None] == np.arange(task.time), inside / inside.sum())


def test_windows_at_the_published_length():
    assert TemporalOrder(100, 2, "pascanu").windows == ((10, 19), (50, 59))
    assert TemporalOrder(100, 3, "pascanu").windows == ((10, 19), (30, 39), (60, 69))
    assert TemporalOrder(100, 2, "hs97").windows == ((10, 20), (50, 60))
    assert TemporalOrder(100, 3, "hs97").windows == ((10, 20), (33, 43), (66, 76))


@pytest.mark.parametrize(("variant", "symbols"), BOTH)
def test_windows_never_meet_each_other_or_the_ends(variant, symbols):
    for length in range(10, 300):
        edges = [0, *np.ravel(TemporalOrder(length, symbols, variant).windows), length - 1]
        assert all(a < b or (i % 2 and a == b) for i, (a, b) in enumerate(itertools.pairwise(edges)))


def test_distraction_and_ends(draw, assert_odds):
    task = TemporalOrder(20, 2, "pascanu")
    codes, _, _ = places_and_values(task, draw(task))
    assert_odds(codes[:, -1:] == np.arange(2, 6), 1 / 4)
    task = TemporalOrder(20, 2, "hs97")
    batch = draw(task)
    codes, _, _ = places_and_values(task, batch)
    ends = np.arange(task.time) == batch.lengths[:, None] - 1
    assert (codes[:, 0] == 6).all() and ((codes == 6).sum(1) == 1).all() and ((codes == 7) == ends).all()
    assert_odds(batch.lengths[:, None] == np.array([20, 21, 22]), 1 / 3)
    assert_odds(codes[:, 1:2] == np.arange(2, 6), 1 / 4)


def test_to_remember_one_of_two_symbols_is_worth_half(draw, measure):
    task = TemporalOrder(20)
    batch = draw(task)
    _, _, values = places_and_values(task, batch)
    agrees = np.arange(4)[None] % 2 == values[:, :1]
    metrics, _, _ = measure(task, np.where(agrees, 0, -60), batch)
    np.testing.assert_allclose(metrics["loss"], math.log(2), rtol=1e-5)
    assert abs(metrics["error_rate"] - 0.5) < 5 * 0.5 / math.sqrt(len(batch.targets))


def test_hs97_asks_for_certainty(draw, measure):
    task = TemporalOrder(20, 2, "hs97")
    batch = draw(task)
    for probability, wrong in ((0.69, 1), (0.71, 0)):
        odds = math.log(3 * probability / (1 - probability))
        metrics, _, _ = measure(task, odds * np.eye(4)[batch.targets], batch)
        assert metrics["error_rate"] == wrong and metrics["accuracy"] == 1


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"variant": "hs96"}, "variant"),
        ({"symbols": 4}, "symbols"),
        ({"symbols": 1}, "symbols"),
        ({"symbols": 2.0}, "symbols"),
        ({"length": 9}, "length"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        TemporalOrder(**options)
    assert error.value.argument == f"TemporalOrder.{argument}" and repr(options[argument]) in str(error.value)
