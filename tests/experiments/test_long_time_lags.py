"""The trials of 1997 at a tiny size, and claims that can hold and fail."""

import dataclasses
import json

import pytest

from experiments import long_time_lags
from experiments.harness.claims import judge
from experiments.parts.trials_1997 import rows
from rnnjax.errors import InputError
from rnnjax.serialization import from_json, to_json
from rnnjax.training.run_folder import RunFolder


def summary(names, factor):
    """A summary in which each row needs so many times the published number, or none succeeds."""
    found = {}
    for name in names:
        published = rows()[name].published
        at = None if factor is None else int(factor * (published or 1000))
        found[name] = {
            "solved_at": [at, at],
            "presented": [at or 9999] * 2,
            "error": [0.1, 0.2],
            "wrong": [0, 1],
            "tested": 2560,
            "mean": at,
            "published": published,
            "seconds": 1.0,
        }
    return {"seeds": [0, 1], "rows": found}


def test_each_claim_can_hold_and_can_fail():
    names = long_time_lags.PRESETS["laptop"].names
    good, late, never = (summary(names, factor) for factor in (1.5, 3.5, None))
    good["rows"][long_time_lags.UNIT] = never["rows"][long_time_lags.UNIT]
    assert all(claim["held"] for claim in judge(long_time_lags.CLAIMS, good))
    assert not any(claim["held"] for claim in judge(long_time_lags.CLAIMS, late))
    assert [claim["held"] for claim in judge(long_time_lags.CLAIMS, never)].count(True) == 1
    assert not any(claim["held"] for claim in judge(long_time_lags.CLAIMS, {"seeds": [0], "rows": {}}))


def test_every_claim_is_run_at_the_laptop():
    assert {*long_time_lags.LEARNED, long_time_lags.UNIT} <= set(long_time_lags.PRESETS["laptop"].names) <= set(rows())


def test_configurations_are_on_file():
    for preset in long_time_lags.PRESETS.values():
        assert from_json(json.loads(json.dumps(to_json(preset)))) == preset
    with pytest.raises(InputError) as error:
        dataclasses.replace(long_time_lags.PRESETS["laptop"], names=("7",))
    assert error.value.argument == "Config.names"


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_tiny_run(tmp_path):
    """Every criterion is looked at, records and figure are made, and the summary is plain."""
    names = ("1 embedded Reber", "2a lag 10, one unit", "3a two sequences, N=3", "6a order of 2")
    tiny = long_time_lags.Config(names, seeds=(0, 1), patience=0.02, unsolved=500, test=20, processes=1)
    folder = RunFolder(tmp_path / "run")
    folder.create(tiny)
    outcome = long_time_lags.run(tiny, folder)
    found = json.loads(json.dumps(outcome.summary))
    assert set(found["rows"]) == set(names)
    assert all(len(row["solved_at"]) == 2 for row in found["rows"].values())
    assert len(list(folder.records())) == 8
    assert judge(long_time_lags.CLAIMS, found)
    header, table = outcome.sections[0].tables[0]
    assert all(len(row) == len(header) for row in table) and outcome.sections[0].figures
