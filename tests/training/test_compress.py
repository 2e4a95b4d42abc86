"""Smaller models: what is stored comes back, within half a step of what it was, and the file is as small as is said."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.applications.music import Music
from rnnjax.errors import InputError
from rnnjax.training.compress import (
    compare_sizes,
    compress,
    load_compressed,
    pruned,
    quantised,
    save_compressed,
    size_section,
)

RNG = np.random.default_rng(0)
PARAMS = {
    "recurrent": {"cell": {"kernel": RNG.standard_normal((30, 80)), "bias": RNG.standard_normal(80)}},
    "readout": {"kernel": 10 * RNG.standard_normal((20, 3, 5)), "count": np.arange(4)},
}
PARAMS = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32 if leaf.dtype.kind == "f" else jnp.int32), PARAMS)
WEIGHTS = 30 * 80 + 20 * 3 * 5


def leaves(tree):
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_file_gives_back_what_was_stored(int8, share, tmp_path):
    """Structure, shapes and dtypes; to the last bit where nothing was rounded; biases always."""
    save_compressed(tmp_path / "small", PARAMS, prune=share, int8=int8)
    found = load_compressed(tmp_path / "small")
    assert jax.tree.structure(found) == jax.tree.structure(PARAMS)
    expected = pruned(PARAMS, share)
    for name, leaf in leaves(found).items():
        given = leaves(PARAMS)[name]
        assert leaf.shape == given.shape and leaf.dtype == given.dtype
        if not int8 or leaf.ndim < 2:
            np.testing.assert_array_equal(leaf, expected[".".join(part.strip("[']") for part in name.split("]["))])
    again, report = compress(PARAMS, prune=share, int8=int8)
    jax.tree.map(np.testing.assert_array_equal, again, found)
    assert report.bytes_after == (tmp_path / "small").stat().st_size and report.weights == WEIGHTS


def test_rounding_is_within_half_a_step_of_each_output():
    weights = RNG.standard_normal((40, 6)) * 10.0 ** np.arange(-3, 3)
    values, scale = quantised(weights)
    assert values.dtype == np.int8 and (np.abs(values).max(0) == 127).all()
    assert (np.abs(weights - values * scale) <= 0.5001 * scale).all()
    zero, _ = quantised(np.zeros((3, 2), np.float32))
    assert not zero.any()


def test_files_are_as_small_as_the_bits_in_them():
    """A byte a weight with int8; with nine in ten gone, a bit each and a byte for the tenth; headers come on top."""
    _, plain = compress(PARAMS, int8=False)
    assert plain.bytes_before - 4 * WEIGHTS < 1500 and plain.zeros == 0 and plain.largest_error == 0
    _, small = compress(PARAMS)
    assert small.bytes_before == plain.bytes_before and 0 < small.bytes_after - WEIGHTS < 1500
    _, least = compress(PARAMS, prune=0.9)
    assert 0 < least.bytes_after - WEIGHTS * (1 / 8 + 1 / 10) < 1800 and least.zeros >= round(0.9 * WEIGHTS)


def test_the_least_weights_go():
    for scope in ("global", "layer"):
        left = pruned(PARAMS, 0.4, scope)
        kernels = [left["recurrent.cell.kernel"], left["readout.kernel"]]
        gone = [kernel == 0 for kernel in kernels]
        if scope == "global":
            assert sum(mask.sum() for mask in gone) == round(0.4 * WEIGHTS)
            assert gone[1].mean() < 0.1 < gone[0].mean()  # the readout's weights are ten times as large
        else:
            assert [mask.sum() for mask in gone] == [round(0.4 * kernel.size) for kernel in kernels]
        before = np.asarray(PARAMS["recurrent"]["cell"]["kernel"])
        assert np.abs(before[gone[0]]).max() < np.abs(before[~gone[0]]).min()
        np.testing.assert_array_equal(kernels[0][~gone[0]], before[~gone[0]])
        np.testing.assert_array_equal(left["recurrent.cell.bias"], PARAMS["recurrent"]["cell"]["bias"])


def test_half_precision_comes_back_as_it_was(tmp_path):
    half = {"kernel": jnp.asarray(RNG.standard_normal((8, 6)), jnp.bfloat16)}
    for int8 in (False, True):
        found, report = compress(half, int8=int8)
        assert found["kernel"].dtype == jnp.bfloat16
        if not int8:
            np.testing.assert_array_equal(found["kernel"], half["kernel"])
        assert report.weights == 48


def test_a_model_is_compared_with_smaller_ones(tmp_path):
    pieces = [[[60 + int(note)] for note in RNG.integers(0, 12, 8)] for _ in range(6)]
    path = tmp_path / "tunes.json"
    path.write_text(json.dumps({"train": pieces[:2], "valid": pieces[2:4], "test": pieces[4:]}))
    music = Music(data=str(path))
    model = music.model(Elman(8))
    params = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 2, 88), np.float32))["params"]
    found = compare_sizes(music, model, params, shares=(0.9,))
    assert [each.name for each in found] == ["as trained", "int8", "int8, 90% pruned"]
    assert found[0].size > found[1].size > found[2].size and found[2].zeros == pytest.approx(0.9, abs=1e-3)
    assert found[0].metrics == music.evaluate(model, params, "test").metrics
    assert found[1].metrics["loss"] == pytest.approx(found[0].metrics["loss"], rel=0.01)
    section = size_section(found, "loss")
    assert len(section.figures) == 1 and len(section.tables[0][1]) == 3


def test_errors_name_the_argument(tmp_path):
    with pytest.raises(InputError, match="prune"):
        compress(PARAMS, prune=1.0)
    with pytest.raises(InputError, match="scope"):
        compress(PARAMS, scope="all")
    from rnnjax.convert import save_safetensors

    save_safetensors(tmp_path / "other", PARAMS)
    (tmp_path / "text").write_text("no parameters")
    for name in ("other", "text"):
        with pytest.raises(InputError, match="path"):
            load_compressed(tmp_path / name)
