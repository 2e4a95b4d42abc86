"""The laws of what cells start from by themselves: each preset's distributions, block by block, and eigenvalues."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import TEXTBOOK
from distributions import (
    DRAWS,
    FEATURES,
    INPUTS,
    KEY,
    SIGNIFICANCE,
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

from rnnjax import GRU, LRU, LSTM, RGLRU, S5, Elman, Jordan, MinGRU, MinLSTM, PeepholeLSTM
from rnnjax.cells import REGISTRY

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
