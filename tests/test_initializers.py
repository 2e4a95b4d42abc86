"""The laws of initialisers: distributions by moments and by Kolmogorov-Smirnov tests, block by block."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributions import (
    DRAWS,
    FEATURES,
    KEY,
    assert_distributed,
    assert_independent,
    assert_orthogonal,
    drawn,
    glorot,
    sum_of_two_uniforms,
    truncated_normal,
    uniform,
)
from scipy import stats

from rnnjax import GRU, LSTM, RGLRU, Elman, InputError, Jordan, MinGRU, MinLSTM, PeepholeLSTM
from rnnjax.initializers import (
    Chrono,
    Constant,
    Fused,
    Glorot,
    Identity,
    Initializer,
    Lecun,
    Normal,
    Orthogonal,
    PerGate,
    Ring,
    Uniform,
)

# --- orthogonal matrices -----------------------------------------------------------------------------------------


def test_orthogonal_matrices_are_drawn_uniformly():
    """Entries of an orthogonal matrix have mean 0 and variance 1 / n, and its determinant is +1 as often as -1."""
    draws = jax.device_get(jax.vmap(lambda key: Orthogonal()(key, (8, 8)))(jax.random.split(KEY, 1000)))
    assert abs(draws.mean()) < 5 * 8**-0.5 / np.sqrt(draws.size)
    np.testing.assert_allclose(draws.var(axis=0), np.full((8, 8), 1 / 8), atol=5 / 8 * np.sqrt(2 / 1000))
    assert abs(np.mean(np.linalg.det(draws) > 0) - 0.5) < 5 * 0.5 / np.sqrt(1000)


@pytest.mark.parametrize("shape", [(6, 6), (10, 4), (4, 10)])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_orthogonal_of_any_shape(shape, scale):
    """The shorter side of a rectangle is orthonormal, times the scale."""
    matrix = np.asarray(Orthogonal(scale)(KEY, shape))
    assert_orthogonal(matrix if shape[0] >= shape[1] else matrix.T, scale)


# --- single initialisers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [
        (Constant(0.5), 0.5),
        (Normal(0.2), stats.norm(0, 0.2)),
        (Uniform(0.3), uniform(0.3)),
        (Uniform(), uniform(50**-0.5)),
        (Uniform(0.3, draws=2), sum_of_two_uniforms(0.3)),
        (Glorot(), glorot(100, 50)),
        (Glorot("normal"), stats.norm(0, np.sqrt(2 / 150))),
        (Glorot("truncated_normal"), truncated_normal(np.sqrt(2 / 150))),
        (Lecun(), truncated_normal(0.1)),
        (Lecun("uniform"), uniform(np.sqrt(3) / 10)),
        (Lecun("normal"), stats.norm(0, 0.1)),
    ],
    ids=lambda value: repr(value) if isinstance(value, Initializer) else "",
)
def test_initializer_has_its_distribution(initializer, expected):
    """A block of shape [100, 50] is distributed as the initialiser says, and three gates' blocks are independent."""
    assert_distributed(initializer(KEY, (100, 50)), expected)
    blocks = initializer.blocks(KEY, ("a", "b", "c"), (100, 50))
    assert blocks.shape == (100, 150)
    assert_distributed(blocks, expected)
    if not isinstance(initializer, Constant):
        assert_independent(dict(enumerate(np.split(np.asarray(blocks), 3, axis=-1))))


