"""A step in a file does what the cell does, in a process that has JAX alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import zipfile
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import every_registered_computation

from rnnjax import GRU, LRU, LSTM, Dropout, Elman, InputError, Precision, Residual, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.export import export_step, load_step
from rnnjax.inputs import Timed, checked_width, timed

CELLS = {
    "lstm": (LSTM(5), (2,)),
    "lru": (LRU(3, state_features=4), ()),
    "stack": (Stack((LSTM(3), Residual(Dropout(GRU(3), output=0.5)))), (2, 3)),
}
TIME, INPUTS = 4, 3


@pytest.fixture(params=CELLS)
def exported(request, tmp_path):
    """A cell, its parameters, its batch shape and the file."""
    cell, batch_shape = CELLS[request.param]
    params = cell.init(jax.random.key(0), INPUTS)
    export_step(cell, params, INPUTS, batch_shape, tmp_path / "step.zip")
    return cell, params, batch_shape, tmp_path / "step.zip"


def dicts(carry):
    """Named tuples as dicts."""
    if hasattr(carry, "_asdict"):
        return carry._asdict()
    return tuple(map(dicts, carry)) if isinstance(carry, tuple) else carry


def drawn(batch_shape):
    return np.float32(np.random.default_rng(0).standard_normal((*batch_shape, TIME, INPUTS)))


def test_steps_make_the_sequence(exported):
    cell, params, batch_shape, path = exported
    xs = drawn(batch_shape)
    step, carry, description = load_step(path)
    ys = []
    for t in range(TIME):
        carry, y = step(carry, xs[..., t, :])
        ys.append(y)
    final, expected = unroll(cell, params, xs)
    np.testing.assert_allclose(np.stack(ys, axis=-2), expected, rtol=1e-6, atol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6), carry, dicts(final))
    assert description["cell"] == repr(cell)


ALONE = """
import sys, zipfile
import jax, jax.export, jax.numpy as jnp, numpy as np

with zipfile.ZipFile(sys.argv[1]) as file:
    carry = jax.export.deserialize(bytearray(file.read("initial_carry"))).call()
    step = jax.export.deserialize(bytearray(file.read("step"))).call
xs = np.load(sys.argv[2])
ys = []
for t in range(xs.shape[-2]):
    carry, y = step(carry, xs[..., t, :])
    ys.append(y)
assert not [name for name in sys.modules if name.startswith("rnnjax")]
np.save(sys.argv[3], np.stack(ys, axis=-2))
"""


def test_a_process_without_rnnjax_runs_it(exported, tmp_path):
    cell, params, batch_shape, path = exported
    xs = drawn(batch_shape)
    np.save(tmp_path / "xs.npy", xs)
    files = [str(path), str(tmp_path / "xs.npy"), str(tmp_path / "ys.npy")]
    done = subprocess.run([sys.executable, "-c", ALONE, *files], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "ys.npy"), unroll(cell, params, xs)[1], rtol=1e-6, atol=1e-6)


def test_the_file_is_data(exported):
    """A description and two serialised programs: no pickle."""
    with zipfile.ZipFile(exported[-1]) as file:
        assert sorted(file.namelist()) == ["description.json", "initial_carry", "step"]
        description = json.loads(file.read("description.json"))
        programs = {name: jax.export.deserialize(bytearray(file.read(name))) for name in ("step", "initial_carry")}
    assert description["platforms"] == ["cpu", "cuda", "tpu"]
    assert {program.platforms for program in programs.values()} == {("cpu", "cuda", "tpu")}


def test_the_carry_is_made_of_dicts(exported):
    cell, _, batch_shape, path = exported
    carry = load_step(path).initial_carry
    if isinstance(cell, LSTM):
        assert sorted(carry) == ["c", "h"] and carry["c"].shape == (*batch_shape, 5)
    if isinstance(cell, Stack):
        assert [sorted(layer) for layer in carry] == [["c", "h"], ["h"]]


def test_inputs_may_be_of_half_precision(tmp_path):
    cell = LSTM(4)
    params = cell.init(jax.random.key(0), INPUTS)
    export_step(cell, params, INPUTS, (), tmp_path / "x", platforms=("cpu",), dtype="bfloat16")
    step, carry, description = load_step(tmp_path / "x")
    assert description["inputs"] == [[3], "bfloat16"]
    x = jnp.ones(3, jnp.bfloat16)
    np.testing.assert_allclose(step(carry, x)[1], cell.step(params, cell.initial_carry(), x)[1], rtol=1e-6)


@dataclasses.dataclass(frozen=True, repr=False)
class Clocked(Elman):
    """A cell that is driven by its inputs times the time since the step before."""

    def init(self, key, in_features):
        return super().init(key, checked_width(in_features))

    def project(self, weights, xs):
        xs = timed(xs)
        return super().project(weights, xs.x * xs.elapsed)


def test_inputs_with_times(tmp_path):
    """Named tuples among the inputs become dicts too."""
    cell, widths = Clocked(4), Timed(INPUTS, 1)
    params = cell.init(jax.random.key(0), widths)
    export_step(cell, params, widths, (), tmp_path / "x", platforms=("cpu",))
    step, carry, _ = load_step(tmp_path / "x")
    x = Timed(jnp.ones(3), 0.5 * jnp.ones(1))
    _, y = step(carry, {"x": x.x, "elapsed": x.elapsed})
    np.testing.assert_allclose(y, cell.step(params, cell.initial_carry(), x)[1], rtol=1e-6, atol=1e-6)


@every_registered_computation
def test_every_cell_is_exported(entry, tmp_path):
    """For all platforms, whichever is here: no cell's step uses what JAX does not promise to read again."""
    cell, batch_shape = entry.cell(Precision()), (2, *entry.places)
    shapes = abstract_params(cell, entry.in_features)
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, leaf.dtype), shapes)
    export_step(cell, params, entry.in_features, batch_shape, tmp_path / "x")
    step, carry, _ = load_step(tmp_path / "x")
    x = jax.ShapeDtypeStruct((*batch_shape, entry.in_features), np.float32)
    after, y = jax.eval_shape(step, carry, x)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, carry)
    assert (y.shape, y.dtype) == ((*batch_shape, cell.output_features), cell.output_dtype)


def test_bad_input_is_named(tmp_path):
    params = Elman(4).init(jax.random.key(0), 3)
    with pytest.raises(InputError, match=r"params\['kernel'\]: got shape \(3, 4\), expected shape \(5, 4\)"):
        export_step(Elman(4), params, 5, (), tmp_path / "x")
    with pytest.raises(InputError, match=r"platforms: got \('gpu',\), expected some of cpu, cuda"):
        export_step(Elman(4), params, 3, (), tmp_path / "x", platforms=("gpu",))
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"path: .*a file that export_step wrote"):
        load_step(tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x", "w") as file:
        for name, text in {"description.json": '{"version": 7}', "step": "", "initial_carry": ""}.items():
            file.writestr(name, text)
    with pytest.raises(InputError, match="version: got 7, expected 1"):
        load_step(tmp_path / "x")
