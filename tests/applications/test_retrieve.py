"""Retrieval of digits: what is stored is found again, as the cells say, and nothing is trained."""

import jax
import numpy as np
import pytest

from rnnjax import GRU
from rnnjax.applications.retrieve import Retrieve
from rnnjax.cells.hopfield import Hopfield, ModernHopfield
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, evaluate_run, load_trained, train

RETRIEVE = Retrieve(memories=12, repeats=2, sweeps=3)
CELLS = {"hopfield": Hopfield(128), "modern_hopfield": ModernHopfield(128)}


@pytest.fixture(scope="module", params=CELLS)
def network(request):
    model = RETRIEVE.model(CELLS[request.param])
    return request.param, model, jax.jit(model.init)(jax.random.key(0), np.zeros((1, 64), np.float32))["params"]


def test_parameters_are_the_stored_pictures(network):
    """Whatever the key is."""
    _, model, params = network
    other = model.init(jax.random.key(1), np.zeros((1, 64), np.float32))["params"]
    np.testing.assert_array_equal(params["cell"]["patterns"], RETRIEVE.stored())
    np.testing.assert_array_equal(other["cell"]["patterns"], RETRIEVE.stored())
    assert set(np.unique(RETRIEVE.stored())) == {-1, 1} and len(RETRIEVE.fitted()["digits"]) == 12


def test_the_modern_network_finds_pictures_and_the_classical_one_does_not(network):
    """Twelve digits on 64 units: beyond what a classical network holds even of random patterns."""
    name, model, params = network
    metrics = RETRIEVE.evaluate(model, params, "test").metrics
    plain = RETRIEVE.baseline("test")
    if name == "modern_hopfield":
        assert metrics["recalled"] >= plain["nearest_recalled"] - 0.1 > 0.7 and metrics["loss"] < plain["loss"]
    else:
        assert metrics["recalled"] < 0.5


def test_cues_are_corrupted_as_asked_for():
    flipped = Retrieve(memories=30, repeats=10, share=0.2).examples("test")
    assert len(flipped) == 300
    assert np.mean([(cue.shown != cue.stored).mean() for cue in flipped]) == pytest.approx(0.2, abs=0.01)
    covered = Retrieve(memories=30, repeats=1, corruption="cover", share=0.5).examples("test")
    for cue in covered:
        np.testing.assert_array_equal(cue.shown[:32], cue.stored[:32])
        assert (cue.shown[32:] == -1).all()
    validation = Retrieve(memories=30, repeats=10, share=0.2).examples("validation")
    assert any((a.shown != b.shown).any() for a, b in zip(flipped, validation, strict=True))


def test_baselines_are_the_cues_and_the_nearest_picture():
    untouched = Retrieve(memories=12, share=0.0).baseline("test")
    assert untouched["recalled"] == untouched["pixels"] == untouched["nearest_recalled"] == 1
    assert RETRIEVE.baseline("test")["recalled"] < 0.1


def test_predictions_name_the_picture(network, tmp_path):
    name, model, params = network
    np.save(tmp_path / "mine.npy", (RETRIEVE.stored() > 0).reshape(12, 8, 8).astype(np.uint8) * 255)
    rows = RETRIEVE.predict(model, params, RETRIEVE.read_inputs(str(tmp_path / "mine.npy")))
    if name == "modern_hopfield":
        assert [row["digit"] for row in rows] == RETRIEVE.fitted()["digits"]
    np.save(tmp_path / "small.npy", np.zeros((2, 4)))
    for given in ("small.npy", "nothing.npy"):
        with pytest.raises(InputError, match="--input"):
            RETRIEVE.read_inputs(str(tmp_path / given))


def test_a_run_stores_and_changes_nothing(tmp_path):
    """What the preset's update leaves is what was stored, also for a model that is read from the run's folder."""
    stored = Retrieve(memories=5, repeats=1, sweeps=1)
    budget = dict(steps=stored.laptop.steps, batch_size=stored.laptop.batch_size, evaluate_every=1)
    train(
        Config(stored, ModernHopfield(64), Optimizer(**stored.laptop.optimizer), **budget),
        out=tmp_path / "run",
        quiet=True,
    )
    found = load_trained(tmp_path / "run")
    np.testing.assert_array_equal(found.params["cell"]["patterns"], stored.stored())
    (row, *_) = evaluate_run(tmp_path / "run")[0]
    assert row["recalled"] == 1


def test_errors_name_the_argument():
    with pytest.raises(InputError, match="cell"):
        RETRIEVE.model(GRU(64))
    for options in (dict(memories=0), dict(share=1.0), dict(corruption="blur"), dict(beta=0.0)):
        with pytest.raises(InputError, match=r"Retrieve\."):
            Retrieve(**options)
    with pytest.raises(InputError, match=r"Retrieve\.memories"):
        Retrieve(memories=5000).fitted()
