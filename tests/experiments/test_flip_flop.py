"""Fixed points of the flip-flop: claims, counts from made-up points, and a toy run."""

import itertools

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.flip_flop import EXPERIMENT, Config, counts

CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
EDGES = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 2]


def cube(reach=1.0):
    """What `measure` finds where points are a cube: corners, edges, faces and the middle."""
    edges = np.array([(CORNERS[a] + CORNERS[b]) / 2 for a, b in EDGES])
    ends = np.array([[CORNERS[a], CORNERS[b]] for a, b in EDGES])
    rest = np.concatenate([np.eye(3), -np.eye(3), np.zeros((1, 3))])
    outputs = np.concatenate([reach * CORNERS, edges, rest])
    unstable = np.array([0] * 8 + [1] * 12 + [2] * 6 + [3])
    nowhere = [np.zeros((8, 2, 3)), reach * ends, np.zeros((7, 2, 3))]
    return {"unstable": unstable, "outputs": outputs, "ends": np.concatenate(nowhere)}


def summary(points):
    networks = {name: {**row(None, None), "points": [points, points]} for name in ("tanh", "GRU", "LSTM")}
    return {"seeds": [0, 1], "hidden": 16, "networks": networks}


def test_counts_of_a_cube():
    """A cube has 8 corners, 12 edges that join neighbours, 6 faces and a middle."""
    found = counts(cube(0.95))
    assert found["stable"] == found["memories"] == 8 and found["off_corner"] == pytest.approx(0.05)
    assert found["unstable_directions"] == {"1": 12, "2": 6, "3": 1}
    assert found["saddles"] == found["between_memories"] == found["between_neighbours"] == 12


def test_counts_without_stable_points():
    one = {"unstable": np.array([2]), "outputs": np.zeros((1, 3)), "ends": np.zeros((1, 2, 3))}
    assert counts(one) | {"unstable_directions": {}} == {
        "stable": 0,
        "memories": 0,
        "off_corner": None,
        "unstable_directions": {},
        "saddles": 0,
        "between_memories": 0,
        "between_neighbours": 0,
    }


def test_each_claim_can_hold_and_can_fail():
    """They hold of a cube; none holds of seven corners from which saddles lead nowhere else."""
    assert all(held(EXPERIMENT, summary(counts(cube()))))
    bad = cube(0.5)
    bad["unstable"] = np.where(np.arange(27) == 0, 4, bad["unstable"])
    bad["ends"][:, 1] = bad["ends"][:, 0]
    assert not any(held(EXPERIMENT, summary(counts(bad))))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        hidden=4, length=12, seeds=(0, 1), steps=4, batch_size=4, starts=8, settle=10, evaluate_every=2, processes=1
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert [len(network["points"]) for network in found["networks"].values()] == [2, 2, 2]
