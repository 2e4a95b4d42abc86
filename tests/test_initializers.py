"""The laws of initial parameters: distributions by moments and by Kolmogorov-Smirnov tests, block by block."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import TEXTBOOK
from scipy import stats

from rnnjax import GRU, LRU, LSTM, RGLRU, S5, Elman, InputError, Jordan, MinGRU, MinLSTM, PeepholeLSTM
from rnnjax.cells import REGISTRY
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

INPUTS, FEATURES, DRAWS = 24, 16, 40
KEY = jax.random.key(0)
# The keys are fixed, so a test that passes goes on passing; a right distribution fails one of these at odds of 1e-4.
SIGNIFICANCE = 1e-4


@functools.cache
def drawn(cell):
    """Many draws of a cell's parameters, by gate: `{name: {gate: [draws, ...]}}`."""
    # Not under `jit`: the same few operations serve all cells, and are compiled once.
    params = jax.device_get(jax.vmap(lambda key: cell.init(key, INPUTS))(jax.random.split(KEY, DRAWS)))
    return {
        name: dict(zip(cell.gates, np.split(leaf, len(cell.gates), axis=-1), strict=True))
        for name, leaf in params.items()
        if leaf.shape[-1] == len(cell.gates) * FEATURES
    } | {"plain": params}


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


def sum_of_two_uniforms(bound):
    return stats.triang(0.5, -2 * bound, 4 * bound)


def truncated_normal(std):
    """Normal, cut at two of its own standard deviations, then scaled so that `std` is that of the result."""
    cut = stats.truncnorm(-2, 2)
    return stats.truncnorm(-2, 2, scale=std / cut.std())


def glorot(fan_in, fan_out):
    return uniform(np.sqrt(6 / (fan_in + fan_out)))


PER_GATE_ORTHOGONAL, FUSED_ORTHOGONAL = "per gate", "fused"
BOUND = FEATURES**-0.5  # of everything in PyTorch

# (kernel, recurrent kernel, bias), where a number stands for a constant. A gate may have a bias of its own.
PER_GATE = (truncated_normal(INPUTS**-0.5), PER_GATE_ORTHOGONAL, 0.0)
TORCH = (uniform(BOUND), uniform(BOUND), sum_of_two_uniforms(BOUND))
FLAX = PER_GATE


def keras(gates):
    return (glorot(INPUTS, gates * FEATURES), FUSED_ORTHOGONAL, 0.0)


def with_bias(preset, **gates):
    return (*preset[:2], gates | {"others": preset[2]})


STATED = ("default", "paper")

EXPECTED = {
    (Elman, "default"): PER_GATE,
    (Elman, "paper"): PER_GATE,
    (Elman, "torch"): TORCH,
    (Elman, "keras"): keras(1),
    (Elman, "flax"): FLAX,
    (Jordan, "default"): PER_GATE,
    (Jordan, "paper"): PER_GATE,
    (GRU, "default"): PER_GATE,
    (GRU, "paper"): (stats.norm(0, 0.01), PER_GATE_ORTHOGONAL, 0.0),
    (GRU, "torch"): with_bias(TORCH, candidate=uniform(BOUND)),
    (GRU, "keras"): keras(3),
    (GRU, "flax"): FLAX,
    **{(cls, preset): (truncated_normal(INPUTS**-0.5), None, 0.0) for cls in (MinGRU, MinLSTM) for preset in STATED},
    **{(RGLRU, preset): (stats.norm(0, FEATURES**-0.5), None, 0.0) for preset in STATED},
} | {
    (cls, preset): expected
    for cls in (LSTM, PeepholeLSTM)
    for preset, expected in {
        "default": with_bias(PER_GATE, forget=1.0),
        "paper": with_bias((uniform(0.1), uniform(0.1), uniform(0.1)), forget=1.0),
        "torch": TORCH,
        "keras": with_bias(keras(4), forget=1.0),
        "flax": FLAX,
    }.items()
}


