"""Polyphonic music: claims, presets, what happens without data, and a toy run on made-up pieces."""

import json

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.polyphonic_music import BAI, CORPORA, EXPERIMENT, NETWORKS, Config, run
from rnnjax.errors import InputError
from rnnjax.training.run_folder import RunFolder


def summary(losses):
    """A summary in which both seeds of each network have the same loss, by corpus and network."""
    corpora = {
        corpus: {"baseline": 12.0, "networks": {name: {"test": [losses[corpus][name]] * 2} for name in NETWORKS}}
        for corpus in CORPORA
    }
    return {"seeds": [0, 1], "hidden": [100, 100], "corpora": corpora}


def test_each_claim_can_hold_and_can_fail():
    """They hold of the published numbers, and none does where all networks know the frequencies alone."""
    assert all(held(EXPERIMENT, summary(BAI)))
    assert not any(held(EXPERIMENT, summary({corpus: dict.fromkeys(NETWORKS, 12.0) for corpus in CORPORA})))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_without_data_there_is_one_error(tmp_path):
    """Nothing is trained and nothing is written; the error names the option, or the folder."""
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match=r"--data: got ''.*Nottingham\.mat"):
        run(Config(), folder)
    with pytest.raises(InputError, match="nowhere"):
        run(Config(data=str(tmp_path / "nowhere")), folder)
    assert not folder.path.exists()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    rng = np.random.RandomState(0)
    for corpus in CORPORA.values():
        pieces = {
            split: [[[int(rng.randint(21, 109))] for _ in range(frames)] for frames in (4, 9)]
            for split in ("train", "valid", "test")
        }
        (tmp_path / f"{corpus}.json").write_text(json.dumps(pieces))
    config = Config(
        hidden=(4, 4),
        steps=(4, 4),
        batch_size=(2, 2),
        length=(0, 4),
        evaluations=2,
        data=str(tmp_path),
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert all(len(row["test"]) == 2 for corpus in found["corpora"].values() for row in corpus["networks"].values())
