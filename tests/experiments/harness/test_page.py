"""The page of results says what was run, what held and what did not, and what was not run."""

import dataclasses
import json

import pytest

from experiments.__main__ import main
from experiments.harness import experiment as registry
from experiments.harness import page
from experiments.harness.claims import Claim
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.runner import finished, run_experiment
from rnnjax import InputError
from rnnjax.serialization import from_json, to_json


@dataclasses.dataclass(frozen=True)
class Config:
    """A configuration."""

    size: int = 1
    data: str = ""
    processes: int | None = None


CALLS = []


def run(config, folder):
    CALLS.append(config)
    folder.append({"value": config.size})
    if config.size == 13:
        raise RuntimeError("a run that breaks")
    return Outcome(
        {"seeds": [0, 1], "value": config.size}, (Section("Values", "One | two.", (), ((("a",), (("1",),)),)),)
    )


CLAIMS = (
    Claim(
        "Small | values.", "A paper, Table 1", "1", lambda s: str(s["value"]), lambda s: s["value"] == 1, "Too large."
    ),
)


def experiment(name="small", size=1, presets=("laptop", "paper")):
    made = {preset: Config(size) for preset in presets}
    return Experiment(
        name, f"About {name}", "Someone 2001", "What it is.", made, run, CLAIMS, "How.", ("Differs.",), "sub"
    )


@pytest.fixture(autouse=True)
def fresh_calls():
    CALLS.clear()


def test_a_page_from_runs(tmp_path, capsys):
    held, missed, never = experiment(), experiment("large", 2), experiment("never", presets=("paper",))
    for each in (held, missed):
        run_experiment(each, "laptop", each.presets["laptop"], tmp_path / "runs" / f"{each.name}-laptop")
    results, figures, target = tmp_path / "results", tmp_path / "assets", tmp_path / "page.md"
    page.collect([held, missed, never], tmp_path / "runs", results, figures)
    rows = page.write_page([held, missed, never], results, target, figures)
    assert [row.cells[-1] for row in rows] == ["1 of 1 held", "0 of 1 held", "not run"]
    text = target.read_text()
    assert "| Small \\| values. (A paper, Table 1) | 1 | 1 | held |" in text
    assert "2 *Too large.* | **missed** |" in text and text.count("Too large.") == 1
    assert "--preset paper" in text and "**Deviations.** Differs." in text and "seeds 0, 1" in text
    assert json.loads((results / "small-laptop.json").read_text())["environment"]["cores"] > 0
    page.print_table(rows)
    assert "not run" in capsys.readouterr().out


def test_a_run_that_broke_goes_on_and_a_finished_one_is_known(tmp_path):
    broken = experiment(size=13)
    config = broken.presets["laptop"]
    with pytest.raises(RuntimeError):
        run_experiment(broken, "laptop", config, tmp_path / "run")
    assert not finished(tmp_path / "run", config)
    with pytest.raises(InputError, match="resume"):
        run_experiment(broken, "laptop", config, tmp_path / "run")
    with pytest.raises(InputError, match="same configuration"):
        run_experiment(broken, "laptop", Config(1), tmp_path / "run", resume=True)
    with pytest.raises(RuntimeError):  # it goes on, and breaks again
        run_experiment(broken, "laptop", dataclasses.replace(config, processes=2), tmp_path / "run", resume=True)
    assert len(CALLS) == 2 and len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    run_experiment(broken, "laptop", Config(1), tmp_path / "run", overwrite=True)
    assert finished(tmp_path / "run", Config(1, processes=7)) and not finished(tmp_path / "run", config)


def test_all_goes_on_where_it_was_and_does_not_stop_at_what_breaks(tmp_path, monkeypatch, capsys):
    every = {e.name: e for e in (experiment("first"), experiment("second", 13), experiment("third", 2))}
    every["fourth"] = experiment("fourth", presets=("paper",))
    monkeypatch.setattr("experiments.__main__.NAMES", tuple(every))
    monkeypatch.setattr("experiments.__main__.load", every.__getitem__)
    arguments = ["run", "all", "--out", str(tmp_path), "--data", str(tmp_path / "sets"), "--processes", "1"]
    assert main(arguments) == 2
    assert [config.size for config in CALLS] == [1, 13, 2]
    assert all(config.data == str(tmp_path / "sets" / "sub") for config in CALLS)
    printed = capsys.readouterr()
    assert "1 of 3 not run: second (RuntimeError: a run that breaks)" in printed.err
    assert "1 of 1 held" in printed.out and "0 of 1 held" in printed.out
    assert main(arguments) == 2 and [config.size for config in CALLS] == [1, 13, 2, 13]


def test_bad_arguments_write_nothing(tmp_path, capsys):
    out = str(tmp_path / "run")
    for arguments in (
        ["run", "vanishing_gradient", "--resume", "--overwrite", "--out", out],
        ["run", "vanishing_gradient", "--processes", "0", "--out", out],
        ["run", "vanishing_gradient", "--data", "x", "--out", out],
        ["run", "all", "--preset", "none", "--out", out],
        ["table", "--page", str(tmp_path / "no" / "page.md")],
    ):
        assert main(arguments) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_names_are_those_of_files():
    """Each registered experiment has a file, and each states its claims with their sources."""
    for name in registry.NAMES:
        each = registry.load(name)
        assert each.name == name and each.claims and each.presets
        assert set(each.presets) <= {"laptop", "paper"}
        assert all(claim.source and claim.published for claim in each.claims)
        for preset in each.presets.values():
            assert from_json(json.loads(json.dumps(to_json(preset)))) == preset