@pytest.mark.parametrize(
    "initializer",
    [Constant(2.0), Normal(), Uniform(), Glorot(), Lecun(), Orthogonal(), Identity(), Fused(Glorot()), PerGate(),
     Chrono(10), Ring(0.5, 0.9)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_initializer_draws_in_the_dtype_asked_for(initializer, dtype):
    """Shape and dtype are those asked for, the same key draws the same, and an initialiser is a value."""
    gates = ("input", "forget")
    one = initializer.blocks(KEY, gates, (4, 4), jnp.dtype(dtype))
    assert one.shape == (4, 8) and one.dtype == dtype
    np.testing.assert_array_equal(one, initializer.blocks(KEY, gates, (4, 4), jnp.dtype(dtype)))
    assert hash(initializer) == hash(eval(repr(initializer)))
    assert initializer == eval(repr(initializer))


def test_identity_and_its_scale():
    """Every gate's block is the identity times the scale."""
    blocks = Identity(0.9).blocks(KEY, ("a", "b"), (3, 3))
    np.testing.assert_array_equal(blocks, np.tile(np.float32(0.9) * np.eye(3, dtype=np.float32), 2))


def test_identity_initialised_network():
    """IRNN: rectifier, recurrent kernel the identity times a scale, W ~ N(0, std^2), b = 0; fields can be replaced."""
    cell = Elman.irnn(FEATURES, scale=0.9, std=0.05)
    assert cell.activation == "relu"
    blocks = drawn(cell)
    assert_distributed(blocks["kernel"]["candidate"], stats.norm(0, 0.05))
    expected = np.broadcast_to(np.float32(0.9) * np.eye(FEATURES, dtype=np.float32), (DRAWS, FEATURES, FEATURES))
    np.testing.assert_array_equal(blocks["recurrent_kernel"]["candidate"], expected)
    assert not np.any(blocks["bias"]["candidate"])
    assert Elman.irnn(3, activation="tanh").activation == "tanh"
    assert Elman.irnn(3, bias_init=Constant(1.0)).bias_init == Constant(1.0)


@pytest.mark.parametrize("cls", [LSTM, GRU, MinLSTM])
def test_chrono_biases(cls):
    """The gate that keeps the state has b = log U(1, t_max - 1), the input gate its negative, the others zero."""
    t_max = 100
    biases = drawn(cls(FEATURES, bias_init=Chrono(t_max)))["bias"]
    keeping = "update" if cls is GRU else "forget"
    assert_distributed(np.exp(biases[keeping]), stats.uniform(1, t_max - 2))
    for gate in set(cls.gates) - {keeping, "input"}:
        assert not np.any(biases[gate])
    if "input" in cls.gates:
        np.testing.assert_array_equal(biases["input"], -biases[keeping])


def test_chrono_bias_of_a_cell_that_keeps_what_it_does_not_write():
    """A single gate that writes gets minus log U(1, t_max - 1): what is kept is the sigmoid of the logarithm."""
    biases = drawn(MinGRU(FEATURES, bias_init=Chrono(100)))["bias"]
    assert_distributed(np.exp(-biases["write"]), stats.uniform(1, 98))
    assert not np.any(biases["candidate"])


def test_chrono_memory_is_the_inverse_of_forgetting():
    """1 / (1 - sigmoid(b_f)) is uniform on [2, t_max]: the time over which a unit forgets."""
    biases = drawn(LSTM(FEATURES, bias_init=Chrono(50)))["bias"]["forget"].astype(np.float64)
    assert_distributed(1 + np.exp(biases), stats.uniform(2, 48))


def test_ring_gives_decay_rates():
    """r = exp(-rate) lies on the ring, with r^2 uniform; a ring of no width is one radius."""
    rates = np.asarray(Ring(0.5, 0.9)(KEY, (5000,)), np.float64)
    assert_distributed(np.exp(-2 * rates), stats.uniform(0.25, 0.56))
    np.testing.assert_allclose(Ring(0.9, 0.9)(KEY, (3,)), -np.log(0.9), rtol=1e-6)
    whole = Ring()(KEY, (100_000,))
    assert np.isfinite(whole).all() and np.all(whole > 0)


# --- gate by gate ------------------------------------------------------------------------------------------------


def test_a_mapping_sets_the_named_gates_and_leaves_the_rest_to_the_preset():
    """Numbers are constants; gates that are not named keep the preset's draw, bit for bit."""
    plain = drawn(LSTM(FEATURES, preset="torch"))
    cell = LSTM(FEATURES, preset="torch", bias_init={"forget": 2, "input": Normal(0.5)}, kernel_init={"output": 0.0})
    blocks = drawn(cell)
    assert_distributed(blocks["bias"]["forget"], 2.0)
    assert_distributed(blocks["bias"]["input"], stats.norm(0, 0.5))
    assert_distributed(blocks["kernel"]["output"], 0.0)
    for name, gates in (("bias", ("candidate", "output")), ("kernel", ("input", "forget", "candidate"))):
        for gate in gates:
            np.testing.assert_array_equal(blocks[name][gate], plain[name][gate])
    np.testing.assert_array_equal(blocks["plain"]["recurrent_kernel"], plain["plain"]["recurrent_kernel"])


def test_per_gate_with_a_default_of_its_own():
    """`PerGate` with a default uses it for the rest, fused or not, and not the preset's."""
    default = PerGate((("forget", Identity()),), Fused(Orthogonal()))
    blocks = drawn(LSTM(FEATURES, recurrent_init=default))["recurrent_kernel"]
    np.testing.assert_array_equal(blocks["forget"][0], np.eye(FEATURES))
    scale = np.mean(np.sum(blocks["input"] ** 2, axis=-2))
    assert abs(scale - 0.25) < 0.02


def test_peephole_weights():
    """Peepholes start at zero, or where an initialiser or a mapping says, gate by gate."""
    assert not np.any(drawn(PeepholeLSTM(FEATURES))["plain"]["peephole"])
    noisy = drawn(PeepholeLSTM(FEATURES, peephole_init=Normal(0.1)))["plain"]["peephole"]
    assert_distributed(noisy, stats.norm(0, 0.1))
    some = drawn(PeepholeLSTM(FEATURES, peephole_init={"forget": 0.5}))["plain"]["peephole"]
    np.testing.assert_array_equal(some[0], np.repeat([0.0, 0.5, 0.0], FEATURES))


def test_output_layer_of_a_jordan_network():
    """The output kernel is drawn like the input kernel, for its own widths."""
    params = drawn(Jordan(FEATURES, output_size=8))["plain"]
    assert_distributed(params["output_kernel"], truncated_normal(FEATURES**-0.5))
    assert params["recurrent_kernel"].shape == (DRAWS, 8, FEATURES)
    assert_orthogonal(np.swapaxes(params["recurrent_kernel"], -1, -2))


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: Normal(-1.0), "Normal.std", "-1.0", "a number >= 0"),
        (lambda: Uniform(-0.1), "Uniform.bound", "-0.1", "a number >= 0"),
        (lambda: Uniform(0.1, draws=0), "Uniform.draws", "0", "an int >= 1"),
        (lambda: Glorot("gaussian"), "Glorot.distribution", "'gaussian'", "uniform, normal, truncated_normal"),
        (lambda: Lecun("gaussian"), "Lecun.distribution", "'gaussian'", "uniform, normal, truncated_normal"),
        (lambda: Ring(0.5, 0.4), "Ring.r_min", "0.5", "r_max=0.4"),
        (lambda: Ring(0.5, 1.1), "Ring.r_max", "1.1", "(0, 1]"),
        (lambda: RGLRU(4, bias_init=Chrono(9)).init(KEY, 2), "Chrono", "('recurrence', 'input')", '"write" gate'),
        (lambda: Chrono(2), "Chrono.t_max", "2", "a number of steps >= 3"),
        (lambda: Orthogonal()(KEY, (3,)), "Orthogonal", "shape (3,)", "a matrix"),
        (lambda: LSTM(3, bias_init=Orthogonal()).init(KEY, 2), "Orthogonal", "shape (3,)", "a matrix"),
        (lambda: LSTM(3, bias_init=Glorot()).init(KEY, 2), "Glorot", "shape (3,)", "a matrix"),
        (lambda: LSTM(3, bias_init=Lecun()).init(KEY, 2), "Lecun", "shape (3,)", "a matrix"),
        (lambda: LSTM(3, kernel_init=Identity()).init(KEY, 2), "Identity", "shape (2, 3)", "a square block"),
        (lambda: Elman(3, bias_init=Chrono(9)).init(KEY, 2), "Chrono", "('candidate',)", '"forget" or "update"'),
        (lambda: PerGate((("c", Normal()),)).blocks(KEY, ("a", "b"), (3,)), "gate", "'c'", "a, b"),
    ],
)
def test_bad_input_is_named(make, argument, given, expected):
    """An initialiser that cannot be, or cannot draw a block, says what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value), error.value
