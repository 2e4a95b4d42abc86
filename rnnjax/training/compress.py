"""Smaller models: weights of 8 bits and weights set to zero, the file that holds them, and what is lost."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from rnnjax.applications import Application
from rnnjax.convert import load_safetensors, save_safetensors
from rnnjax.convert.arrays import flattened, nested
from rnnjax.errors import InputError, check, check_choice
from rnnjax.report import Section
from rnnjax.training.robustness import robustness

PyTree = Any

SCOPES = ("global", "layer")
_FORMAT = "rnnjax compressed"
_STEPS = 127  # whole numbers to each side of zero


class Compression(NamedTuple):
    """What compressing did.

    Attributes:
      bytes_before: the size of the file with the parameters as they were.
      bytes_after: that of the file with the compressed ones; both were written and measured.
      weights: how many numbers could be compressed, those in arrays of two axes or more.
      zeros: how many of them are zero now.
      largest_error: the largest change of one of them.
    """

    bytes_before: int
    bytes_after: int
    weights: int
    zeros: int
    largest_error: float


def compress(
    params: Mapping[str, Any], *, prune: float = 0.0, scope: str = "global", int8: bool = True
) -> tuple[dict[str, Any], Compression]:
    """Parameters as they come back from a compressed file, and what was gained and lost.

    Weights are the floating arrays of two axes or more: kernels and tables of embeddings. Biases stay as they are.

    Args:
      params: nested dicts of arrays.
      prune: the share of the weights that are set to zero, those of least magnitude (Han et al. 2015,
        arXiv:1506.02626); 0 keeps all.
      scope: whether the least are sought among all weights ("global") or in each array ("layer").
      int8: whether weights are stored as whole numbers from -127 to 127, with a factor for each output of an array
        (Jacob et al. 2018, arXiv:1712.05877, without offsets).

    Returns:
      The parameters, of the same structure, shapes and dtypes, and a `Compression`.

    Raises:
      InputError: a share out of range, an unknown scope, or parameters that are no nested dicts of arrays.
    """
    with tempfile.TemporaryDirectory() as folder:
        before, after = pathlib.Path(folder) / "before", pathlib.Path(folder) / "after"
        save_safetensors(before, params)
        save_compressed(after, params, prune=prune, scope=scope, int8=int8)
        restored = load_compressed(after)
        sizes = before.stat().st_size, after.stat().st_size
    old, new = flattened(params, "params"), flattened(restored, "params")
    names = [name for name, leaf in old.items() if _is_weight(leaf)]
    error = max((float(np.abs(_wide(old[name]) - _wide(new[name])).max(initial=0)) for name in names), default=0.0)
    count, zeros = sum(old[name].size for name in names), sum(int((_wide(new[name]) == 0).sum()) for name in names)
    return restored, Compression(*sizes, count, zeros, error)


def save_compressed(
    path: str | os.PathLike, params: Mapping[str, Any], *, prune: float = 0.0, scope: str = "global", int8: bool = True
) -> None:
    """Writes compressed parameters to a file of the safetensors format; the arguments are those of `compress`.

    An array whose zeros make it worth it is stored as a bit a weight, and the weights that are not zero.
    """
    arrays: dict[str, np.ndarray] = {}
    forms: dict[str, Any] = {}
    for name, leaf in pruned(params, prune, scope).items():
        if not _is_weight(leaf):
            arrays[name] = np.ascontiguousarray(leaf)
            continue
        values, parts = leaf, {}
        if int8:
            values, parts["scale"] = quantised(leaf)
        kept = np.asarray(values != 0)
        sparse = kept.size // 8 + int(kept.sum()) * values.itemsize < values.nbytes
        if sparse:
            parts |= {"bits": np.packbits(kept), "kept": np.ascontiguousarray(values[kept])}
        elif int8:
            parts["values"] = np.ascontiguousarray(values)
        if not parts:
            arrays[name] = np.ascontiguousarray(leaf)
            continue
        forms[name] = {"shape": list(leaf.shape), "dtype": leaf.dtype.name}
        arrays |= {f"{name}.{part}": array for part, array in parts.items()}
    metadata = {"format": _FORMAT, "compressed": json.dumps(forms)}
    safetensors.numpy.save_file(arrays, path, metadata)


def load_compressed(path: str | os.PathLike) -> dict[str, Any]:
    """Reads what `save_compressed` wrote: nested dicts of NumPy arrays, of the shapes and dtypes that they had.

    Raises:
      InputError: something else than such a file.
    """
    arrays = flattened(load_safetensors(path).params, "params")
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
    check(metadata.get("format") == _FORMAT, "path", str(path), "a file that save_compressed wrote")
    for name, form in json.loads(metadata["compressed"]).items():
        parts = {part: arrays.pop(f"{name}.{part}", None) for part in ("scale", "values", "bits", "kept")}
        values = parts["values"]
        if values is None:
            if parts["bits"] is None or parts["kept"] is None:
                raise InputError("path", str(path), f"the values of {name}")
            kept = np.unpackbits(parts["bits"], count=int(np.prod(form["shape"]))).astype(bool)
            values = np.zeros(kept.shape, parts["kept"].dtype)
            values[kept] = parts["kept"]
        values = values.reshape(form["shape"])
        values = values if parts["scale"] is None else values * parts["scale"]
        arrays[name] = values.astype(jnp.dtype(form["dtype"]))
    return nested(arrays)


def pruned(params: Mapping[str, Any], share: float, scope: str = "global") -> dict[str, np.ndarray]:
    """The arrays by their names joined by dots, with the weights of least magnitude set to zero.

    Exactly `round(share * weights)` of them, among all weights or in each array; zeros count.
    """
    check_choice("scope", scope, SCOPES)
    check(isinstance(share, int | float) and 0 <= share < 1, "prune", share, "a share in [0, 1)")
    arrays = {name: np.asarray(leaf) for name, leaf in flattened(params, "params").items()}
    names = [name for name, leaf in arrays.items() if _is_weight(leaf)]
    groups = [names] if scope == "global" else [[name] for name in names]
    for group in groups:
        flat = np.concatenate([np.abs(_wide(arrays[name])).ravel() for name in group]) if group else np.zeros(0)
        gone = np.zeros(flat.shape, bool)
        gone[np.argsort(flat, kind="stable")[: round(share * len(flat))]] = True
        ends = np.cumsum([arrays[name].size for name in group])
        for name, part in zip(group, np.split(gone, ends[:-1]), strict=True):
            arrays[name] = np.where(part.reshape(arrays[name].shape), np.zeros((), arrays[name].dtype), arrays[name])
    return arrays


def quantised(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers int8 of the same shape, and float32 factors, one for each place along the last axis.

    A weight differs from its number times its factor by at most half a factor.
    """
    wide = _wide(weights)
    scale = np.abs(wide).max(axis=tuple(range(wide.ndim - 1)), initial=0) / _STEPS
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    return np.clip(np.rint(wide / scale), -_STEPS, _STEPS).astype(np.int8), scale


