"""The laws of the benchmark's command and its report: it says what was measured, and what was not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import pytest
from made_up_races import TINY, made_row, raising

from benchmarks import __main__ as command
from benchmarks import gpu, remat, report, zoo
from benchmarks.peers import OURS, PEERS
from benchmarks.problem import MODES, SHAPES
from rnnjax.cells import REGISTRY
from rnnjax.errors import InputError

ROOT = Path(__file__).parents[1]


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


def test_races_are_chosen_by_their_topic(made_up):
    assert command.main(["--quick", "--sections", "ablation", "--topics", "loop", "seeds"]) == 0
    assert [race.topic for race in made_up] == ["3 seeds", "loop"]


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
        (["--sections", "ablation", "--topics", "sunsets"], "checkpoints, loop"),
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


@pytest.mark.parametrize(("files", "name"), [("*.json", "benchmarks.md"), ("epyc/*.json", "benchmarks_epyc.md")])
def test_a_page_is_what_the_measured_files_say(files, name):
    """The pages of the site are rendered from the files beside the benchmark, and not written by hand."""
    page = ROOT / "docs" / name
    if not page.exists():
        pytest.skip("a distribution without the documentation")
    documents = [json.loads(file.read_text()) for file in sorted((ROOT / "benchmarks" / "measured").glob(files))]
    again = f"python -m benchmarks render benchmarks/measured/{files} --docs docs/{name}"
    assert page.read_text() == report.markdown(documents), f"render it again: {again}"


# --- recomputing -------------------------------------------------------------------------------------------------


def test_recomputing_is_shown_beside_the_plain_scan():
    """A line a way in the first table, and in the second the default alone: time and memory over the plain scan's."""
    costs = lambda least, memory: {"minimum": least, "median": 2 * least, "memory_bytes": memory << 20}  # noqa: E731
    contestants = {remat.PLAIN: costs(0.004, 8), remat.UNASKED: costs(0.003, 2)}
    row = lambda topic: dict(section="remat", topic=topic, cell="gru", shape="1x2x3x4", contestants=contestants)  # noqa: E731
    ways, each = report._remat([row(remat.FINAL), row(remat.EACH)]).tables
    unasked = ("3.00 / 6.00", "2.00", "0.75 (0.75)", "0.25")
    assert [line[3] for line in ways.rows] == [remat.PLAIN, remat.UNASKED]
    assert ways.rows[1] == ("the final state", "gru", "1x2x3x4", remat.UNASKED, *unasked)
    assert each.rows == [("gru", "1x2x3x4", *unasked)]
    assert report._remat([]).tables == ()


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
