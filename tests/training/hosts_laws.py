"""Laws of several processes: `python hosts_laws.py OUT COORDINATOR PROCESSES ID LAW...`, in each of them.

Writes OUT/laws-ID.json: for each law an empty string, or what is wrong with it in this process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import signal
import sys
import traceback

from rnnjax import InputError
from rnnjax.training import connect

LAWS = {}


def law(function):
    """Adds a law under its name."""
    LAWS[function.__name__] = function
    return function


@law
def trained_as_by_one(out):
    """Processes that split each batch end in the state of one process, write one folder, and go on from it."""
    import jax
    from eight_devices import WINDOWS, alone, assert_close, assert_identical

    from rnnjax.training import train

    folder = out / "run"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        run = train(WINDOWS, (0,), folder, devices="all", checkpoint_every=2)
    assert (printed.getvalue() != "") == (jax.process_index() == 0), printed.getvalue()
    if jax.process_index() == 0:
        assert_close(run, alone(WINDOWS, (0,)))
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    assert_identical(train(WINDOWS, (0,), folder, devices="all", resume=True, quiet=True), run)

    # What is wrong in the process that writes is an error in all.
    expect("out: got", lambda: train(WINDOWS, (0,), folder, devices="all"))


@law
def resumed_by_all(out):
    """A run goes on from a checkpoint in the middle to where the whole one ends, to the last bit."""
    import shutil

    from eight_devices import NOISY, assert_identical

    from rnnjax.training import train
    from rnnjax.training.hosts import is_first, wait_for_all

    folder = out / "resumed"
    whole = train(NOISY, (0, 1), folder, devices="all", checkpoint_every=2, quiet=True)
    if is_first():
        shutil.rmtree(folder / "checkpoints" / "4")
    wait_for_all("cut")
    assert_identical(train(NOISY, (0, 1), folder, devices="all", resume=True, quiet=True), whole)


@law
def every_mesh(out):
    """Runs split, batch split, both: all are the runs of one process; those of a device each to the last bit."""
    import jax
    from eight_devices import EACH_STEP, NOISY, alone, assert_close, assert_identical

    from rnnjax.training import train

    count = jax.process_count()
    seeds = tuple(range(count))
    assert_identical(train(NOISY, seeds, devices=(count, 1), quiet=True), alone(NOISY, seeds))
    assert_close(train(EACH_STEP, seeds, devices=(count // 2, 2), quiet=True), alone(EACH_STEP, seeds))
    config = dataclasses.replace(EACH_STEP, micro_batches=2, batch_size=16)
    assert_close(train(config, (0,), devices=(1, count), quiet=True), alone(config, (0,)))
    expect("devices: got", lambda: train(EACH_STEP, (0,), devices=(1, 3), quiet=True))


@law
def failure_is_told(out):
    """Where one process fails between chunks, all end."""
    import jax
    from eight_devices import WINDOWS

    from rnnjax.training import train
    from rnnjax.training.hosts import OtherFailed

    last = jax.process_count() - 1

    def watch(record):
        if jax.process_index() == last:
            raise RuntimeError("no more")

    try:
        train(WINDOWS, (0,), devices="all", quiet=True, watch=watch)
    except OtherFailed as error:
        assert jax.process_index() != last and error.process == last
    except RuntimeError as error:
        assert jax.process_index() == last and str(error) == "no more"
    else:
        raise AssertionError("it went on")


@law
def interrupted_together(out):
    """A signal to one process ends all after the same update, saved; and they go on together."""
    import jax
    from eight_devices import WINDOWS, alone, assert_close

    from rnnjax.training import train
    from rnnjax.training.interruption import Interrupted

    config = dataclasses.replace(WINDOWS, steps=12)

    def watch(record):
        if jax.process_index() == 1 and record["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        train(config, (0,), out / "signal", devices="all", quiet=True, watch=watch)
    except Interrupted as error:
        assert error.number == signal.SIGTERM
    else:
        raise AssertionError("it went on")
    lines = (out / "signal" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) in (2, 3, 4), lines
    run = train(config, (0,), out / "signal", devices="all", resume=True, quiet=True)
    assert_close(run, alone(config, (0,)))


@law
def application_shared(out):
    """Of real data each process reads its own rows alone, and the run is that of one, its state handed on."""
    import jax
    import numpy as np
    from eight_devices import assert_close

    from rnnjax import GRU
    from rnnjax.applications import REGISTRY
    from rnnjax.training import Config, train
    from rnnjax.training.hosts import is_first, wait_for_all

    if is_first():
        random = np.random.default_rng(0)
        text = " ".join("".join(random.choice(list("abcde"), size=random.integers(2, 6))) for _ in range(400))
        (out / "text.txt").write_text(text)
    wait_for_all("data")
    lm = REGISTRY["lm"](data=str(out / "text.txt"))
    config = Config(lm, GRU(4), steps=4, batch_size=4, evaluate_every=2)
    assert_close(train(config, (0,), devices="all", quiet=True), train(config, (0,), quiet=True))
    shard = jax.process_index(), jax.process_count()
    own, whole = (np.asarray(lm.batches(4, 0, part)[1].targets) for part in (shard, (0, 1)))
    rows = 4 // shard[1]
    np.testing.assert_array_equal(own, whole[shard[0] * rows : (shard[0] + 1) * rows])


@law
def grid_shared(out):
    """A grid is dealt out to all processes: each run is trained once, and is the run alone; the table has them all."""
    import jax
    from eight_devices import WINDOWS, alone

    from rnnjax.ablation import ablate

    told = []
    rows = ablate(WINDOWS, (0, 1, 2), out / "grid", processes=1, tell=told.append)
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert len(told) == 1 + len(range(3)[jax.process_index() :: jax.process_count()]), told
    best = [summary["best"] for summary in alone(WINDOWS, (0, 1, 2)).summary]
    assert [row["best"] for row in rows] == best
    assert len((out / "grid" / "table.csv").read_text().splitlines()) == 4
    assert ablate(WINDOWS, (0, 1, 2), out / "grid", processes=1, tell=told.append) == rows
    assert told[-1].endswith("0 of them are mine")


def expect(words, call):
    """An `InputError` that starts with these words."""
    try:
        call()
    except InputError as error:
        assert str(error).startswith(words), error
    else:
        raise AssertionError(f"no error: {words}")


def main(out: pathlib.Path, coordinator: str, processes: int, process_id: int, names: list[str]) -> None:
    """Tries the laws that are named."""
    connect(coordinator, processes, process_id, timeout=120)
    found = {}
    for name in names:
        try:
            LAWS[name](out)
            found[name] = ""
        except BaseException:
            found[name] = traceback.format_exc()
            break  # the others may wait for what does not come
    (out / f"laws-{process_id}.json").write_text(json.dumps(found))
    if any(found.values()):
        os._exit(1)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
