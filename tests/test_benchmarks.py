"""The laws of the benchmark: contestants are treated alike and checked, and the report says what was measured."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import ablation, bars, gpu, growth, layers, remat, report, zoo
from benchmarks.peers import OURS, PEERS, Peer
from benchmarks.prepared import Absent, Prepared, peak_bytes, prepare
from benchmarks.problem import CELLS, GATES, MODES, SHAPES, Shape
from benchmarks.race import Race, disagreement, run_race
from benchmarks.ratios import best_jax_peer, best_jax_ratio, geometric_mean, ratio
from benchmarks.timing import TURN_SECONDS, interleave
from rnnjax.cells import REGISTRY
from rnnjax.errors import InputError

ROOT = Path(__file__).parents[1]
TINY = Shape(3, 7, 5, 4)


# --- timing ------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only where something is called: `clock.taking(name, 0.1)` takes a tenth of a second."""

    def __init__(self):
        self.now, self.calls = 100.0, []

    def __call__(self):
        return self.now

    def taking(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += seconds

        return call

    def race(self, contestants, **options):
        return interleave(contestants, clock=self, sleep=lambda seconds: None, **options)


def test_contestants_take_turns():
    """One untimed call each, then rounds in which each has one turn, with everyone in every place."""
    clock = Clock()
    times, errors, rounds = clock.race({name: clock.taking(name, 1.0) for name in "abc"}, rounds=6, seconds=0)
    assert rounds == 6 and not errors
    assert clock.calls[:3] == ["a", "b", "c"]
    turns = [clock.calls[start : start + 3] for start in range(3, len(clock.calls), 3)]
    assert [sorted(turn) for turn in turns] == [["a", "b", "c"]] * rounds
    for place in range(3):
        assert {turn[place] for turn in turns} == {"a", "b", "c"}
    assert len({tuple(turn) for turn in turns}) > 3, "the same one always follows"
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys("abc", rounds)


def test_short_calls_fill_their_turn():
    clock = Clock()
    short, long = TURN_SECONDS / 4, 3 * TURN_SECONDS
    contestants = {"short": clock.taking("short", short), "long": clock.taking("long", long)}
    times, _, rounds = clock.race(contestants, rounds=3, seconds=0)
    assert times["short"] == pytest.approx([short] * len(times["short"]))
    assert times["long"] == pytest.approx([long] * rounds)
    assert 4 * rounds <= len(times["short"]) <= 5 * rounds  # the fifth where rounding leaves the fourth a hair short


def test_rounds_go_on_until_the_time_is_over():
    clock = Clock()
    times, _, rounds = clock.race({name: clock.taking(name, 0.5) for name in "ab"}, rounds=2, seconds=7.0)
    assert rounds == 7
    assert sum(map(sum, times.values())) == pytest.approx(7.0)


def test_a_slow_contestant_sits_out_when_it_has_used_all_the_time_alone():
    clock = Clock()
    contestants = {"slow": clock.taking("slow", 5.0), "quick": clock.taking("quick", 0.1)}
    times, _, rounds = clock.race(contestants, rounds=6, seconds=0, alone=6.0)
    assert len(times["slow"]) == 2
    assert len(times["quick"]) == rounds == 6


@pytest.mark.parametrize("good_calls", [0, 1, 3])
def test_a_contestant_that_raises_is_out_and_the_others_go_on(good_calls):
    clock, left = Clock(), [good_calls]

    def breaks():
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("broken")

    times, errors, rounds = clock.race(
        {"good": clock.taking("good", 1.0), "bad": lambda: (clock.taking("bad", 1.0)(), breaks())}, rounds=5, seconds=0
    )
    assert list(times) == ["good"] and len(times["good"]) == rounds == 5
    assert str(errors["bad"]) == "broken"


# --- contestants -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed():
    """The libraries that are here."""
    return [name for name, peer in PEERS.items() if peer.missing() is None]


@pytest.mark.parametrize(("cell", "mode"), [*((cell, "training") for cell in CELLS), ("gru", "forward")])
def test_every_library_computes_the_same_layer(installed, cell, mode):
    """Outputs, or gradients for the inputs, agree to float32; so do the numbers of parameters but for a second bias."""
    raced = run_race(layers.layer_race("layers", cell, TINY, mode, installed, "cpu"), rounds=1, seconds=0)
    measured = {name: each for name, each in raced["contestants"].items() if "absent" not in each}
    assert set(installed) - set(measured) <= ({"equinox"} if cell == "elman" else set())
    assert {name: each["failed"] for name, each in measured.items() if "failed" in each} == {}
    assert {name: each["error"] for name, each in measured.items() if each["error"] > 1e-5} == {}
    biases = GATES[cell] * TINY.hidden
    ours = measured[OURS]["parameters"]
    assert {name for name, each in measured.items() if abs(each["parameters"] - ours) > biases} == set()
    for name, each in measured.items():
        assert 0 < each["minimum"] <= each["median"]
        if PEERS[name].in_jax:
            assert each["compile_seconds"] > 0 and each["memory_bytes"] > 0


def contestant(result):
    return lambda: Prepared(run=lambda: None, result=lambda: np.asarray(result), parameters=1)


def raising(error):
    def make():
        raise error

    return make


def test_a_contestant_that_computes_something_else_has_failed():
    right = np.arange(6.0).reshape(3, 2, 1)
    wrong = {"off": right + 0.01, "transposed": right.swapaxes(0, 1), "not a number": right * np.nan}
    entries = {"right": right, "close": right * (1 + 1e-5), **wrong}
    race = Race("layers", "layers", "lstm", TINY, "forward", "cpu", {n: contestant(r) for n, r in entries.items()})
    measured = run_race(race, rounds=1, seconds=0)["contestants"]
    assert {name for name, each in measured.items() if "failed" in each} == set(wrong)
    assert {name for name, each in measured.items() if "minimum" in each} == {"right", "close"}


def test_a_race_goes_on_without_those_that_are_absent_or_fail():
    entries = {
        "ours": contestant([1.0]),
        "absent": raising(Absent("it has no such cell")),
        "failing": raising(ValueError("bad\nworse")),
    }
    race = Race("layers", "layers", "lstm", TINY, "forward", "cpu", entries)
    measured = run_race(race, rounds=1, seconds=0)["contestants"]
    assert measured["absent"] == {"absent": "it has no such cell"}
    assert measured["failing"] == {"failed": "ValueError: bad"}
    assert measured["ours"]["calls"] >= 1


def test_disagreement_is_relative_to_the_largest_entry():
    expected = np.array([0.0, 10.0])
    assert disagreement(np.array([0.1, 10.0]), expected) == pytest.approx(0.01)
    assert disagreement(expected[:1], expected) == math.inf
    assert math.isnan(disagreement(expected * np.nan, expected))


@pytest.mark.parametrize("mode", MODES)
def test_a_layer_in_jax_gets_time_where_it_wants_it(mode):
    """What is compared has time first, whatever the layout of the layer; gradients are those of half the squares."""
    xs = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
    params = {"scale": np.float32(2.0) * np.ones(3, np.float32)}
    seen = []

    def apply(params, inputs):
        seen.append(inputs.shape)
        return inputs * params["scale"]

    for time_major in (True, False):
        prepared = prepare(apply, params, xs, mode, "cpu", time_major=time_major)
        np.testing.assert_allclose(prepared.result(), 2 * xs if mode == "forward" else 4 * xs, rtol=1e-6)
        assert prepared.parameters == 3 and prepared.recompile is not None and prepared.recompile() > 0
    assert set(seen) == {(5, 2, 3), (2, 5, 3)}


def test_memory_counts_what_a_program_returns_and_keeps():
    x = jnp.ones((64, 64))
    returned = jax.jit(lambda x: (x + 1, x + 2)).lower(x).compile()
    assert (peak_bytes(returned) or 0) >= 2 * x.nbytes
    scalar = jax.jit(lambda x: jnp.sum(x)).lower(x).compile()
    kept = jax.jit(lambda x: jnp.sum(jnp.sort(x @ x, axis=None))).lower(x).compile()
    assert (peak_bytes(scalar) or math.inf) < x.nbytes <= (peak_bytes(kept) or 0)


def test_a_library_that_is_not_installed_is_named():
    absent = Peer("nobody", "Nobody", "no_such_library", "no-such-library", "nothing")
    assert absent.missing() == "no-such-library is not installed"
    broken = dataclasses.replace(absent, package="json")  # it is there, but there is no file for it here
    assert "cannot be imported" in (broken.missing() or "")


# --- engines and recomputation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "cells"), [("associative", growth.ASSOCIATIVE_CELLS), ("newton", growth.NEWTON_CELLS)]
)
def test_engines_agree_with_the_scan_or_say_why_there_are_none(engine, cells):
    raced = run_race(growth.engine_race("growth", engine, cells[0], TINY, "training", "cpu"), rounds=1, seconds=0)
    assert list(raced["contestants"]) == [growth.SCAN, engine]
    for measured in raced["contestants"].values():
        assert "failed" not in measured
        assert ("minimum" in measured) != bool(measured.get("absent"))


