"""The runs of an ablation are the runs alone, however they are mapped; each program is compiled once."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pandas
import pytest
from made_up_application import Majority, write_words

from rnnjax import Elman
from rnnjax.ablation import Store, ablate, expand, programs, run_planned, train_group, vary
from rnnjax.ablation import run as module
from rnnjax.ablation.group import chunk_of_runs
from rnnjax.cli import main
from rnnjax.errors import InputError
from rnnjax.initializers import Constant, Orthogonal
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, evaluate_run, restore_run, train
from rnnjax.training.compiling import CompileTime
from rnnjax.training.lock import Lock

BASE = Config(
    Latch(6), Elman(3), Optimizer("sgd"), steps=20, batch_size=4, evaluate_every=10, evaluation_size=10,
    stop_when_solved=False,
)  # fmt: skip
RATES = (0.1, 1e6, 1e38)  # the second ruins its run and the third brings it to infinity, beside a sane one
GRID = vary(
    BASE,
    {"optimizer.learning_rate": RATES},
    cell=(Elman(3, bias_init=Constant(0.5)), Elman(3, recurrent_init=Orthogonal(0.5))),
)
SEEDS = (0, 1)
TIMES = ("seconds",)


def untimed(records):
    return [{name: value for name, value in record.items() if name not in TIMES} for record in records]


def equal(one, other):
    """Whether two trees are equal to the last bit, NaN included."""
    data = lambda leaf: jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf  # noqa: E731
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(data(a)).tobytes() == np.asarray(data(b)).tobytes() for a, b in pairs)


@pytest.fixture(scope="module")
def alone():
    """`alone(run)`: the same run by itself."""
    found = {}
    for run in expand(GRID, SEEDS):
        found[run.name] = train(run.config, (run.seed,), quiet=True)
    return lambda run: found[run.name]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """A finished grid."""
    folder = tmp_path_factory.mktemp("serial") / "grid"
    ablate(GRID, SEEDS, folder, strategy="serial")
    return folder


def summary(store, run):
    return json.loads((store.folder(run) / "summary.json").read_text())["seeds"][0]


def test_runs_in_a_folder_are_runs_alone(serial, alone):
    """Final states, records and summaries, to the last bit; and each folder is that of a training run."""
    store = Store(serial)
    for run in expand(GRID, SEEDS):
        config, seeds, state, step = restore_run(store.folder(run), "latest")
        assert (config, seeds, step) == (run.config, (run.seed,), alone(run).records[-1]["step"])
        assert equal(state, alone(run).state)
        assert summary(store, run) == json.loads(json.dumps(alone(run).summary[0]).replace("Infinity", "null"))
    diverged = {run.config.optimizer.learning_rate for run in expand(GRID, SEEDS) if summary(store, run)["diverged"]}
    assert diverged == {1e38}


IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]


@pytest.mark.parametrize("strategy", ["map", "vmap", pytest.param("shard", marks=IN_FULL)])
def test_runs_trained_together_are_runs_alone(strategy, alone):
    """To the last bit, but for `vmap`: the compiler sums in another order there. Neighbours that have diverged, or have
    grown without bound, change nothing.
    """
    planned = expand(GRID, SEEDS)
    for run, (records, summary, state) in zip(planned, train_group(planned, strategy), strict=True):
        other = alone(run)
        assert [r["step"] for r in records] == [r["step"] for r in other.records]
        if strategy != "vmap":
            assert equal(state, other.state)
            assert repr((untimed(records), summary)) == repr((untimed(other.records), other.summary[0]))
        elif run.config.optimizer.learning_rate == 0.1:
            for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(other.state.params), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert summary["diverged"] == other.summary[0]["diverged"]


ALONE = """
import sys
from rnnjax import LSTM
from rnnjax.tasks import Adding
from rnnjax.training import Config, train

