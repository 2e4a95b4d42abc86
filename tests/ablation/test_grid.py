"""A grid is every combination of values with every seed, whoever writes it down; what shares a program is together."""

from __future__ import annotations

import pytest

from rnnjax import GRU, LSTM, Dropout, Elman, Stack
from rnnjax.ablation import expand, programs, vary
from rnnjax.commands.ablate import read
from rnnjax.errors import InputError
from rnnjax.initializers import Chrono, Orthogonal
from rnnjax.tasks import Adding, CopyMemory, Latch
from rnnjax.training import Config, Optimizer

BASE = Config(Adding(50), LSTM(8))


def test_a_grid_is_the_product_of_its_values_and_seeds():
    lengths, rates, cells = (50, 100), (1e-3, 1e-2, 1e-1), (LSTM(8), GRU(8))
    grid = vary(
        Config,
        task=vary(Adding, length=lengths),
        cell=cells,
        optimizer=vary((Optimizer(), Optimizer(clip="norm")), learning_rate=rates),
        batch_size=16,
    )
    planned = expand(grid, (3, 5))
    expected = {
        (Config(Adding(length), cell, Optimizer(learning_rate=rate, clip=clip), batch_size=16), seed)
        for length in lengths for cell in cells for rate in rates for clip in ("none", "norm") for seed in (3, 5)
    }  # fmt: skip
    assert len(planned) == len(expected) == 48 and {(run.config, run.seed) for run in planned} == expected
    assert len({run.name for run in planned}) == 48
    for run in planned:
        assert run.settings == {
            "task.length": run.config.task.length,
            "cell": repr(run.config.cell),
            "optimizer": "Optimizer()" if run.config.optimizer.clip == "none" else "Optimizer(clip='norm')",
            "optimizer.learning_rate": run.config.optimizer.learning_rate,
        }  # fmt: skip


def test_ways_to_write_a_grid_are_equal():
    """Fields by name and by path, on a class and on a value, deep and flat."""
    deep = vary(BASE, optimizer=vary(Optimizer(), learning_rate=(1e-3, 1e-2)), task=vary(Adding(50), length=(50, 60)))
    flat = vary(BASE, {"optimizer.learning_rate": (1e-3, 1e-2), "task.length": (50, 60)})
    made = vary(
        Config, task=(Adding(50), Adding(60)), cell=LSTM(8), optimizer=vary(Optimizer, learning_rate=(1e-3, 1e-2))
    )
    names = [{run.name for run in expand(grid, (0, 1))} for grid in (deep, flat, made)]
    assert names[0] == names[1] == names[2] and len(names[0]) == 8
    assert [run.name for run in expand(BASE, (0,))] == [run.name for run in expand(vary(BASE, steps=2000), (0,))]


def test_a_name_is_that_of_the_configuration_and_the_seed_alone():
    (run,) = expand(BASE, (1,))
    same = [run for run in expand(vary(BASE, cell=(GRU(8), LSTM(8)), steps=(2000,)), (0, 1)) if run.config == BASE]
    assert [other.name == run.name for other in same] == [False, True]
    whole, broken = (expand(vary(BASE, explosion_threshold=(value,)), (0,))[0].name for value in (1000, 1000.0))
    assert whole == broken


SHARING = {
    "cell": (
        LSTM(8), LSTM(8, bias_init={"forget": 1.0}), LSTM(8, bias_init=Chrono(30)), LSTM(8, preset="torch"),
        LSTM(8, recurrent_init=Orthogonal(0.5)),
    ),
    "readout_init": (None, Orthogonal()),
    "optimizer": (
        Optimizer(), Optimizer(learning_rate=1e-2), Optimizer(clip="norm"), Optimizer(clip="norm", clip_threshold=10.0),
    ),
}  # fmt: skip


def test_what_changes_no_shape_shares_a_program():
    planned = expand(vary(BASE, SHARING), (0, 1, 2))
    assert len(planned) == 5 * 2 * 4 * 3 and len(programs(planned)) == 1
    stacked = [Stack((cell, Dropout(cell, input=0.1))) for cell in SHARING["cell"]]
    assert len(programs(expand(vary(BASE, cell=tuple(stacked)), (0,)))) == 1