def test_an_engine_that_refuses_or_does_not_exist_is_absent():
    for engine, cell in (("no_such_engine", "gru"), ("scan", "no_such_cell")):
        measured = run_race(growth.engine_race("growth", engine, cell, TINY, "forward", "cpu"), rounds=1, seconds=0)
        assert "there is no" in measured["contestants"][engine]["absent"]


def test_ways_of_recomputing_agree():
    raced = run_race(remat.remat_race("elman", dataclasses.replace(TINY, time=60)), rounds=1, seconds=0)
    assert list(raced["contestants"]) == list(remat.WAYS)
    assert [name for name, each in raced["contestants"].items() if "minimum" not in each] == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_runs_with_and_without_what_surrounds_them_agree():
    """Seeds in turn and as an ablation, with checkpoints and without, the loop and a bare scan: the same end."""
    for race in ablation.races(ablation.QUICK):
        raced = run_race(race, rounds=1, seconds=0)
        assert list(raced["contestants"]) == list(race.entries)
        for name, each in raced["contestants"].items():
            assert "minimum" in each and each["error"] < 1e-5 and each["calls"] == 1, (name, each)


def test_the_gpu_part_has_all_that_its_bars_are_about():
    races = gpu.races(tuple(PEERS))
    for bar in bars.BARS:
        if bar.device == "GPU":
            about = [race for race in races if bar.applies(race.key)]
            assert about and all(bar.ours in race.entries for race in about), bar.statement


