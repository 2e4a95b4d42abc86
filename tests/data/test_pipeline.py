"""Pipelines: every row once an epoch, a batch is a pure function of its number, hosts share without overlap."""

import itertools

import numpy as np
import pytest

from rnnjax.data.pipeline import Plan, buckets, evaluation_rows, read_ahead, training_batches
from rnnjax.errors import InputError

LENGTHS = tuple(int(n) for n in np.random.default_rng(0).integers(1, 60, size=103))


def plan(batch_size=8, seed=1, lengths=LENGTHS):
    return Plan(lengths, batch_size, seed, buckets(lengths))


def test_buckets_hold_all_lengths():
    """Bounds grow, the last is no less than the longest length, and no bound is a multiple too far."""
    bounds = buckets(LENGTHS, count=4, multiple=8)
    assert list(bounds) == sorted(set(bounds)) and len(bounds) <= 4
    assert max(LENGTHS) <= bounds[-1] < max(LENGTHS) + 8 and all(bound % 8 == 0 for bound in bounds)
    assert buckets([7, 7, 7]) == (7,)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_buckets_pad_the_least(count):
    """No other bounds of that number, of all that there are, have less padding."""
    lengths = np.random.default_rng(1).geometric(0.1, size=200)
    sizes = sorted({int(-(-n // 8) * 8) for n in lengths})

    def padded(bounds):
        return sum(min(bound for bound in bounds if bound >= n) for n in lengths)

    others = (c for k in range(1, count + 1) for c in itertools.combinations(sizes, k) if c[-1] == sizes[-1])
    found = buckets(lengths, count)
    assert len(found) <= count and padded(found) == min(map(padded, others))


def test_no_lengths_have_no_buckets():
    """There is nothing to pad."""
    with pytest.raises(InputError, match="lengths"):
        buckets([])


@pytest.mark.parametrize("batch_size", [1, 8, 50, 103])
def test_an_epoch_has_each_row_at_most_once(batch_size):
    """Rows of an epoch differ, fit their bucket's bound, and at most a batch less one are left out."""
    made = plan(batch_size)
    batches = [made[index] for index in range(made.epoch)]
    rows = np.concatenate([rows for rows, _ in batches])
    assert len(set(rows.tolist())) == len(rows) == 103 // batch_size * batch_size
    assert all(max(LENGTHS[row] for row in rows) <= bound for rows, bound in batches)


def test_epochs_and_seeds_differ():
    """Another epoch or seed has another order, and leaves out other rows."""
    made = plan(batch_size=50)
    left_out = {frozenset(range(103)) - {int(r) for i in range(2) for r in made[2 * e + i][0]} for e in range(6)}
    assert len(left_out) > 3
    assert not np.array_equal(made[0][0], plan(batch_size=50, seed=2)[0][0])
    np.testing.assert_array_equal(made[5][0], plan(batch_size=50)[5][0])


def test_reading_ahead_goes_on_from_any_batch():
    """The iterator from batch n on yields what the one from the start yields after n."""
    batches = training_batches(plan(), lambda rows, length: (rows.tolist(), length))
    whole = list(itertools.islice(read_ahead(batches), 20))
    assert whole == [batches[i] for i in range(20)]
    assert list(itertools.islice(read_ahead(batches, 13), 7)) == whole[13:]


def test_hosts_share_a_batch_without_overlap():
    """The parts of two hosts, one after the other, are a batch of one."""
    whole = training_batches(plan(), lambda rows, length: rows.tolist())
    parts = [training_batches(plan(), lambda rows, length: rows.tolist(), (host, 2)) for host in range(2)]
    for index in (0, 7, 30):
        assert len(parts[0][index]) == len(parts[1][index]) == 4
        assert parts[0][index] + parts[1][index] == whole[index]
    with pytest.raises(InputError, match="batch_size"):
        training_batches(plan(), lambda rows, length: rows, (0, 3))


def test_bad_plans_are_refused():
    """No batch larger than the data, none of size 0."""
    for batch_size in (0, 104):
        with pytest.raises(InputError, match="batch_size"):
            plan(batch_size)
    with pytest.raises(InputError, match="bounds"):
        Plan((9,), 1, 0, (8,))


def test_evaluation_sees_each_row_once_and_in_order():
    """The real rows of the batches are 0, 1, 2, ...; all batches have one size."""
    seen = [(rows[:real], len(rows)) for rows, real in evaluation_rows(10, 4)]
    assert np.concatenate([rows for rows, _ in seen]).tolist() == list(range(10))
    assert {size for _, size in seen} == {4}
