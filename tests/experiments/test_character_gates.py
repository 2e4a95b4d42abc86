"""The character model: its signals, its controls, its claims, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.character_gates import EXPERIMENT, Config, run
from experiments.parts.character_units import SIGNALS, correlations, signal
from rnnjax.errors import InputError
from rnnjax.training.run_folder import RunFolder

TEXT = 'He said "no (or so)" and\nleft [it].\n\nAn "open one\n\nends.'


def test_signals_are_what_a_reader_keeps_in_mind():
    """Quotes and brackets are open from their mark on; what is never closed ends with its paragraph."""
    quoted, bracketed = (signal(name, TEXT) for name in SIGNALS[1:])
    assert "".join(char for char, on in zip(TEXT, quoted, strict=True) if on) == '"no (or so)"open one'
    assert "".join(char for char, on in zip(TEXT, bracketed, strict=True) if on) == "(or so[it"
    place = signal("place in the line", TEXT)
    assert place[TEXT.index("left")] == 1 and place[TEXT.index("\n")] == 0


def test_correlations_of_units_and_controls():
    """A unit that is the signal is found; the current character is worth what it tells and no more."""
    rng = np.random.RandomState(0)
    text = "".join(rng.choice(list('abc"'), 4000))
    marks = {split: signal("inside quotes", text).reshape(10, 400) for split in ("validation", "test")}
    noise = rng.randn(10, 400, 3)
    states = {split: np.concatenate([noise, 2 * mark[..., None] - 1], -1) for split, mark in marks.items()}
    control = {split: rng.randn(10, 400, 3) for split in marks}
    found = correlations(marks, states, control, dict.fromkeys(marks, text))
    assert found["unit"] == 3 and found["trained"] == pytest.approx(1)
    assert found["untrained"] < 0.1 and found["memoryless"] < 0.1
    places = {split: (np.array(list(text)) == '"').astype(float).reshape(10, 400) for split in marks}
    assert correlations(places, states, control, dict.fromkeys(marks, text))["memoryless"] == pytest.approx(1)
    assert correlations({split: 0 * mark for split, mark in marks.items()}, states, control, {}) is None


def summary(losses, trained):
    entry = {"unit": 3, "trained": trained, "untrained": 0.3, "memoryless": 0.4}
    networks = {
        name: {**row(None, None), "test": [{"loss": loss}] * 2, "signals": {name: [entry, entry] for name in SIGNALS}}
        for name, loss in losses.items()
    }
    return {"seeds": [0, 1], "networks": networks}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary({"tanh": 1.8, "GRU": 1.6, "LSTM": 1.7}, 0.9)))
    assert not any(held(EXPERIMENT, summary({"tanh": 1.8, "GRU": 1.6, "LSTM": 1.9}, 0.5)))
    without = summary({"tanh": 1.8, "GRU": 1.6, "LSTM": 1.7}, 0.9)
    without["networks"]["LSTM"]["signals"]["inside quotes"] = [None, None]
    assert held(EXPERIMENT, without) == [True, True, False, True]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_a_file_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(InputError, match="nothing"):
        run(Config(data=str(tmp_path / "nothing")), RunFolder(tmp_path / "run"))


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    """On a text with all that is looked for, and on one without."""
    for place, line in enumerate(('say "yes" (or no),\n', "nothing of it\n")):
        (tmp_path / f"{place}.txt").write_text(line * 200)
        config = Config(
            hidden=4,
            length=40,
            truncation=10,
            steps=8,
            batch_size=4,
            evaluate_every=4,
            data=str(tmp_path / f"{place}.txt"),
            processes=1,
        )
        found = end_to_end(EXPERIMENT, config, tmp_path / f"run{place}")
        assert (found["networks"]["LSTM"]["signals"]["inside quotes"][0] is None) == bool(place)