def test_the_full_run_has_all_that_the_other_bars_are_about():
    races = command.Run()._races(tuple(PEERS))
    for bar in bars.BARS:
        about = [race for race in races if bar.applies(race.key)]
        assert about and all(bar.ours in race.entries for race in about), bar.statement
    shapes = {race.shape for race in races if race.section == "layers"}
    assert shapes == set(SHAPES)
    keys = [tuple(race.key.values()) for race in races]
    assert len(set(keys)) == len(keys)


# --- ratios and bars ---------------------------------------------------------------------------------------------


def made_row(section="layers", cell="lstm", shape=SHAPES[0], mode="training", topic="layers", **contestants):
    """A row in which contestants have taken so many seconds, or (minimum, median)."""
    return row_of({"section": section, "topic": topic, "cell": cell, "shape": str(shape), "mode": mode}, contestants)


def row_of(key, contestants):
    measured = {}
    for name, seconds in contestants.items():
        minimum, median = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        measured[name] = {"minimum": minimum, "median": median, "compile_seconds": minimum, "memory_bytes": minimum}
    return {**key, "rounds": 1, "contestants": measured}


def test_ratios():
    made = made_row(ours=(2.0, 4.0), flax_linen=(3.0, 3.0), haiku=(1.0, 5.0), torch=(0.1, 0.1))
    assert ratio(made, "flax_linen", OURS, "minimum") == 1.5
    assert ratio(made, "flax_linen", OURS, "median") == 0.75
    assert ratio(made, "keras_jax", OURS, "minimum") is None
    assert (best_jax_peer(made, "minimum"), best_jax_peer(made, "median")) == ("haiku", "flax_linen")
    assert (best_jax_ratio(made, "minimum"), best_jax_ratio(made, "median")) == (0.5, 0.75)
    assert best_jax_ratio(made_row(ours=1.0, torch=1.0), "minimum") is None
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None


