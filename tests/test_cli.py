"""The command line: what it prints, what it writes, and one line with exit code 2 for bad arguments."""

import json
import subprocess
import sys

import pytest

from rnnjax.cells import REGISTRY
from rnnjax.cli import main

TINY = ["--length", "12", "--hidden", "4", "--steps", "4", "--batch-size", "4", "--evaluate-every", "2"]


def test_cells_lists_the_registry(capsys):
    """Every registered cell is in the table, with the count of its parameters."""
    assert main(["cells", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(REGISTRY)
    assert rows["lstm"]["parameters"] == 4 * (128 * 128 + 128 * 128 + 128)
    assert all(row["equation"] and row["source"] and "NumPy" in row["verified"] for row in rows.values())
    assert main(["cells"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in REGISTRY)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "nothing"], ["TASK", "'nothing'", "adding"]),
        (["train", "adding", "--cell", "nothing"], ["cell", "'nothing'", "lstm"]),
        (["train", "adding", "--hidden", "0"], ["features", "0", "positive"]),
        (["train", "adding", "--steps", "many"], ["--steps", "'many'"]),
        (["train", "adding", "--steps", "10", "--evaluate-every", "3"], ["evaluate_every", "3", "divisor"]),
        (["train", "adding", "--variant", "nothing"], ["variant", "'nothing'", "halves"]),
        (["train", "adding", "--task-option", "colour=red"], ["colour", "red"]),
        (["train", "adding", "--learning-rate", "-1"], ["learning_rate", "-1", "> 0"]),
        (["train", "adding", "--gate-bias", "forget"], ["--gate-bias", "forget", "NAME=VALUE"]),
        (["train", "adding", "--cell", "gru", "--gate-bias", "forget=1"], ["forget", "update"]),
        (["train", "adding", "--clip-norm", "1", "--clip-value", "1"], ["--clip", "at most one"]),
        (["train", "adding", "--resume"], ["out", "folder"]),
        (["train", "adding", "--devices", "99"], ["devices", "99"]),
        (["train", "adding", "--seeds", "0"], ["--seeds", "0", "positive"]),
        (["train", "adding", "--no-such-option"], ["--no-such-option"]),
        (["train"], ["required"]),
        (["evaluate", "no/such/folder"], ["no/such/folder", "config.json"]),
        (["gradients", "--cells", "lstm,nothing"], ["'nothing'", "lstm"]),
        (["gradients", "--length", "0"], ["--length", "0"]),
        (["nothing"], ["nothing", "train"]),
    ],
)
def test_bad_arguments_are_one_line(arguments, words, capsys):
    """Bad arguments end with exit code 2 and one line that names the argument, the value and what was expected."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    for word in words:
        assert word.lower() in lines[0].lower(), lines[0]
    assert not captured.out


def test_train_evaluate_and_the_folder(tmp_path, capsys):
    """A run writes its folder, is not overwritten unasked, and is evaluated from it."""
    out = str(tmp_path / "run")
    assert main(["train", "adding", *TINY, "--seeds", "2", "--clip-norm", "1", "--out", out]) == 0
    printed = capsys.readouterr().out
    assert "seed 0: not solved, 4 updates" in printed and "seed 1:" in printed and "2/4" in printed
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["cell"]["type"] == "rnnjax.cells.lstm:LSTM" and config["optimizer"]["clip"] == "norm"
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 4

    before = sorted(path.name for path in (tmp_path / "run").rglob("*"))
    assert main(["train", "adding", *TINY, "--out", out]) == 2
    assert "--resume" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == before

    assert main(["evaluate", out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["split"] == "test" and len(found["seeds"]) == 2 and found["seeds"][0]["loss"] > 0
    assert main(["train", "adding", *TINY, "--seeds", "2", "--clip-norm", "1", "--out", out, "--resume"]) == 0
    assert main(["train", "adding", *TINY, "--overwrite", "--quiet", "--out", out]) == 0


def test_options_reach_the_configuration():
    """Each option of `train` ends up where it belongs."""
    from rnnjax import Chrono, Dropout, Stack
    from rnnjax.commands.train import Train

    config = Train(
        task="temporal_order", cell="gru", hidden=5, layers=2, chrono=30, dropout=0.2, task_option=("symbols=3",)
    ).config()
    assert isinstance(config.cell, Stack) and len(config.cell.cells) == 2
    layer = config.cell.cells[0]
    assert isinstance(layer, Dropout) and layer.input == layer.recurrent == 0.2
    assert layer.cell.bias_init == Chrono(30) and config.task.symbols == 3
    config = Train(
        task="adding", clip_value=0.5, schedule="cosine", warmup_steps=3, weight_decay=0.1, truncation=7
    ).config()
    assert (config.optimizer.clip, config.optimizer.clip_threshold) == ("value", 0.5)
    assert (config.optimizer.schedule, config.optimizer.warmup_steps) == ("cosine", 3)
    assert config.truncation == 7 and Train(task="adding").config().optimizer.clip == "none"
    policy = dict(
        on_nonfinite="restore", nonfinite_limit=7, restore_limit=2, explosion_threshold=9.0, explosion_factor=8.0
    )
    config = Train(task="adding", **policy).config()
    assert {field: getattr(config, field) for field in policy} == policy


def test_gradients_prints_and_writes(tmp_path, capsys):
    """The gradient flow of fresh cells: a table, a figure, and the numbers."""
    out = tmp_path / "flow"
    assert main(["gradients", "--cells", "elman,lstm", "--hidden", "4", "--length", "12", "--out", str(out)]) == 0
    assert "elman" in capsys.readouterr().out
    header, *rows = (out / "gradients.csv").read_text().splitlines()
    assert header == "lag,elman,lstm" and len(rows) == 12
    assert (out / "gradients.png").stat().st_size > 1000 and "<svg" in (out / "gradients.svg").read_text()
    assert main(["gradients", "--cells", "elman", "--hidden", "4", "--length", "12", "--out", str(out)]) == 2


def test_the_installed_command_answers():
    """`python -m rnnjax.cli` is the command, and help goes to standard output."""
    done = subprocess.run([sys.executable, "-m", "rnnjax.cli", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "gradients" in done.stdout and not done.stderr
