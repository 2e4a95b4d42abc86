"""A probe says in words what its numbers say, writes one file, and leaves out what a cell has no use for."""

import json
import math

import jax
import numpy as np
import pytest

from rnnjax import LSTM, Elman, InputError
from rnnjax.cli import main
from rnnjax.initializers import Identity
from rnnjax.probe import PARTS, fresh, write_probe
from rnnjax.probe.dynamics import _stability
from rnnjax.probe.gradients import _fate, flow_part, spectrum_part
from rnnjax.probe.report import write_probe as write
from rnnjax.report import Section

SIZES = dict(hidden=4, length=12, in_features=2, rows=3)


def linear(gain):
    """A network that scales its state by `gain` in each step."""
    cell = Elman(4, activation="identity", recurrent_init=Identity(gain))
    return fresh(cell, length=12, in_features=2, rows=3)


def test_numbers_and_sentences_of_a_network_that_is_known():
    subject = linear(0.5)
    made, numbers = flow_part(subject)
    found = numbers["fresh"]
    assert found["decades"] == pytest.approx(11 * math.log10(0.5), rel=1e-5) and found["steps"] == 11
    assert found["half_life"] == pytest.approx(1.0, rel=1e-4)
    assert made.text.startswith("Fresh, the gradient vanishes: it shrinks by 10^3.3 over 11 steps, and it is halved")
    made, numbers = spectrum_part(subject)
    assert numbers["fresh"]["log10_largest"] == pytest.approx(11 * math.log10(0.5), rel=1e-4)
    assert "is scaled by 10^-3.3, the one that is kept worst by 10^-3.3" in made.text


@pytest.mark.parametrize(
    ("decades", "words"),
    [
        (-3.0, "vanishes: it shrinks by 10^3.0"),
        (2.0, "explodes: it grows by 10^2.0"),
        (0.1, "keeps its size"),
        (-math.inf, "nothing of the gradient is left"),
        (math.nan, "not a number"),
    ],
)
def test_the_fate_of_a_gradient(decades, words):
    assert words in _fate(decades, 50)


@pytest.mark.parametrize(
    ("largest", "error", "words"),
    [
        (0.1, 0.01, "perturbations grow"),
        (0.01, 0.1, "for certain"),
        (-1.0, math.nan, "die out"),
        (math.nan, 0.1, "not"),
    ],
)
def test_an_exponent_within_its_error_says_nothing(largest, error, words):
    assert words in _stability(largest, error)


def test_a_report_is_one_file(tmp_path, monkeypatch):
    """Parts that cannot be made are left out with the reason where all were asked for, and are an error by name."""
    import matplotlib.figure

    def drawn(subject):
        figure = matplotlib.figure.Figure()
        figure.add_subplot().plot([0, 1])
        return Section("Drawn <1>", "A sentence.\n\nMore.", (("caption", figure), ("other", figure))), {
            "value": math.inf
        }

    def refused(subject):
        raise InputError("cell", subject.cell, "another cell")

    parts = {"drawn": drawn, "refused": refused}
    monkeypatch.setattr("rnnjax.probe.report.PARTS", parts)
    subject, told = linear(1.0), []
    report = write(subject, None, tmp_path / "all", tell=told.append)
    text = report.read_text()
    assert text.count("<svg") == 2 and "Drawn &lt;1&gt;" in text and "another cell" in text and "src=" not in text
    assert told[0] == "drawn: A sentence." and told[1].startswith("refused: left out")
    assert json.loads((tmp_path / "all" / "numbers.json").read_text()) == {"drawn": {"value": None}}
    assert sorted(path.name for path in (tmp_path / "all" / "figures").iterdir()) == ["drawn_1.svg", "drawn_2.svg"]
    with pytest.raises(InputError, match="another cell"):
        write(subject, ["refused"], tmp_path / "one")
    with pytest.raises(InputError, match="one of drawn, refused"):
        write(subject, ["nothing"], tmp_path / "one")
    with pytest.raises(InputError, match="overwrite"):
        write(subject, ["drawn"], tmp_path / "all")
    assert not (tmp_path / "one").exists()


def test_bad_arguments_write_nothing(tmp_path, capsys):
    out = tmp_path / "probe"
    for arguments in (
        [],
        ["runs/there-is-none"],
        ["runs/x", "--cell", "lstm"],
        ["--cell", "nothing"],
        ["--cell", "lstm", "--length", "1"],
        ["--cell", "lru", "--hidden", "4", "--length", "5", "--gates"],
    ):
        assert main(["probe", *arguments, "--out", str(out)]) == 2, arguments
        assert len(capsys.readouterr().err.strip().splitlines()) == 1, arguments
    assert not out.exists()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "elman", "lru", "conv_lstm", "echo_state", "hopfield", "ntm"])
def test_all_parts_of_a_fresh_cell(name, tmp_path):
    subject = fresh(name, **SIZES)
    text = write_probe(subject, None, tmp_path).read_text()
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert {"flow", "spectrum", "lyapunov"} <= set(numbers) and text.count("<svg") >= len(numbers) - 1


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_trained_run_is_probed_before_and_after(tmp_path, capsys):
    run = str(tmp_path / "run")
    arguments = ["--cell", "lstm", "--hidden", "4", "--length", "12", "--steps", "4", "--evaluate-every", "2"]
    assert main(["train", "temporal_order", "--quiet", "--out", run, *arguments, "--seeds", "2"]) == 0
    assert main(["probe", run, "--seed", "1", "--out", str(tmp_path / "probe"), "--rows", "3"]) == 0
    numbers = json.loads((tmp_path / "probe" / "numbers.json").read_text())
    assert set(numbers) == set(PARTS)
    moments = list(numbers["flow"])
    assert moments[0] == "at initialisation" and moments[1].startswith("after ")
    assert numbers["flow"][moments[0]] != numbers["flow"][moments[1]]
    assert main(["probe", run, "--seed", "7", "--out", str(tmp_path / "other")]) == 2
    assert "one of 0, 1" in capsys.readouterr().err


def test_a_fresh_subject_is_that_of_its_seed():
    first, same, other = (fresh("lstm", seed=seed, **SIZES) for seed in (1, 1, 2))
    kernels = [np.asarray(s.networks["fresh"]["kernel"]) for s in (first, same, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2]) and first.cell == LSTM(4)
    assert first.xs.shape == (3, 12, 2) and jax.tree.leaves(first.networks)