SKELETONS = [
    *(dict(mode=mode) for mode in MODES),
    dict(section="remat", topic="remat", shape=remat.SHAPE),
    *(dict(section="ablation", topic=race.topic, shape=race.shape) for race in ablation.races(ablation.FULL)),
    dict(section="gpu", shape=gpu.LAYER_SHAPE),
    dict(section="gpu", topic="newton", cell="gru", shape=gpu.NEWTON_SHAPES[0]),
    dict(section="gpu", topic="associative", cell="lru", shape=gpu.ASSOCIATIVE_SHAPE),
]
OTHERS = {"flax_linen", "haiku", "torch", remat.PLAIN, growth.SCAN, ablation.IN_TURN, ablation.NOTHING, ablation.BARE}


def verdict(bar, seconds):
    """The verdict on a bar where ours takes so many seconds and everybody else takes one."""
    kinds = [kind for kind in SKELETONS if bar.applies(made_row(**kind))]
    made = [row_of(made_row(**kinds[0]), {**dict.fromkeys(OTHERS, 1.0), bar.ours: seconds})]
    return next(each for each in bars.judge(made) if each.bar is bar)


every_bar = pytest.mark.parametrize("bar", bars.BARS, ids=lambda bar: bar.statement)


@every_bar
def test_a_bar_is_held_on_one_side_of_its_bound_only(bar):
    """The bar on time tells ours from theirs, whichever way round the ratio is."""
    at_bound = 1 / bar.bound if bar.at_least else bar.bound
    better, worse = verdict(bar, 0.99 * at_bound), verdict(bar, 1.01 * at_bound)
    assert (better.held, worse.held) == (True, False)
    assert better.by["minimum"] == pytest.approx(bar.bound * (1 / 0.99 if bar.at_least else 0.99))
    assert better.rows == 1


@every_bar
def test_a_bar_without_rows_is_neither_held_nor_not(bar):
    found = next(each for each in bars.judge([]) if each.bar is bar)
    assert found.held is None and found.by == {} and found.rows == 0


@every_bar
def test_a_bar_is_not_held_where_ours_has_failed(bar):
    kind = next(kind for kind in SKELETONS if bar.applies(made_row(**kind)))
    failed = row_of(made_row(**kind), dict.fromkeys(OTHERS, 1.0))
    failed["contestants"][bar.ours] = {"failed": "ValueError: no"}
    found = next(each for each in bars.judge([failed]) if each.bar is bar)
    assert found.held is False and "failed" in found.where


def test_a_bar_is_held_by_a_full_run_only(tmp_path, made_up):
    """The report says of how many rows a bar has how many, and that it is held where it has all of them."""
    said = {}
    for name, more in (("part", ["--sections", "layers", "--cells", "gru"]), ("full", ["--sections", "layers"])):
        page = tmp_path / f"{name}.md"
        assert command.main([*more, "--docs", str(page)]) == 0
        lines = [line for line in page.read_text().splitlines() if "compile time over" in line and "at most" in line]
        said[name] = [cell.strip() for cell in lines[0].split("|")]
    assert {"held so far", "14 of 42"} <= set(said["part"])
    assert {"**held**", "42 of 42"} <= set(said["full"])


def test_the_worst_row_or_the_geometric_mean_decides_by_the_minimum():
    made = [
        made_row(ours=(1.0, 1.0), flax_linen=(4.0, 0.5)),
        made_row(cell="gru", ours=(1.0, 1.0), flax_linen=(0.9, 8.0)),
    ]
    worst, mean, torch, compiled = bars.judge(made)[:4]
    assert worst.by == {"minimum": 0.9, "median": 0.5} and worst.held is False
    assert worst.where == f"gru {SHAPES[0]} training" and worst.rows == 2
    assert mean.by == {"minimum": pytest.approx(math.sqrt(3.6)), "median": pytest.approx(2.0)} and mean.held is True
    assert torch.held is None
    assert compiled.by["minimum"] == pytest.approx(1 / 0.9) and compiled.held is True


# --- the command -------------------------------------------------------------------------------------------------

TINY_RUN = ["--cells", "elman", "--shapes", str(TINY), "--peers", "flax_linen", "--rounds", "1", "--seconds", "0"]


