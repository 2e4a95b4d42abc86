"""One step of a cell, weights included, as a file that JAX alone can run: for serving and for streams.

    export_step(cell, params, in_features=10, batch_shape=(1,), path="step.zip")

    step, carry, _ = load_step("step.zip")
    carry, y = step(carry, x)

The file is a ZIP archive of two programs, as `jax.export` serialises them, and of a description in JSON. Where rnnjax
is not installed:

    import zipfile, jax.export

    with zipfile.ZipFile("step.zip") as file:
        carry = jax.export.deserialize(bytearray(file.read("initial_carry"))).call()
        step = jax.export.deserialize(bytearray(file.read("step"))).call
    carry, y = step(carry, x)
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp

from rnnjax.cell import Cell, check_call
from rnnjax.errors import InputError, check

Array = jax.Array
PyTree = Any

_VERSION = 1


class LoadedStep(NamedTuple):
    """What a file holds: `step(carry, x) -> (carry, y)`, the `initial_carry`, and a `description` of the cell."""

    step: Callable[[PyTree, PyTree], tuple[PyTree, Array]]
    initial_carry: PyTree
    description: dict[str, Any]


def export_step(
    cell: Cell,
    params: PyTree,
    in_features: PyTree,
    batch_shape: tuple[int, ...],
    path: str | os.PathLike,
    *,
    platforms: Sequence[str] = ("cpu", "cuda", "tpu"),
    dtype: str = "float32",
) -> None:
    """Writes one step of a cell with its weights to a file.

    What depends on the weights alone (`Cell.prepare`) is computed now and once. Named tuples, such as the carry, become
    dicts in the file, `{"h": ..., "c": ...}`, because a program that reads it need not know rnnjax. Without a key the
    cell is deterministic: `Dropout` drops nothing.

    How long a file can be read is what JAX promises for `jax.export`: some months. Writing and reading take the package
    flatbuffers: `pip install "rnnjax[export]"`.

    Args:
      cell: any cell or wrapper.
      params: its parameters.
      in_features: width of the inputs; for inputs that are a pytree the same pytree of ints.
      batch_shape: the batch axes of inputs and carry, with the places of a cell that has spatial axes; `()` for none.
      path: the file.
      platforms: those that the step can run on: "cpu", "cuda", "rocm", "tpu". None of them has to be here.
      dtype: of the inputs.

    Raises:
      InputError: parameters that are not those of the cell for such inputs, or an unknown platform.
    """
    known = ("cpu", "cuda", "rocm", "tpu")
    check(len(platforms) > 0 and set(platforms) <= set(known), "platforms", platforms, f"some of {', '.join(known)}")
    x = jax.tree.map(lambda width: jax.ShapeDtypeStruct((*batch_shape, width), jnp.dtype(dtype)), in_features)
    check_call(cell, params, x, None)
    weights = cell.prepare(params, batch_shape=tuple(batch_shape))
    start = jax.eval_shape(lambda: cell.initial_carry(tuple(batch_shape)))

    def step(carry, inputs):
        drive = cell.project(weights, _named(inputs, x))
        carry, y = cell.advance(weights, _named(carry, start), drive)
        return _plain(carry), y

    def initial_carry():
        return _plain(cell.initial_carry(tuple(batch_shape)))

    programs = {
        "step": jax.export.export(jax.jit(step), platforms=platforms)(_plain(start), _plain(x)),
        "initial_carry": jax.export.export(jax.jit(initial_carry), platforms=platforms)(),
    }
    description = {
        "format": "rnnjax step",
        "version": _VERSION,
        "cell": repr(cell),
        "inputs": jax.tree.map(lambda leaf: [list(leaf.shape), leaf.dtype.name], _plain(x)),
        "platforms": list(platforms),
        "jax": jax.__version__,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("description.json", json.dumps(description, indent=1))
        for name, program in programs.items():
            file.writestr(name, bytes(program.serialize()))


def load_step(path: str | os.PathLike) -> LoadedStep:
    """Reads the file that `export_step` wrote. Nothing of what it was made from is needed.

    Raises:
      InputError: another file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            description = json.loads(file.read("description.json"))
            programs = {name: bytearray(file.read(name)) for name in ("step", "initial_carry")}
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError("path", str(path), f"a file that export_step wrote ({error})") from None
    version = description.get("version") if isinstance(description, dict) else None
    check(version == _VERSION, "path, version", version, f"{_VERSION}, what this version of rnnjax reads")
    step = jax.jit(jax.export.deserialize(programs["step"]).call)
    return LoadedStep(step, jax.export.deserialize(programs["initial_carry"]).call(), description)


def _plain(tree: PyTree) -> PyTree:
    """Named tuples as dicts, other sequences as tuples."""
    if hasattr(tree, "_fields"):
        return {name: _plain(getattr(tree, name)) for name in tree._fields}
    if isinstance(tree, list | tuple):
        return tuple(map(_plain, tree))
    return {name: _plain(leaf) for name, leaf in tree.items()} if isinstance(tree, dict) else tree


def _named(tree: PyTree, like: PyTree) -> PyTree:
    """The inverse of `_plain`, for the structure that it was given."""
    if hasattr(like, "_fields"):
        return type(like)(**{name: _named(tree[name], getattr(like, name)) for name in like._fields})
    if isinstance(like, list | tuple):
        return type(like)(_named(leaf, other) for leaf, other in zip(tree, like, strict=True))
    return {name: _named(tree[name], leaf) for name, leaf in like.items()} if isinstance(like, dict) else tree