def test_programs_are_ordered_by_their_cost():
    """Largest first; and the groups are a partition of the runs."""
    grid = vary(BASE, {"task.length": (50, 200, 100)}, cell=(LSTM(4), LSTM(8), GRU(8)), steps=(1000, 2000))
    planned = expand(grid, (0, 1))
    groups = programs(planned)
    assert [len(group) for group in groups] == [2] * 18
    assert sorted(run.name for group in groups for run in group) == sorted(run.name for run in planned)
    costs = [group[0].cost for group in groups]
    assert costs == sorted(costs, reverse=True) and costs[0] == 2000 * 32 * 200 * 8
    assert all(len({run.config.dynamics for run in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    ("grid", "seeds", "expected"),
    [
        (vary(BASE, cel=(LSTM(8),)), (0,), "choices: got 'cel', expected a field of Config: task, cell"),
        (vary(BASE, {"optimizer.rate": (1,)}), (0,), "choices: got 'optimizer.rate', expected a field of Optimizer"),
        (vary(BASE, {"steps.rate": (1,)}), (0,), "choices: got 'steps.rate', expected a field of int: it has none"),
        (vary(Config, {"optimizer.learning_rate": (1,)}, task=Adding(9), cell=GRU(2)), (0,), "choices: got 'opt"),
        (vary(Config, task=Adding(9)), (0,), "base: got 'Config', expected all its fields"),
        (vary(BASE, steps=()), (0,), r"steps: got \(\), expected at least one value"),
        (vary(BASE, steps=(100, 200, 100)), (0,), r"steps: got \(100, 200, 100\), expected values that differ"),
        (vary(BASE, steps=(100, -100)), (0,), "Config.steps: got -100"),
        (vary(BASE, task=(Adding(9), CopyMemory(9), Latch(9))), (0,), "task: got .*, expected tasks that are"),
        (vary((BASE, Config(Adding(50), LSTM(8))), steps=100), (0,), "grid: got .*, expected settings that differ"),
        (vary(Optimizer, learning_rate=(0.1, 0.2)), (0,), r"grid: got Optimizer.*, expected a Config"),
        (BASE, (), "seeds: got"),
        (BASE, (0, 0), "seeds: got"),
    ],
)  # fmt: skip
def test_a_bad_grid_is_one_error(grid, seeds, expected):
    with pytest.raises(InputError, match=expected):
        expand(grid, seeds)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: vary(()), "base: got"),
        (lambda: vary("lstm"), "base: got 'lstm', expected a dataclass"),
        (lambda: vary((Config, BASE), steps=1), "base: got"),
        (lambda: vary(BASE, {"steps": 1}, steps=2), r"choices: got \['steps'\], expected each field once"),
    ],
)
def test_bad_bases_are_refused(call, expected):
    with pytest.raises(InputError, match=expected):
        call()


def test_the_command_line_and_the_call_make_the_same_grid():
    words = "--cell lstm,gru,elman --hidden 16 --clip-norm none,1,10 --learning-rate 1e-4,3e-4,1e-3 --length 50,100,200"
    command = read(["adding", *words.split(), "--seeds", "2", "--gate-bias=none"]).planned()
    clips = (Optimizer(), Optimizer(clip="norm"), Optimizer(clip="norm", clip_threshold=10.0))
    grid = vary(
        Config,
        task=vary(Adding, length=(50, 100, 200)),
        cell=(LSTM(16), GRU(16), Elman(16)),
        optimizer=vary(clips, learning_rate=(1e-4, 3e-4, 1e-3)),
    )
    call = expand(grid, range(2))
    assert len(call) == 162 and {run.name for run in command} == {run.name for run in call}
    assert len(programs(command)) == len(programs(call)) == 9
    first = command[0].settings
    assert first == {
        "cell": "lstm", "hidden": 16, "clip_norm": None, "learning_rate": 1e-4, "length": 50, "gate_bias": None,
    }  # fmt: skip


def test_an_option_of_several_words_has_blanks_in_between():
    words = ["adding", "--cell", "lstm", "--hidden", "8", "--length", "50"]
    planned = read([*words, "--gate-bias", "forget=1,forget=2 input=-1", "--keep-going"]).planned()
    assert [run.config.cell for run in planned] == [
        LSTM(8, bias_init={"forget": 1.0}), LSTM(8, bias_init={"forget": 2.0, "input": -1.0}),
    ]  # fmt: skip
    assert len(programs(planned)) == 1 and planned[0].settings["keep_going"] is True
    assert not planned[0].config.stop_when_solved
