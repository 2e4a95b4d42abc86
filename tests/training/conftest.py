"""One small run, from which the others differ by a field or two, and its compiled pieces: each is compiled once."""

from __future__ import annotations

import dataclasses
import functools
import gc

import jax
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.initializers import Constant, Glorot, Orthogonal
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, fit, initial_state, make_chunk

# Seed 0 runs to the end and seed 1 solves the task before, so that runs of different length lie side by side; some of
# their gradients are clipped and some are not.
SMALL = Config(
    Latch(10),
    Elman(8, kernel_init=Glorot(), recurrent_init=Orthogonal(), bias_init=Constant()),  # whatever the default is
    Optimizer("adam", 3e-3, clip="norm", clip_threshold=0.8),
    steps=40,
    batch_size=8,
    evaluate_every=10,
    evaluation_size=50,
    nonfinite_limit=3,
)


@pytest.fixture(scope="session")
def small():
    """`small(**fields)`: the small run, with these fields instead of its own."""
    return functools.partial(dataclasses.replace, SMALL)


@pytest.fixture(scope="session")
def start():
    """`start(config, seed=0)`: the state before the first update."""
    return functools.lru_cache(maxsize=32)(_start)


def _start(config, seed=0):
    return jax.jit(initial_state, static_argnames="config")(jax.random.key(seed), config=config)


@pytest.fixture(scope="session")
def fitted():
    """`fitted(config, seed=0)`: what `fit` returns under `jit`, computed anew at each call."""
    compiled = jax.jit(fit, static_argnames="config")
    return lambda config, seed=0: compiled(jax.random.key(seed), config=config)


@pytest.fixture(scope="session")
def chunk():
    """`chunk(config)`: the compiled `make_chunk(config)`."""
    return functools.lru_cache(maxsize=32)(lambda config: jax.jit(make_chunk(config)))


def numbers(tree):
    """The leaves of a tree as NumPy arrays, by path; keys as their data."""
    data = lambda leaf: jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf  # noqa: E731
    return {jax.tree_util.keystr(path): np.asarray(data(leaf)) for path, leaf in jax.tree.leaves_with_path(tree)}


@pytest.fixture(scope="session")
def assert_identical():
    """`assert_identical(actual, expected)`: trees that are equal bit for bit."""

    def check(actual, expected):
        actual, expected = numbers(actual), numbers(expected)
        assert list(actual) == list(expected)
        for path, leaf in actual.items():
            other = expected[path]
            assert (leaf.dtype, leaf.shape) == (other.dtype, other.shape), path
            assert leaf.tobytes() == other.tobytes(), f"{path}: {leaf} is not {other}"

    return check


@pytest.fixture(scope="session")
def assert_close():
    """`assert_close(actual, expected, rtol, atol)`: trees of one structure whose leaves are equal up to rounding."""

    def check(actual, expected, rtol, atol):
        actual, expected = numbers(actual), numbers(expected)
        assert list(actual) == list(expected)
        for path, leaf in actual.items():
            np.testing.assert_allclose(leaf, expected[path], rtol=rtol, atol=atol, err_msg=path)

    return check


@pytest.fixture
def collected():
    """What was still reading a checkpoint when it was given up ends with the test, and not in a later one."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def files():
    """`files(folder)`: the content of each file below a folder, by path."""

    def read(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