def test_the_command_from_end_to_end(tmp_path, capsys, monkeypatch):
    """A tiny run writes numbers and page; rendering its file gives the same page without measuring."""
    file, page, again = tmp_path / "run.json", tmp_path / "run.md", tmp_path / "again.md"
    assert command.main([*TINY_RUN, "--modes", "forward", "training", "--json", str(file), "--docs", str(page)]) == 0
    document = json.loads(file.read_text())
    assert [each["mode"] for each in document["rows"]] == ["forward", "training"]
    assert document["finished"] and document["versions"]["jax"] == jax.__version__
    assert document["machine"]["cores"] > 0
    for each in document["rows"]:
        assert list(each["contestants"]) == [OURS, "flax_linen"]
        for measured in each["contestants"].values():
            assert {"minimum", "median", "calls", "compile_seconds", "memory_bytes", "parameters"} <= set(measured)
    text = page.read_text()
    assert str(TINY) in text and "Flax Linen" in text and "Not run on a GPU" in text
    monkeypatch.setattr(command, "run_race", raising(AssertionError("measured again")))
    assert command.main(["render", str(file), "--docs", str(again)]) == 0
    assert again.read_text() == text
    assert "The bar" in capsys.readouterr().out


@pytest.fixture
def made_up(monkeypatch):
    """Races that take no time: all contestants take a second. Returns the list of those that were run."""
    ran = []

    def run(race, **patience):
        ran.append(race)
        return made_row(race.section, race.cell, race.shape, race.mode, race.topic, **dict.fromkeys(race.entries, 1.0))

    monkeypatch.setattr(command, "run_race", run)
    return ran


def test_a_killed_run_keeps_its_rows_and_is_resumed_when_asked(tmp_path, monkeypatch, made_up, capsys):
    file = tmp_path / "run.json"
    measure = command.run_race
    monkeypatch.setattr(
        command,
        "run_race",
        lambda race, **p: measure(race, **p) if len(made_up) < 2 else raising(KeyboardInterrupt())(),
    )
    assert command.main(["--quick", "--json", str(file)]) == 130
    assert json.loads(file.read_text())["finished"] is None
    assert [each["mode"] for each in json.loads(file.read_text())["rows"]] == ["forward", "training"]
    assert command.main(["render", str(file), "--docs", str(tmp_path / "half.md")]) == 0
    assert "not finished" in (tmp_path / "half.md").read_text()
    monkeypatch.setattr(command, "run_race", measure)
    first = list(made_up)
    assert command.main(["--quick", "--json", str(file), "--resume"]) == 0
    keys = [tuple(race.key.values()) for race in made_up]
    assert len(made_up) > len(first) and len(set(keys)) == len(keys), "a race was run twice"
    document = json.loads(file.read_text())
    assert document["finished"] and len(document["rows"]) == len(keys)
    document["rows"][3]["contestants"][OURS] = {"failed": "ValueError: no"}
    file.write_text(json.dumps(document))
    assert command.main(["--quick", "--json", str(file), "--resume"]) == 0
    assert len(made_up) == len(keys) + 1 and tuple(made_up[-1].key.values()) == keys[3]
    assert "failed" not in file.read_text()
    assert command.main(["--quick", "--json", str(file), "--sections", "remat"]) == 0  # not asked for: from the start
    assert {each["section"] for each in json.loads(file.read_text())["rows"]} == {"remat"}
    capsys.readouterr()
    assert command.main(["--quick", "--rounds", "3", "--json", str(file), "--resume"]) == 2
    assert "rounds" in capsys.readouterr().err


def test_what_is_missing_is_in_the_report(tmp_path, monkeypatch, made_up):
    file, page = tmp_path / "run.json", tmp_path / "run.md"
    monkeypatch.setitem(PEERS, "torch", dataclasses.replace(PEERS["torch"], package="no_such_library"))
    assert command.main(["--quick", "--json", str(file), "--docs", str(page)]) == 0
    document = json.loads(file.read_text())
    assert document["missing"]["torch"] == "torch is not installed"
    assert all("torch" not in race.entries for race in made_up)
    assert "torch is not installed" in page.read_text() and "quick run" in page.read_text()


