"""Files of parameters: what is written is what is read, and nothing in them runs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from catalog import every_registered_cell

import rnnjax
from rnnjax import GRU, LSTM, Chrono, Dropout, InputError, Precision, Stack
from rnnjax.convert import from_torch, load_safetensors, save_safetensors, to_torch

CELLS = [
    LSTM(4, bias_init=Chrono(50)),
    Stack((Dropout(LSTM(4), recurrent=0.2), GRU(3, reset_after=False))),
    LSTM(4, precision=Precision("bfloat16", carry="float32")),
]


def assert_identical(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype and np.array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_parameters_and_cell_come_back(tmp_path, cell):
    params = cell.init(jax.random.key(0), 3)
    save_safetensors(tmp_path / "cell.safetensors", params, cell=cell)
    loaded = load_safetensors(tmp_path / "cell.safetensors")
    assert loaded.cell == cell
    assert_identical(params, loaded.params)


@every_registered_cell
def test_every_cell_comes_back(tmp_path, entry):
    cell = entry.cell(Precision())
    shapes = jax.eval_shape(lambda key: cell.init(key, entry.in_features), jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.5, leaf.dtype), shapes)
    save_safetensors(tmp_path / "cell.safetensors", params, cell=cell)
    loaded = load_safetensors(tmp_path / "cell.safetensors")
    assert loaded.cell == cell
    assert_identical(params, loaded.params)


def test_arrays_need_not_lie_in_order(tmp_path):
    kernel = np.arange(6.0).reshape(2, 3).T
    save_safetensors(tmp_path / "x", {"a": {"kernel": kernel}, "b": kernel[::2]})
    loaded = load_safetensors(tmp_path / "x")
    assert loaded.cell is None
    assert np.array_equal(loaded.params["a"]["kernel"], kernel) and np.array_equal(loaded.params["b"], kernel[::2])
    loaded.params["b"][0] = 1  # what was read can be written to


def test_other_programs_read_the_file(tmp_path):
    cell = Stack((LSTM(4), LSTM(4)))
    save_safetensors(tmp_path / "x", cell.init(jax.random.key(0), 3), cell=cell)
    assert sorted(safetensors.numpy.load_file(tmp_path / "x"))[0] == "layer_0.bias"


def test_a_file_of_torch_weights(tmp_path):
    cell = LSTM(4)
    params = jax.device_get(cell.init(jax.random.key(0), 3))
    safetensors.numpy.save_file(to_torch(cell, params, prefix="rnn."), tmp_path / "x")
    loaded = load_safetensors(tmp_path / "x")
    assert_identical(params, from_torch(cell, {f"rnn.{k}": v for k, v in loaded.params["rnn"].items()}, prefix="rnn."))


@dataclasses.dataclass(frozen=True, repr=False)
class OwnCell(LSTM):
    """A cell of the user's own."""


def test_a_cell_of_ones_own(tmp_path):
    cell = OwnCell(4)
    save_safetensors(tmp_path / "x", cell.init(jax.random.key(0), 3), cell=cell)
    assert load_safetensors(tmp_path / "x").cell == cell


def test_a_file_cannot_have_a_module_imported(tmp_path):
    """`antigravity` opens a browser when it is imported."""
    described = {"type": "antigravity:Cell", "features": 4}
    safetensors.numpy.save_file({"a": np.ones(2)}, tmp_path / "x", {"cell": json.dumps(described)})
    code = f"""
import sys
from rnnjax.convert import load_safetensors
try:
    load_safetensors({str(tmp_path / "x")!r})
except ValueError as error:
    print(error, "antigravity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a module that is imported already" in done.stdout and done.stdout.strip().endswith("False")


@pytest.mark.parametrize(
    ("params", "cell", "said"),
    [
        ({"a.b": np.ones(2)}, None, "params key: got 'a.b', expected a name without a dot"),
        ({"a": {}}, None, r"params\['a'\]: got {}"),
        ([np.ones(2)], None, "a dict of arrays"),
        ({"a": 3}, None, r"params\['a'\]: got 'int', expected an array"),
        ({"a": (np.ones(2),)}, None, r"params\['a'\]: .*a dict of arrays"),
        ({"a": jnp.ones(2)}, "lstm", "cell: got 'lstm'"),
        ({"a": jnp.ones(2)}, rnnjax.Elman(4, activation=jnp.tanh), "functions by name"),
    ],
)
def test_what_would_not_come_back_is_not_written(tmp_path, params, cell, said):
    with pytest.raises(InputError, match=said):
        save_safetensors(tmp_path / "x", params, cell=cell)
    assert not (tmp_path / "x").exists()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"no such format")
    with pytest.raises(InputError, match=r"path: .*a safetensors file"):
        load_safetensors(tmp_path / "x")
