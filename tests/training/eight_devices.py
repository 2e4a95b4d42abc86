"""The laws of a mesh, on eight devices: `python eight_devices.py OUT [LAW... | in_full]`, where there are eight.

Writes OUT/laws.json: for each law an empty string, or what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import shutil
import sys
import traceback
from collections.abc import Callable

import jax
import numpy as np

from rnnjax import LSTM, Dropout, Elman, InputError
from rnnjax.tasks import CopyMemory, Latch
from rnnjax.training import Config, Optimizer, Pascanu, evaluate_run, train

SEEDS = (0, 1)
OPTIONS = dict(steps=4, batch_size=8, evaluate_every=2, evaluation_size=16, stop_when_solved=False)
# Two windows a batch, in most of which some devices hold no target.
WINDOWS = Config(Latch(6, "two_sequence"), Elman(4), Optimizer("sgd", 0.3, clip="norm"), truncation=4, **OPTIONS)
NOISY = dataclasses.replace(
    WINDOWS, cell=Dropout(Elman(4), input=0.2), optimizer=Optimizer("adam", 0.01, gradient_noise=1e-3)
)
# A target at each step, and rows of any length.
EACH_STEP = Config(
    CopyMemory(3, "henaff", symbols=2, items=2),
    Elman(4),
    Optimizer("sgd", 0.3, clip="norm", clip_threshold=0.5),
    **OPTIONS,
)
LAWS: dict[str, Callable[[pathlib.Path], None]] = {}
EXHAUSTIVE: dict[str, Callable[[pathlib.Path], None]] = {}


@functools.lru_cache
def alone(config, seeds=SEEDS):
    """The runs on one device."""
    return train(config, seeds, quiet=True)


def numbers(run):
    """What a run has ended in and reported, but for the time it took, as arrays by name."""
    plain = run.state._replace(key=jax.random.key_data(run.state.key), opt_state=None)
    found = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(plain)}
    for place, record in enumerate(run.records):
        flat = {**record, **record["validation"]}
        found |= {
            f"{place}.{key}": np.asarray(flat[key], float) for key in flat if key not in ("seconds", "validation")
        }
    return found


def assert_close(run, expected):
    """Equal up to the order of summation."""
    run, expected = numbers(run), numbers(expected)
    assert list(run) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(run[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def assert_identical(run, expected):
    """Equal to the last bit."""
    run, expected = numbers(run), numbers(expected)
    assert list(run) == list(expected)
    for name, value in expected.items():
        assert run[name].tobytes() == value.tobytes(), f"{name}: {run[name]} is not {value}"


def law(laws):
    """Adds a law under its name."""

    def add(function):
        laws[function.__name__] = function
        return function

    return add


@law(LAWS)
def both_split(out):
    """Two runs on four devices each are two runs on one; and the same when taken up again from a checkpoint."""
    folder = out / "both"
    run = train(WINDOWS, SEEDS, folder, devices="all", checkpoint_every=2, quiet=True)
    assert run.state.params["cell"]["kernel"].sharding.num_devices == 8
    assert_close(run, alone(WINDOWS))
    shutil.rmtree(folder / "checkpoints" / "4")
    assert_identical(train(WINDOWS, SEEDS, folder, devices=(2, 4), resume=True, quiet=True), run)


@law(EXHAUSTIVE)
def runs_split(out):
    """Runs on a device each are runs on one, to the last bit."""
    assert_identical(train(WINDOWS, SEEDS, devices=2, quiet=True), alone(WINDOWS))


@law(EXHAUSTIVE)
def batch_split(out):
    """A batch split over devices, and on each into micro-batches, is a batch on one."""
    config = dataclasses.replace(WINDOWS, micro_batches=2)
    assert_close(train(config, devices=4, quiet=True), alone(WINDOWS, (0,)))


@law(LAWS)
def pmap_splits(out):
    """`jax.pmap` gives the same run."""
    assert_close(train(WINDOWS, devices=8, strategy="pmap", quiet=True), alone(WINDOWS, (0,)))


@law(LAWS)
def refused(out):
    """What cannot be laid out is one error, before anything is written."""
    folder = out / "refused"
    for devices, strategy, words in (
        (3, "serial", "devices: got '3 (1 x 3: runs x data)', expected batch_size=8 to be divided by 3 devices"),
        (9, "serial", 'devices: got 9, expected a number of devices in 1..8, "all", or (runs, data)'),
        ((3, 3), "serial", "devices: got (3, 3), expected two positive ints (runs, data), of 8 devices in all"),
        ((4, 1), "serial", "devices: got (4, 1), expected at most 2 devices side by side for 2 runs"),
        ((2, 4), "pmap", "devices: got (2, 4), expected devices along one axis"),
    ):
        try:
            train(EACH_STEP, (0,) if devices == 3 else SEEDS, folder, devices=devices, strategy=strategy)
        except InputError as error:
            assert str(error).startswith(words), error
        else:
            raise AssertionError(f"{devices} was not refused")
        assert not folder.exists()


@law(EXHAUSTIVE)
def evaluated_on_one(out):
    """What eight devices have saved, one evaluates."""
    run = train(WINDOWS, SEEDS, out / "saved", devices="all", quiet=True)
    rows, step = evaluate_run(out / "saved", "validation", "latest")
    assert step == 4
    for row, record in zip(rows, run.records[-2:], strict=True):
        for name, value in record["validation"].items():
            np.testing.assert_allclose(row[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


@law(EXHAUSTIVE)
def runs_that_do_not_divide(out):
    """Five runs on three devices are five runs on one, to the last bit, side by side on each device up to rounding."""
    seeds = (0, 1, 2, 3, 4)
    expected = alone(EACH_STEP, seeds)
    assert_identical(train(EACH_STEP, seeds, devices=(3, 1), quiet=True), expected)
    assert_close(train(EACH_STEP, seeds, devices=(3, 1), strategy="vmap", quiet=True), expected)


@law(EXHAUSTIVE)
def every_way_to_split(out):
    """Whatever the mesh, a run is that of one device, with the same noise and the same masks of dropout."""
    for config in (WINDOWS, NOISY, EACH_STEP):
        for devices in ((1, 8), (1, 2), (2, 2), (2, 1)):
            assert_close(train(config, SEEDS, devices=devices, quiet=True), alone(config))
        assert_close(train(config, SEEDS, devices=(2, 2), strategy="vmap", quiet=True), alone(config))
    assert_identical(train(NOISY, SEEDS, devices=2, quiet=True), alone(NOISY))


@law(EXHAUSTIVE)
def gated_and_regularized(out):
    """So is that of a gated cell, and one with a regulariser, whose term is a sum over the batch too."""
    gated = dataclasses.replace(EACH_STEP, cell=LSTM(4), optimizer=Optimizer("adam", 0.01))
    regularized = dataclasses.replace(EACH_STEP, regularizer=Pascanu())
    for config in (gated, regularized):
        for strategy in ("serial", "pmap"):
            assert_close(train(config, devices=8, strategy=strategy, quiet=True), alone(config, (0,)))


@law(EXHAUSTIVE)
def pmap_splits_runs(out):
    """`jax.pmap` over runs gives the runs, and over the batch with micro-batches the run."""
    assert_identical(train(EACH_STEP, SEEDS, devices=2, strategy="pmap", quiet=True), alone(EACH_STEP))
    config = dataclasses.replace(EACH_STEP, micro_batches=2)
    assert_close(train(config, devices=4, strategy="pmap", quiet=True), alone(EACH_STEP, (0,)))


def main(out: pathlib.Path, names: list[str]) -> None:
    """Tries the laws, those in brief unless others are named."""
    found = {}
    for name in list(EXHAUSTIVE) if names == ["in_full"] else names or list(LAWS):
        try:
            (LAWS | EXHAUSTIVE)[name](out)
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
    (out / "laws.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