def test_runs_of_two_machines_make_one_report(tmp_path, monkeypatch, made_up):
    files = [tmp_path / "layers.json", tmp_path / "gpu.json"]
    assert command.main(["--quick", "--sections", "layers", "--json", str(files[0])]) == 0
    monkeypatch.setattr(gpu, "missing", lambda: None)
    monkeypatch.setattr(
        command.machine, "machine", lambda: json.loads(files[0].read_text())["machine"] | {"gpu": "Imagined"}
    )
    assert command.main(["--quick", "--sections", "gpu", "--json", str(files[1])]) == 0
    page = tmp_path / "both.md"
    assert command.main(["render", *map(str, files), "--docs", str(page)]) == 0
    text = page.read_text()
    assert "Machine and versions: a processor" in text and "Machine and versions: a Imagined" in text
    assert "Not run on a GPU" not in text and str(gpu.LAYER_SHAPE) in text and str(SHAPES[0]) in text
    documents = [json.loads(files[0].read_text())] * 2
    with pytest.raises(InputError, match="FILE"):
        report.parts(documents)


def test_rows_that_failed_are_in_the_report(tmp_path, monkeypatch):
    made = made_row(ours=1.0, torch=2.0)
    made["contestants"]["haiku"] = {"failed": "ValueError: a | b < c"}
    made["contestants"]["equinox"] = {"absent": "it has none"}
    monkeypatch.setattr(command, "run_race", lambda race, **patience: made)
    page = tmp_path / "page.md"
    assert command.main([*TINY_RUN, "--modes", "training", "--docs", str(page)]) == 0
    assert "ValueError: a \\| b &lt; c" in page.read_text() and "it has none" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cells", "lru"], "--cells"),
        (["--shapes", "3x4"], "32x100x64x64"),
        (["--shapes", "0x1x1x1"], "shape"),
        (["--modes", "backward"], "--modes"),
        (["--peers", "tensorflow"], "--peers"),
        (["--sections", "tpu"], "--sections"),
        (["--rounds", "0"], "--rounds"),
        (["--resume"], "--json FILE"),
        (["--json", "no/such/folder/run.json"], "--json"),
        (["render", "no_such_file.json"], "FILE"),
        (["render", "pyproject.toml"], "FILE"),
        (["render"], "FILE"),
    ],
)
def test_bad_input_is_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert command.main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_the_page_is_what_the_measured_files_say():
    """The page of the site is rendered from the files beside the benchmark, and not written by hand."""
    files = sorted((ROOT / "benchmarks" / "measured").glob("*.json"))
    page = ROOT / "docs" / "benchmarks.md"
    if not page.exists():
        pytest.skip("a distribution without the documentation")
    documents = [json.loads(file.read_text()) for file in files]
    again = "python -m benchmarks render benchmarks/measured/*.json --docs docs/benchmarks.md"
    assert page.read_text() == report.markdown(documents), f"render it again: {again}"


# --- what each cell costs ----------------------------------------------------------------------------------------


def test_every_cell_without_places_races_with_the_lstm():
    """Each registered cell has a race in each mode, but the LSTM itself and cells over places."""
    found = {(race.cell, race.mode) for race in zoo.races()}
    expected = {name for name, cell in REGISTRY.items() if name != zoo.YARDSTICK and not cell.spatial_axes}
    assert found == {(name, mode) for name in expected for mode in MODES}
    assert all(list(race.entries) == [zoo.YARDSTICK, race.cell] for race in zoo.races(quick=True))


def test_costs_are_ratios_to_the_lstm_of_the_same_race():
    """A line a cell: its time over the LSTM's, forward and in training; a dash for what was not measured."""
    times = lambda least, parameters: {"minimum": least, "median": 2 * least, "parameters": parameters}  # noqa: E731
    contestants = {"lstm": times(0.004, 9), "gru": times(0.003, 7)}
    row = dict(section="zoo", topic="zoo", cell="gru", shape="32x100x64x64", mode="forward", contestants=contestants)
    (table,) = report._zoo([row]).tables
    assert table.rows == [("gru", "7", "3.00 / 6.00", "0.75 (0.75)", "–", "–")]
    assert report._zoo([]).tables == ()
