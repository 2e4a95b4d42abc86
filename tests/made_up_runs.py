"""Made-up outcomes of training runs, for claims to be judged on, and experiments run end to end at a toy size."""

import contextlib
import io
import json

from experiments.harness.claims import judge
from experiments.harness.evidence import summarize
from experiments.harness.report import write_report
from rnnjax.serialization import from_json, to_json
from rnnjax.training.run_folder import RunFolder, environment


def row(*solved, best=0.001, allowed=10_000):
    """The summary of an arm, from the update at which each seed solved its task, or `None`."""
    runs = [
        {"solved_at": at, "steps": at or allowed, "best": best, "diverged": False, "allowed": allowed} for at in solved
    ]
    return summarize({"runs": runs})


def held(experiment, summary):
    """Whether each claim holds; every row of the table has its texts."""
    rows = judge(experiment.claims, summary)
    assert all(
        isinstance(value, str) and value for row in rows for key, value in row.items() if key in ("claim", "ours")
    )
    return [row["held"] for row in rows]


def presets_survive(experiment):
    """Whether each preset comes back from config.json as it was."""
    return all(from_json(json.loads(json.dumps(to_json(preset)))) == preset for preset in experiment.presets.values())


def end_to_end(experiment, config, folder):
    """Runs an experiment into a folder: its summary and its report, which has to hold every claim and figure."""
    folder = RunFolder(folder)
    folder.create(config)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        outcome = experiment.run(config, folder)
    claims = judge(experiment.claims, outcome.summary)
    text = write_report(experiment, "toy", claims, outcome.sections, folder.config.read_text(), environment())
    figures = sum(len(section.figures) for section in outcome.sections)
    assert text.count("<svg") == figures >= 1
    assert json.loads(json.dumps(outcome.summary)) == outcome.summary
    assert outcome.summary["seeds"] == list(config.seeds)
    assert printed.getvalue().strip() and list(folder.records())
    return outcome.summary
