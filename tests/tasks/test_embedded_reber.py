"""Strings are those of the grammar, with the odds of the grammar."""

import re

import jax
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import EmbeddedReber
from rnnjax.tasks.embedded_reber import SYMBOLS, spell

ROUND = "(?:X T* V P)*"  # from node 4 back to it
INNER = f"B (?:T S* X {ROUND} (?:S | X T* V V) | P T* V (?:V | P {ROUND} (?:S | X T* V V))) E"
GRAMMAR = re.compile(f"B (?:T {INNER} T | P {INNER} P) E".replace(" ", ""))


def strings(batch):
    return [spell(row, length) for row, length in zip(batch.inputs, batch.lengths, strict=True)]


def test_every_string_is_in_the_grammar(draw):
    drawn = strings(draw(EmbeddedReber(14)))
    assert all(GRAMMAR.fullmatch(string) for string in drawn)
    assert {len(string) for string in drawn} == set(range(9, 15))
    assert not GRAMMAR.fullmatch("BTBTXSEPE") and not GRAMMAR.fullmatch("BTBTXSETET")


def test_odds_are_those_of_the_grammar_among_strings_that_are_short_enough(draw, assert_odds):
    """All but five symbols of a string are choices at even odds."""
    drawn = strings(draw(EmbeddedReber(14)))
    different = sorted(set(drawn))
    odds = np.array([0.5 ** (len(string) - 5) for string in different])
    assert_odds(np.array(drawn)[:, None] == np.array(different), odds / odds.sum())


def test_targets_are_the_symbols_that_may_follow(draw):
    """What follows is among the targets, of which there are one or two; at the end the second symbol alone is legal."""
    batch = draw(EmbeddedReber(14))
    for row, string in enumerate(strings(batch)[:500]):
        steps = len(string) - 1
        assert batch.mask[row].tolist() == [1.0] * steps + [0.0] * (14 - steps)
        assert all(batch.targets[row, t, SYMBOLS.index(string[t + 1])] == 1 for t in range(steps))
        assert batch.targets[row, len(string) - 3].tolist() == [float(symbol == string[1]) for symbol in SYMBOLS]
    counted = batch.targets[batch.mask > 0]
    assert set(counted.sum(-1)) == {1.0, 2.0}


def test_rows_of_a_longer_limit_are_rarely_cut():
    lengths = np.asarray(EmbeddedReber().sample(jax.random.key(0), 10_000).lengths)
    assert lengths.max() > 25 and np.mean(lengths == 40) < 1e-3 and 11 < lengths.mean() < 12.5


def test_one_wrong_symbol_makes_a_row_wrong(draw, oracle, measure):
    task = EmbeddedReber(14)
    batch = draw(task)
    outputs = oracle(task, batch)
    outputs[:100, 3] *= -1
    metrics, solved, _ = measure(task, outputs, batch)
    np.testing.assert_allclose(metrics["error_rate"], 100 / len(outputs), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], 1 - 100 / batch.mask.sum(), rtol=1e-6)
    assert not solved


@pytest.mark.parametrize("length", [8, 9.0, True])
def test_bad_options_are_named(length):
    with pytest.raises(InputError) as error:
        EmbeddedReber(length)
    assert error.value.argument == "EmbeddedReber.length" and repr(length) in str(error.value)
