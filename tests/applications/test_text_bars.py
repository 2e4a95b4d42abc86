"""The laptop presets of tagging and language modelling reach their bars; it needs the folder of data sets."""

import os
import pathlib

import pytest

from rnnjax.cli import main
from rnnjax.training import evaluate_run

BARS = {
    "tag": (["tag"], "ud_en_ewt", "test", "accuracy", 0.93),
    "characters": (["lm"], "tiny_shakespeare", "validation", "loss", -1.58),
    "words": (["lm", "--level", "word"], "wikitext-2", "test", "perplexity", -250),
}


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("name", BARS)
def test_the_preset_reaches_the_bar(name, tmp_path):
    """Accuracy from below; loss in nats a character and perplexity from above."""
    command, folder, split, metric, bar = BARS[name]
    place = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / folder
    if not os.environ.get("RNNJAX_DATA") or not place.is_dir():
        pytest.skip(f"RNNJAX_DATA does not name a folder with {folder}/")
    main(["train", *command, "--data", str(place), "--out", str(tmp_path / "run"), "--quiet"])
    ((row,), _) = evaluate_run(tmp_path / "run", split)
    print(name, row)
    assert row[metric] >= bar if bar > 0 else row[metric] <= -bar