config = Config(Adding(100), LSTM(64), steps=10, batch_size=32, evaluate_every=10, evaluation_size=1)
train(config, (0,), sys.argv[1], quiet=True)
"""


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize(("strategy", "cores"), [("processes", {"NPROC": "1"}), ("serial", {}), ("map", {})])
def test_runs_of_a_usual_size_are_runs_alone(strategy, cores, tmp_path):
    """Products are large enough for XLA to share out between threads, which changes the order of its sums: a run that
    has a process on one core is the run alone on one core.
    """
    subprocess.run([sys.executable, "-c", ALONE, tmp_path / "alone"], env=os.environ | cores, check=True, timeout=600)
    config, seeds, state, _ = restore_run(tmp_path / "alone", "latest")
    ablate(config, (*seeds, 1), tmp_path / "grid", strategy=strategy, processes=2)  # one would be this process
    (run,) = expand(config, seeds)
    assert equal(restore_run(Store(tmp_path / "grid").folder(run), "latest")[2], state)


def test_each_shape_is_compiled_once(tmp_path):
    """Two shapes, and for each several rates, thresholds, biases, scales and seeds: two programs that train."""
    cells = [Elman(n, bias_init=Constant(bias)) for n in (2, 5) for bias in (0.0, 1.0)]
    cells += [Elman(2, recurrent_init=Orthogonal(0.7))]
    optimizers = (Optimizer("sgd", 0.1), Optimizer("sgd", 0.01, clip="norm", clip_threshold=0.1))
    grid = vary(BASE, cell=tuple(cells), optimizer=optimizers, steps=10)
    planned = expand(grid, (0,))
    assert len(planned) == 10 and len(programs(planned)) == 2
    with CompileTime() as compiling:
        run_planned(planned, tmp_path, strategy="serial")
    assert compiling.programs["jit(chunk)"] == 2 and compiling.seconds > 0
    other = Elman(5, bias_init=Constant(-1.5)), Elman(2, recurrent_init=Orthogonal(1.3))
    grid = vary(BASE, cell=other, optimizer=(Optimizer("sgd", 0.03, clip="norm", clip_threshold=3.0),), steps=10)
    with CompileTime() as compiling:  # other numbers in all of them; Flax runs a new model over a step, by itself
        run_planned(expand(grid, (7,)), tmp_path, strategy="serial")
    assert compiling.programs.keys() <= {"jit(scan)"}, compiling.programs


def test_what_is_there_is_not_computed_again(serial, monkeypatch):
    """More seeds and values on a finished grid train the new runs alone, and the tables have all."""
    before = {path: path.stat().st_mtime_ns for path in serial.glob("runs/*/*.json")}
    trained = []
    real = module.train
    monkeypatch.setattr(
        module, "train", lambda config, seeds, *a, **k: trained.append(seeds) or real(config, seeds, *a, **k)
    )
    rows = ablate(GRID, SEEDS, serial, strategy="serial")
    assert len(rows) == 12 and not trained
    wider = vary(GRID.bases[0], {**GRID.choices, "optimizer.learning_rate": (0.1, 0.2)})
    rows = ablate(wider, (0, 1, 2), serial, strategy="serial")
    assert len(rows) == 12 and len(trained) == 2 * (1 + 3)  # one more seed of 0.1, three of 0.2, for two cells
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for table in (pandas.read_csv(serial / "table.csv"), pandas.read_parquet(serial / "table.parquet")):
        assert len(table) == 20 and table["run"].is_unique
        assert set(table["optimizer.learning_rate"]) == {0.1, 0.2, 1e6, 1e38}
        assert set(table["optimizer.learning_rate"][table["diverged"]]) == {1e38} and (table["run_seconds"] > 0).all()
    curves = pandas.read_parquet(serial / "curves.parquet")
    whole = curves[curves["run"].isin(table[~table["diverged"]]["run"])]
    assert whole.groupby("run")["step"].apply(list).map(lambda steps: steps == [10, 20]).all()


def test_a_group_that_was_stopped_goes_on(tmp_path, monkeypatch):
    """Runs trained together, ended after their first checkpoint and taken up again, are runs never stopped."""
    planned = expand(dataclasses.replace(BASE, steps=60), (0, 1))
    whole = run_planned(planned, tmp_path / "whole", strategy="map")

    from rnnjax.ablation import group

    real, chunks = chunk_of_runs, []

    def cut(config, strategy):
        def chunk(states):
            chunks.append(len(states.step))
            if len(chunks) == 6:
                raise OSError("the power is gone")
            return real(config, strategy)(states)

        return chunk

    monkeypatch.setattr(group, "chunk_of_runs", cut)
    with pytest.raises(OSError, match="power"):
        run_planned(planned, tmp_path / "cut", strategy="map")
    store = Store(tmp_path / "cut")
    assert len(store.groups()) == 1 and not store.rows(planned)
    rows = run_planned(planned, tmp_path / "cut", strategy="map")
    assert chunks == [2] * 7  # the sixth again: the first five were saved
    assert not store.groups() and not list(store.path.glob("groups/*"))
    for run, row in zip(planned, whole, strict=True):
        one, other = (restore_run(Store(tmp_path / name).folder(run), "latest") for name in ("whole", "cut"))
        assert equal(one[2], other[2]) and one[3] == other[3] == 60
        assert row["best"] == next(r["best"] for r in rows if r["run"] == run.name)
    found, step = evaluate_run(Store(tmp_path / "cut").folder(run))
    assert step == 60 and found[0]["seed"] == run.seed


def test_bad_input_writes_nothing(tmp_path, serial, capsys):
    planned = expand(vary(BASE, steps=(10, 20)), (0,))
    out = tmp_path / "grid"
    for call, expected in (
        (lambda: run_planned(planned, out, strategy="threads"), "strategy: got 'threads', expected one of auto, proc"),
        (lambda: run_planned(planned, out, processes=0), "processes: got 0"),
        (lambda: run_planned([], out), "grid: got 0, expected at least one run"),
        (lambda: ablate(vary(BASE, steps=(10, 0)), (0,), out), "Config.steps: got 0"),
        (lambda: train_group(planned, "map"), "runs: got 2, expected runs of one program"),
        (lambda: train_group(planned[:1], "serial"), "strategy: got 'serial', expected one of map, vmap, shard"),
    ):
        with pytest.raises(InputError, match=expected):
            call()
    assert not out.exists()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(
        InputError, match=r"out: got .*foreign', expected a new or empty folder, or that of an ablation"
    ):
        run_planned(planned, foreign)
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out: got .*file', expected a new"):
        run_planned(planned, tmp_path / "file")
    lock = Lock(serial)
    lock.acquire()
    try:
        lines = main(["ablate", "latch", "--out", str(serial)]), capsys.readouterr().err.splitlines()
    finally:
        lock.release()
    assert lines[0] == 2 and len(lines[1]) == 1 and "no other process trains in" in lines[1][0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "TASK: got '--out'"),
        ("--cell lstm", "TASK: got '--cell'"),
        ("latch cell", "ablate: got 'cell', expected an option"),
        ("latch --cell lstm,lstm", "--cell: got 'lstm,lstm', expected values that differ"),
        ("latch --cell lstm,none", "grid: got .*expected settings that differ in what they do"),
        ("latch --cell lstm, --seeds 2", "--cell: got 'lstm,', expected values"),
        ("latch --cell lstm,lsmt", "cell: got 'lsmt'"),
        ("latch --cell lstm --cell gru", "--cell: got '', expected each option once"),
        ("latch --seeds 0", "--seeds: got '0'"),
        ("latch --seeds 1,2", "--seeds: got '1,2'"),
        ("latch --strategy best", "--strategy: got 'best', expected one of auto"),
        ("latch --resume", "--resume: got None, expected an option of what is trained"),
        ("latch --learning-rate 1e-3,x", "could not convert string to float: 'x'"),
        ("latch --learning-rate 1e-3,-1", "Optimizer.learning_rate: got -1.0"),
        ("lathc --cell lstm", "TASK: got 'lathc'"),
        ("latch --seeds 3 --dry-run=yes", "--dry-run: got 'yes', expected no value"),
        (f"latch --batch-size {','.join(map(str, range(1, 500)))} --seeds 1000", "ablate: got 499000, expected a grid"),
    ],
)
def test_a_bad_command_is_one_line(words, expected, tmp_path, capsys):
    import re

    out = tmp_path / "grid"
    assert main(["ablate", *words.split(), "--out", str(out)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and re.search(expected, lines[0]), lines
    assert not out.exists()


def test_real_data_is_not_trained_together(tmp_path):
    planned = expand(vary(real(tmp_path), {"optimizer.learning_rate": (0.1, 0.01)}), SEEDS)
    for strategy in ("map", "vmap", "shard"):
        with pytest.raises(InputError, match=r"strategy: got .* for real data, whose batches come from outside"):
            run_planned(planned, tmp_path / "grid", strategy=strategy)
    assert not (tmp_path / "grid").exists()


@pytest.mark.slow
@pytest.mark.exhaustive
def test_runs_on_real_data_are_runs_alone(tmp_path):
    planned = expand(vary(real(tmp_path), {"optimizer.learning_rate": (0.1, 0.01)}), SEEDS)
    rows = run_planned(planned, tmp_path / "grid", strategy="serial")
    for run, row in zip(planned, rows, strict=True):
        alone = train(run.config, (run.seed,), quiet=True)
        _, _, state, step = restore_run(Store(tmp_path / "grid").folder(run), "latest")
        assert equal(state.params, alone.state.params) and step == row["updates"] == 6
        assert row["best"] == alone.summary[0]["best"]
    assert main(["report", str(tmp_path / "grid")]) == 0
    assert "best validation accuracy" in (tmp_path / "grid" / "report.html").read_text()


def real(folder):
    return Config(
        Majority(data=str(write_words(folder / "words.txt"))), Elman(4), steps=6, batch_size=8, evaluate_every=2
    )
