"""The main experiment at a tiny size: it runs, it writes its folder, and its claims can fail."""

import contextlib
import io
import json

import numpy as np
import pytest

from experiments import vanishing_gradient
from experiments.__main__ import main
from experiments.harness.claims import judge
from experiments.harness.experiment import NAMES, load
from experiments.harness.report import write_report
from rnnjax.training.run_folder import RunFolder, environment

TINY = vanishing_gradient.Config(
    hidden=4,
    seeds=(0, 1),
    batch_size=4,
    lags=(10, 12),
    order_length=20,
    adding_steps=(4, 4),
    order_steps=4,
    digits_steps=4,
    evaluate_every=2,
    flow_rows=2,
    spectrum_lags=(1, 5, 11),
    processes=1,
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """One run at a tiny size, with what it printed."""
    folder = RunFolder(tmp_path_factory.mktemp("experiment") / "run")
    folder.create(TINY)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = vanishing_gradient.run(TINY, folder)
    return result, printed.getvalue().splitlines(), folder


@pytest.mark.exhaustive
@pytest.mark.slow
def test_every_network_on_every_task(outcome):
    """Each of the seven networks is trained on each task with each seed, and all of it is on record."""
    result, lines, folder = outcome
    assert len(lines) == len(vanishing_gradient.NAMES) * 4
    records = list(folder.records())
    assert {record["network"] for record in records} == set(vanishing_gradient.NAMES)
    assert {record["seed"] for record in records} == {0, 1}
    header, rows = vanishing_gradient.results_table(result.summary)
    assert len(rows) == 7 and all(len(row) == len(header) for row in rows)
    for row in result.summary["networks"].values():
        assert len(row["digits"]["test_accuracy"]) == 2 and len(row["adding 10"]["best"]) == 2


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_report_holds_everything(outcome):
    """The report is one file: claims, figures as inline SVG without clashing ids, no reference to elsewhere."""
    result, _, folder = outcome
    experiment = vanishing_gradient.EXPERIMENT
    summary = _as_at_the_laptop(result.summary)
    claims = judge(experiment.claims, summary)
    text = write_report(experiment, "laptop", claims, result.sections, folder.config.read_text(), environment())
    figures = sum(len(section.figures) for section in result.sections)
    assert text.count("<svg") == figures >= 6
    assert all(claim["claim"].split()[0] in text for claim in claims)
    assert 'src="http' not in text and "@import" not in text and "<script" not in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def _as_at_the_laptop(summary):
    """The tiny summary under the names that the claims look for."""
    networks = {
        name: {**row, "adding 100": row["adding 12"], "order 100": row["order 20"]}
        for name, row in summary["networks"].items()
    }
    return {**summary, "networks": networks, "lag": 100, "order": 100}


def summary(*, solved=300, decades=-6.0):
    """A summary in which every network does the same."""
    task = {"solved_at": [solved] * 2, "steps": [1000] * 2, "diverged": [False] * 2}
    row = {
        "decades_at_initialisation": decades,
        "decades_after_training": decades,
        **{name: task for name in ("adding 50", "adding 100", "order 100")},
        "digits": {**task, "test_accuracy": [0.9] * 2},
    }
    return {
        "networks": {name: dict(row) for name in vanishing_gradient.NAMES},
        "lag": 100,
        "order": 100,
        "seeds": [0, 1],
        "batch_size": 32,
    }


def test_each_claim_can_hold_and_can_fail():
    """No claim is true of every run: for each there is a summary in which it holds and one in which it does not."""
    good = summary()
    never = {"solved_at": [None, None], "steps": [1000] * 2, "diverged": [False] * 2}
    good["networks"]["Elman tanh"]["adding 100"] = never
    good["networks"]["GRU b_z=0"]["order 100"] = never
    good["networks"]["LSTM chrono"]["adding 100"] = {**never, "solved_at": [100, 200]}
    assert all(claim["held"] for claim in judge(vanishing_gradient.CLAIMS, good))
    bad = summary(decades=-0.1)
    bad["networks"]["LSTM b_f=1"]["adding 100"] = {**never, "solved_at": [100, None]}
    bad["networks"]["IRNN"]["adding 100"] = never
    assert not any(claim["held"] for claim in judge(vanishing_gradient.CLAIMS, bad))


def test_decay_is_in_decades():
    """The decay is log10 of the first step's norm over the last one's, and an exact zero is minus infinity."""
    log_norms = np.log(np.asarray([[1e-5, 1e-3, 1.0], [1e-7, 1e-3, 1.0], [1e-9, 1e-3, 1.0]]))
    assert vanishing_gradient.decay(log_norms) == pytest.approx(-7.0)
    assert vanishing_gradient.decay(np.asarray([[-np.inf, 0.0]])) == -np.inf


def test_the_command(tmp_path, capsys):
    """`list` names the experiments; an unknown name or preset is one line and exit code 2; nothing is written."""
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and load(name).papers in printed for name in NAMES)
    assert main(["run", "nothing"]) == 2
    assert main(["run", "vanishing_gradient", "--preset", "nothing", "--out", str(tmp_path / "x")]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 2 and "nothing" in errors[0] and "laptop" in errors[1]
    assert not (tmp_path / "x").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").write_text("kept")
    assert main(["run", "vanishing_gradient", "--out", str(tmp_path / "full")]) == 2
    assert (tmp_path / "full" / "thing").read_text() == "kept"


def test_configurations_are_on_file():
    """A preset survives the way through config.json."""
    from rnnjax.serialization import from_json, to_json

    for preset in vanishing_gradient.PRESETS.values():
        assert from_json(json.loads(json.dumps(to_json(preset)))) == preset
