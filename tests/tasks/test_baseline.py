"""The baseline of every task, held against the sampler.

The best memoryless predictor is a table: for each thing such a predictor may know, the mean target or the frequencies
of the classes. Fitted to the rows on which it is scored, its expected loss is at most the best one; fitted to other
rows, it is at least the best one. The closed form has to lie between the two, within five standard errors.
"""

import numpy as np

KNOWN = 100  # no task has more things to know


def known(task, batch):
    """What a memoryless predictor may know at each target, as an index: one number for each element of the mask."""
    rows = np.arange(len(batch.lengths))
    if task.name == "copy_memory":
        return np.arange(task.time) - batch.lengths[:, None]  # how far it is to the end; -1, -2 ... are valid steps
    if task.name in ("embedded_reber", "counting"):
        return batch.inputs.argmax(-1)
    if task.name == "noise_free_lag":
        return np.broadcast_to(np.arange(task.time), batch.mask.shape)
    if task.name == "flip_flop":
        return ((batch.inputs + 1) @ 3 ** np.arange(task.bits)).astype(int)
    last = batch.inputs[rows, batch.lengths - 1]
    if task.name in ("temporal_order", "modular_sum"):
        return last.argmax(-1)
    if task.name == "latch":
        return np.digitize(last[:, 0], np.sqrt(task.noise) * np.array([-1.2, -0.7, -0.3, 0, 0.3, 0.7, 1.2]))
    return np.zeros(len(rows), int)


def fit(task, batch):
    """The table `[known, outputs]` that is best for these rows."""
    index, targets = known(task, batch)[batch.mask > 0] % KNOWN, batch.targets[batch.mask > 0]
    classes = np.issubdtype(targets.dtype, np.integer)
    counts = np.maximum(np.bincount(index, minlength=KNOWN), 1)
    each = np.eye(task.outputs)[targets] if classes else targets
    mean = np.stack([np.bincount(index, column, KNOWN) for column in each.T], -1) / counts[:, None]
    if classes:
        return np.log(np.maximum(mean, 1e-30))
    bits = task.name in ("copy_memory", "embedded_reber", "counting")
    return np.log(mean + 1e-30) - np.log(1 - mean + 1e-30) if bits else mean


def score(task, table, batch, measure):
    """The loss of the table on these rows, its standard error, and whether that solves the task."""
    metrics, solved, losses = measure(task, table[known(task, batch) % KNOWN], batch)
    each = (losses.astype(np.float64) * batch.mask).reshape(len(losses), -1).sum(1)
    counted = batch.mask.reshape(len(losses), -1).sum(1)
    loss = each.sum() / counted.sum()
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-4)
    error = (each - loss * counted).std() / counted.mean() / np.sqrt(len(each))  # of a ratio of means
    return loss, error, solved


def test_no_memoryless_predictor_does_better_and_one_does_as_well(task, draw, measure):
    batch, other = draw(task), draw(task, 1)
    low, low_error, low_solved = score(task, fit(task, batch), batch, measure)
    high, high_error, high_solved = score(task, fit(task, other), batch, measure)
    assert low - 5 * low_error <= task.baseline <= high + 5 * high_error
    assert high - low < 0.005 * task.baseline  # the two bounds are tight
    assert max(low_error, high_error) < 0.015 * task.baseline  # and so are the errors
    assert not low_solved and not high_solved