class Variant(NamedTuple):
    """A model of another size: its name, the bytes of its file, the share of its weights that are zero, its metrics."""

    name: str
    size: int
    zeros: float
    metrics: dict[str, float]


def compare_sizes(
    application: Application,
    model: nn.Module,
    params: PyTree,
    split: str = "test",
    *,
    shares: Sequence[float] = (0.5, 0.7, 0.9),
    scope: str = "global",
    limit: int | None = None,
    batch_size: int = 64,
    examples: Sequence[Any] | None = None,
) -> list[Variant]:
    """The metrics and the size of a trained model as it is, with int8 weights, and pruned as well, by each share.

    Nothing is trained after the pruning.

    Args:
      application: whose examples and metrics are used.
      model: of the application.
      params: its parameters.
      split: "train", "validation" or "test".
      shares: of the weights, to be pruned.
      scope: whether the least weights are sought among all of them ("global") or in each array ("layer").
      limit: how many examples, the first ones; `None` is all.
      batch_size: rows that are computed at a time.
      examples: some of the application's, in the place of the split: one that evaluates in a way of its own then
        reports its loss alone.

    Raises:
      InputError: an unknown split or scope, or a share out of range.
    """

    def worth(tree: PyTree) -> dict[str, float]:
        if examples is None:
            return application.evaluate(model, tree, split, batch_size, limit).metrics
        return robustness(application, model, tree, {}, batch_size=batch_size, limit=limit, examples=examples)[
            0
        ].metrics

    _, plain = compress(params, int8=False)
    rows: list[tuple[str, Any, int, Compression]] = [("as trained", params, plain.bytes_before, plain)]
    for share in (0.0, *shares):
        smaller, report = compress(params, prune=share, scope=scope)
        rows.append((f"int8, {share:.0%} pruned" if share else "int8", smaller, report.bytes_after, report))
    return [
        Variant(name, size, report.zeros / max(report.weights, 1), worth(tree)) for name, tree, size, report in rows
    ]


def size_section(variants: Sequence[Variant], metric: str, note: str = "") -> Section:
    """A report's part on `compare_sizes`: the metric (the "loss" where there is none) against the size, and a table.

    A note is said before the rest.
    """
    from rnnjax.analysis.figures_models import size_figure

    names = list(variants[0].metrics)
    metric = metric if metric in names else "loss"
    lines = [
        [
            each.name,
            f"{each.size / 1000:,.1f} kB",
            f"{each.zeros:.0%}",
            *(f"{each.metrics[name]:.4g}" for name in names),
        ]
        for each in variants
    ]
    figure = size_figure({each.name: (each.size, each.metrics[metric]) for each in variants}, metric)
    text = f"{note} Sizes are those of the files with the parameters. Nothing was trained after the pruning.".strip()
    table = (["weights", "file", "zero", *names], lines)
    return Section("Smaller models", text, ((f"{metric} by size.", figure),), (table,))


def _is_weight(leaf: Any) -> bool:
    return np.ndim(leaf) >= 2 and jnp.issubdtype(leaf.dtype, jnp.floating)


def _wide(leaf: Any) -> np.ndarray:
    return np.asarray(leaf).astype(np.float32 if leaf.dtype.itemsize < 8 else np.float64)