def assert_distributed(values, expected):
    """Values are equal to a number, or drawn from a distribution: shape by KS test, mean, variance and support."""
    values = np.ravel(values).astype(np.float64)
    if isinstance(expected, float):
        assert np.all(values == expected)
        return
    low, high = expected.support()
    margin = 1e-6 * max(1.0, abs(expected.std()))
    assert values.min() >= low - margin and values.max() <= high + margin
    assert stats.kstest(values, expected.cdf).pvalue > SIGNIFICANCE
    assert abs(values.mean() - expected.mean()) < 5 * expected.std() / np.sqrt(values.size)
    kurtosis = 3 + float(expected.stats(moments="k"))
    assert abs(values.var() / expected.var() - 1) < 5 * np.sqrt((kurtosis - 1) / values.size)


def assert_orthogonal(matrices, scale=1.0):
    """W^T W = scale^2 I for each matrix, to the rounding of float32."""
    gram = np.swapaxes(matrices, -1, -2) @ matrices
    np.testing.assert_allclose(gram, np.broadcast_to(scale**2 * np.eye(gram.shape[-1]), gram.shape), atol=5e-6)


@pytest.mark.parametrize(
    ("cls", "preset"),
    [(REGISTRY[name], preset) for name in TEXTBOOK for preset in getattr(REGISTRY[name], "presets", {})],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_preset_has_its_distribution(cls, preset):
    """Each gate's kernel, recurrent kernel and bias are distributed as the preset's library or paper has them."""
    assert (cls, preset) in EXPECTED, "a new preset needs its distribution written here"
    kernel, recurrent, bias = EXPECTED[cls, preset]
    blocks = drawn(cls(FEATURES, preset=preset))
    for gate in cls.gates:
        assert_distributed(blocks["kernel"][gate], kernel)
        own = bias.get(gate, bias["others"]) if isinstance(bias, dict) else bias
        assert_distributed(blocks["bias"][gate], own)
    if recurrent == PER_GATE_ORTHOGONAL:
        for matrices in blocks["recurrent_kernel"].values():
            assert_orthogonal(matrices)
    elif recurrent == FUSED_ORTHOGONAL:
        whole = blocks["plain"]["recurrent_kernel"]
        assert_orthogonal(np.swapaxes(whole, -1, -2))
    elif recurrent is not None:
        for matrices in blocks["recurrent_kernel"].values():
            assert_distributed(matrices, recurrent)
    assert ("recurrent_kernel" in blocks["plain"]) == (recurrent is not None)
    assert_independent(blocks["kernel"])


def assert_independent(by_gate):
    """No two gates' blocks are correlated beyond chance."""
    flat = [np.ravel(block) for block in by_gate.values()]
    for index, one in enumerate(flat):
        for other in flat[:index]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(one.size)


def test_gru_keeps_the_two_biases_of_the_candidate_apart():
    """PyTorch's b_in and b_hn of the candidate are two draws of U(-1/sqrt H, 1/sqrt H); elsewhere b_hn starts at 0."""
    own = drawn(GRU(FEATURES, preset="torch"))
    hidden = own["plain"]["recurrent_bias"]
    assert_distributed(hidden, uniform(BOUND))
    assert abs(np.corrcoef(hidden.ravel(), own["bias"]["candidate"].ravel())[0, 1]) < 5 / np.sqrt(hidden.size)
    for preset in ("default", "paper", "keras", "flax"):
        assert not np.any(drawn(GRU(FEATURES, preset=preset))["plain"]["recurrent_bias"])


def test_trap_orthogonal_per_gate_is_not_one_fused_matrix():
    """Drawn per gate each block is orthogonal; of one fused matrix a block has E[W^T W] = I / gates: half the scale."""
    per_gate, fused = drawn(LSTM(FEATURES)), drawn(LSTM(FEATURES, preset="keras"))
    for gate in LSTM.gates:
        assert_orthogonal(per_gate["recurrent_kernel"][gate])
        blocks = fused["recurrent_kernel"][gate]
        gram = np.mean(np.swapaxes(blocks, -1, -2) @ blocks, axis=0)
        # Entries of the mean of 40 draws have standard errors below 0.03 here.
        np.testing.assert_allclose(gram, np.eye(FEATURES) / 4, atol=0.12)
        assert abs(np.trace(gram) / FEATURES - 0.25) < 0.02
    norms = np.linalg.norm(fused["recurrent_kernel"]["forget"], ord=2, axis=(-2, -1))
    assert np.all(norms < 0.99), "no block of a fused matrix keeps a gradient's norm"


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


# --- eigenvalues -------------------------------------------------------------------------------------------------


def normal_matrices(params, *names):
    """Parameters by name, `[draws, ...]`, real and imaginary parts joined where there are two."""
    for name in names:
        yield params[f"{name}_real"].astype(np.float64) + 1j * params[f"{name}_imag"]


@pytest.mark.parametrize(("r_min", "r_max", "max_phase"), [(0.0, 1.0, 2 * np.pi), (0.9, 0.999, 0.3)])
def test_lru_starts_on_a_ring(r_min, r_max, max_phase):
    """|a|^2 is uniform on [r_min^2, r_max^2] and the phase on [0, max_phase]; gamma is sqrt(1 - |a|^2); B, C, D."""
    params = drawn(LRU(FEATURES, state_features=12, r_min=r_min, r_max=r_max, max_phase=max_phase))["plain"]
    nu, theta, gamma = (params[f"{name}_log"].astype(np.float64) for name in ("nu", "theta", "gamma"))
    assert nu.shape == (DRAWS, 12)
    squares = np.exp(-2 * np.exp(nu))
    assert_distributed(squares, stats.uniform(r_min**2, r_max**2 - r_min**2))
    assert_distributed(np.exp(theta), stats.uniform(0, max_phase))
    assert abs(np.corrcoef(squares.ravel(), theta.ravel())[0, 1]) < 5 / np.sqrt(squares.size)
    # Relative to 1 - |a|^2, a float32 nu is known to 1e-6 times its own size of up to 17.
    np.testing.assert_allclose(np.exp(2 * gamma), 1 - squares, rtol=2e-5)
    for part in ("real", "imag"):
        assert_distributed(params[f"kernel_{part}"], stats.norm(0, (2 * INPUTS) ** -0.5))
        assert_distributed(params[f"output_kernel_{part}"], stats.norm(0, 12**-0.5))
    assert_independent({part: params[f"kernel_{part}"] for part in ("real", "imag")})
    assert_distributed(params["skip"], truncated_normal(INPUTS**-0.5))
    square = LRU(INPUTS).init(KEY, INPUTS)["skip"]
    assert square.shape == (INPUTS,)
    assert_distributed(LRU(2000, state_features=1).init(KEY, 2000)["skip"], stats.norm(0, 1))


def hippo(n):
    """The HiPPO-LegS matrix and its normal part, entry by entry."""
    a, normal = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            a[i, j] = -np.sqrt((2 * i + 1) * (2 * j + 1)) if i > j else (-(i + 1) if i == j else 0)
            normal[i, j] = a[i, j] + np.sqrt((i + 0.5) * (j + 0.5))
    return a, normal


@pytest.mark.parametrize("blocks", [1, 3])
def test_s5_starts_from_the_normal_part_of_hippo(blocks):
    """Eigenvalues are those of HiPPO-LegS plus a matrix of rank one, one of each conjugate pair, in every block."""
    cell = S5(FEATURES, state_features=12, blocks=blocks)
    params = drawn(cell)["plain"]
    _, normal = hippo(24 // blocks)
    np.testing.assert_allclose(normal @ normal.T, normal.T @ normal, atol=1e-9)  # it is normal
    expected = np.linalg.eigvals(normal)
    (found,) = normal_matrices(params, "eigenvalue")
    assert np.all(found == found[0])
    for block in np.split(found[0], blocks):
        both = np.concatenate([block, block.conj()])
        np.testing.assert_allclose(np.sort_complex(both.round(4)), np.sort_complex(expected.round(4)), atol=2e-4)
    steps = params["log_step"]
    assert_distributed(steps, stats.uniform(np.log(0.001), np.log(0.1) - np.log(0.001)))


@pytest.mark.parametrize("blocks", [1, 3])
def test_s5_kernels_are_real_ones_in_the_basis_of_the_eigenvectors(blocks):
    """V V^* B is the LeCun-normal B that was drawn; C V has the variance of a LeCun-normal C; D is N(0, 1)."""
    width, n = 12, 24 // blocks
    params = drawn(S5(FEATURES, state_features=width, blocks=blocks))["plain"]
    _, normal = hippo(n)
    values, vectors = np.linalg.eigh(-1j * (normal + 0.5 * np.eye(n)))
    assert np.all(values[: n // 2] < 0)
    half = vectors[:, : n // 2]
    b, c = normal_matrices(params, "kernel", "output_kernel")
    # The other half of V V^* B is the conjugate of this one.
    drawn_b = np.concatenate([2 * (part @ half.T).real for part in np.split(b, blocks, axis=-1)], axis=-1)
    assert_distributed(drawn_b, truncated_normal((2 * width) ** -0.5))
    # Real and imaginary part of C have variance 1 / (2 width) each, and V is unitary.
    for part in (c.real, c.imag):
        assert abs(part.mean()) < 5 * part.std() / np.sqrt(part.size)
        assert abs(part.var() * 2 * width - 1) < 0.1
    assert_distributed(params["skip"], truncated_normal(INPUTS**-0.5))
    assert_distributed(S5(400, state_features=1).init(KEY, 400)["skip"], stats.norm(0, 1))


@pytest.mark.parametrize(("r_min", "r_max"), [(0.9, 0.999), (0.5, 1.0)])
def test_rg_lru_decay_is_drawn_from_a_ring(r_min, r_max):
    """exp(-softplus(L)) squared is uniform on [r_min^2, r_max^2]; inputs of another width enter by a LeCun kernel."""
    params = drawn(RGLRU(FEATURES, r_min=r_min, r_max=r_max))["plain"]
    radii = np.exp(-np.log1p(np.exp(params["decay"].astype(np.float64))))
    assert_distributed(radii**2, stats.uniform(r_min**2, r_max**2 - r_min**2))
    assert_distributed(params["input_kernel"], truncated_normal(INPUTS**-0.5))


def test_rg_lru_heads_are_drawn_for_their_own_width():
    """Each block of a block-diagonal kernel has its own fan-in, and no two blocks are alike."""
    kernel = drawn(RGLRU(FEATURES, heads=4))["plain"]["kernel"]
    assert kernel.shape == (DRAWS, 4, 4, 8)
    assert_distributed(kernel, stats.norm(0, 0.5))
    assert_independent(dict(enumerate(np.moveaxis(kernel, 1, 0))))


def test_ring_gives_decay_rates():
    """r = exp(-rate) lies on the ring, with r^2 uniform; a ring of no width is one radius."""
    rates = np.asarray(Ring(0.5, 0.9)(KEY, (5000,)), np.float64)
    assert_distributed(np.exp(-2 * rates), stats.uniform(0.25, 0.56))
    np.testing.assert_allclose(Ring(0.9, 0.9)(KEY, (3,)), -np.log(0.9), rtol=1e-6)
    whole = Ring()(KEY, (100_000,))
    assert np.isfinite(whole).all() and np.all(whole > 0)


# --- the other libraries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "name"), [(Elman, "SimpleCell"), (LSTM, "OptimizedLSTMCell"), (GRU, "GRUCell")])
def test_flax_preset_is_distributed_as_flax(cls, name):
    """Input kernels of the preset and of the library are one distribution; recurrent blocks orthogonal, biases zero."""
    linen = pytest.importorskip("flax.linen")
    theirs = getattr(linen, name)(FEATURES)
    carry = theirs.initialize_carry(KEY, (1, INPUTS))
    draw = jax.vmap(lambda key: theirs.init(key, carry, jnp.zeros((1, INPUTS)))["params"])
    parts = jax.device_get(draw(jax.random.split(jax.random.key(1), DRAWS)))
    input_kernels = np.stack([part["kernel"] for key, part in parts.items() if key.startswith("i")])
    recurrent = [part["kernel"] for key, part in parts.items() if key.startswith("h")]
    biases = [part["bias"] for part in parts.values() if "bias" in part]
    ours = drawn(cls(FEATURES, preset="flax"))
    assert len(input_kernels) == len(recurrent) == len(cls.gates)
    assert stats.ks_2samp(ours["plain"]["kernel"].ravel(), input_kernels.ravel()).pvalue > SIGNIFICANCE
    assert abs(ours["plain"]["kernel"].std() / input_kernels.std() - 1) < 0.02
    for block in recurrent:
        assert_orthogonal(block)
    assert not any(map(np.any, biases))


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
