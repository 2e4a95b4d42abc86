"""Facts of networks made for stability, and of the Legendre memory, that the laws for all cells do not cover."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from catalog import FLOAT64
from jax.flatten_util import ravel_pytree
from references import stable as references
from references.functions import softplus
from sequences import assert_identical, assert_same, drawn_like, run

from rnnjax import Elman, InputError, Precision, unroll
from rnnjax.cell import abstract_params
from rnnjax.cells.antisymmetric_rnn import AntisymmetricRNN, GatedAntisymmetricRNN
from rnnjax.cells.cfc import CfC
from rnnjax.cells.cornn import CoRNN
from rnnjax.cells.ct_rnn import CTRNN
from rnnjax.cells.distributions import Kaiming, OverWidth, Range
from rnnjax.cells.exp_rnn import ExpRNN
from rnnjax.cells.indrnn import IndRNN
from rnnjax.cells.lem import LEM
from rnnjax.cells.lipschitz_rnn import LipschitzRNN
from rnnjax.cells.lmu import LMU, memory_of
from rnnjax.cells.ltc import LTC
from rnnjax.cells.nru import NRU
from rnnjax.cells.sco_rnn import ScoRNN
from rnnjax.cells.unicornn import UnICORNN
from rnnjax.cells.urnn import URNN
from rnnjax.initializers import Constant, Normal
from rnnjax.inputs import Timed

x64 = pytest.mark.usefixtures("x64")
BATCH, TIME, INPUTS, FEATURES = 3, 8, 5, 4
KEY = jax.random.key(0)


def drawn(cell, in_features=INPUTS, seed=0):
    """Parameters, inputs and a carry, all drawn at random."""
    params = drawn_like(abstract_params(cell, in_features), seed)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, INPUTS), jnp.float64), seed + 1, scale=1.0)
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((BATCH,))), seed + 2)
    return params, xs, carry


def step_jacobian(cell, params, carry, x):
    """The Jacobian of one step in the state, as one matrix, `[size, size]`."""
    flat, restored = ravel_pytree(carry)
    after = lambda flat: ravel_pytree(cell.step(params, restored(flat), x)[0])[0]  # noqa: E731
    return np.asarray(jax.jacobian(after)(flat))


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: IndRNN(4, activation="tahn"), "IndRNN.activation", "'tahn'", "tanh"),
        (lambda: IndRNN(4, preset="torch"), "IndRNN.preset", "'torch'", "default, paper"),
        (lambda: UnICORNN(4, dt=0.0), "UnICORNN.dt", "0.0", "a number > 0"),
        (lambda: UnICORNN(4, alpha=-1.0), "UnICORNN.alpha", "-1.0", "a number >= 0"),
        (lambda: AntisymmetricRNN(4, epsilon=0.0), "AntisymmetricRNN.epsilon", "0.0", "a number > 0"),
        (lambda: AntisymmetricRNN(4, gamma=-0.1), "AntisymmetricRNN.gamma", "-0.1", "a number >= 0"),
        (lambda: GatedAntisymmetricRNN(4, gamma=-0.1), "GatedAntisymmetricRNN.gamma", "-0.1", "a number >= 0"),
        (
            lambda: GatedAntisymmetricRNN(4, recurrent_init={"input": Normal(0.1)}),
            "GatedAntisymmetricRNN.recurrent_init", "PerGate", "both gates share",
        ),
        (lambda: LipschitzRNN(4, beta=1.5), "LipschitzRNN.beta", "1.5", "[0, 1]"),
        (lambda: LipschitzRNN(4, gamma=-1.0), "LipschitzRNN.gamma", "-1.0", "a number >= 0"),
        (lambda: LipschitzRNN(4, epsilon=0.0), "LipschitzRNN.epsilon", "0.0", "a number > 0"),
        (lambda: CoRNN(4, dt=-0.1), "CoRNN.dt", "-0.1", "a number > 0"),
        (lambda: CoRNN(4, gamma=0.0), "CoRNN.gamma", "0.0", "a number > 0"),
        (lambda: CoRNN(4, epsilon=-1.0), "CoRNN.epsilon", "-1.0", "a number >= 0"),
        (lambda: LEM(4, dt=2.0), "LEM.dt", "2.0", "(0, 1]"),
        (lambda: ExpRNN(4, skew_init="haar"), "ExpRNN.skew_init", "'haar'", "cayley, henaff"),
        (lambda: ExpRNN(4, kernel_init=0.1), "ExpRNN.kernel_init", "0.1", "an Initializer"),
        (lambda: ScoRNN(4, negative=1.5), "ScoRNN.negative", "1.5", "[0, 1]"),
        (lambda: URNN(4, seed=-1), "URNN.seed", "-1", "an int from 0"),
        (lambda: NRU(4, heads=3), "NRU.memory_features", "64", "times heads=3 is a square"),
        (lambda: NRU(4, heads=0), "NRU.heads", "0", "a positive int"),
        (lambda: NRU(4, strength_scale=-1.0), "NRU.strength_scale", "-1.0", "a number >= 0"),
        (lambda: CTRNN(4, tau=0.0), "CTRNN.tau", "0.0", "a number > 0"),
        (lambda: CTRNN(4, unfolds=0), "CTRNN.unfolds", "0", "a positive int"),
        (lambda: CTRNN(4, activation=None), "CTRNN.activation", "None", "a function"),
        (lambda: LTC(4, unfolds=True), "LTC.unfolds", "True", "a positive int"),
        (lambda: LTC(4, excitatory=1.1), "LTC.excitatory", "1.1", "[0, 1]"),
        (lambda: CfC(4, backbone_features=0), "CfC.backbone_features", "0", "a positive int"),
        (lambda: CfC(4, preset="keras"), "CfC.preset", "'keras'", "default, paper"),
        (lambda: LMU(4, order=0), "LMU.order", "0", "a positive int"),
        (lambda: LMU(4, theta=0.0), "LMU.theta", "0.0", "a number > 0"),
        (lambda: LMU(4, kernel_init=0.1), "LMU.kernel_init", "0.1", "an Initializer"),
        (lambda: Range(1.0, 0.0), "Range.low", "1.0", "high=0.0"),
        (lambda: Kaiming("cauchy"), "Kaiming.distribution", "'cauchy'", "uniform"),
        (lambda: Kaiming()(KEY, (3,)), "Kaiming", "shape (3,)", "a matrix"),
        (lambda: OverWidth(-1.0), "OverWidth.std", "-1.0", "a number >= 0"),
        *((lambda cls=cls: cls(4).init(KEY, 0), "in_features", "0", "a positive int")
          for cls in (IndRNN, CoRNN, ExpRNN, NRU, CTRNN, LTC, CfC, LMU)),
        *((lambda cls=cls: cls(4).init(KEY, Timed(3, 2)), "in_features.elapsed", "2", "1, the time")
          for cls in (CTRNN, LTC, CfC)),
    ],
)  # fmt: skip
def test_bad_configuration_is_named(make, argument, given, expected):
    """A cell that cannot be says which field is wrong, what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value), str(error.value)


# --- where cells start from --------------------------------------------------------------------------------------


def within(values, low, high):
    """Whether numbers fill a range from end to end, as hundreds of uniform draws do."""
    values, slack = np.asarray(values), 0.05 * (high - low)
    return low <= values.min() < low + slack and high - slack < values.max() <= high


def test_independent_cells_start_as_their_papers():
    """u and w from U(0, 1), c from U(-0.1, 0.1), the kernel uniform with the bound sqrt(6 / (65 in_features))."""
    params = UnICORNN(512, preset="paper").init(KEY, 8)
    assert within(params["recurrent_vector"], 0, 1) and within(params["control"], -0.1, 0.1)
    bound = np.sqrt(6 / (65 * 8))
    assert within(params["kernel"], -bound, bound) and not np.any(params["bias"])
    near_one = IndRNN(512, recurrent_init=Range(0.99, 1.0)).init(KEY, 8)["recurrent_vector"]
    assert within(near_one, 0.99, 1.0)


def test_antisymmetric_cells_start_with_a_variance_of_one_over_the_width():
    """V is N(0, 1/n): the eigenvalues of V - V^T do not grow with the width."""
    for cls in (AntisymmetricRNN, GatedAntisymmetricRNN):
        kernel = np.asarray(cls(256, preset="paper").init(KEY, 8)["recurrent_kernel"])
        assert kernel.shape == (256, 256) and abs(kernel.std() * 16 - 1) < 0.02


def test_lipschitz_cells_start_with_a_deviation_of_one_over_the_width():
    """The two square matrices are drawn independently from N(0, (1/n)^2), as the authors' code does."""
    params = LipschitzRNN(256).init(KEY, 8)
    kernels = [np.asarray(params[name]) for name in ("recurrent_kernel", "linear_kernel")]
    assert all(abs(kernel.std() * 256 - 1) < 0.02 for kernel in kernels)
    assert abs(np.corrcoef(*map(np.ravel, kernels))[0, 1]) < 0.02


def test_oscillators_start_as_one_linear_map():
    """Every parameter of coRNN is from U(-k, k), k = 1/sqrt(in_features + 2 features); a given initialiser stands."""
    params = CoRNN(128, preset="paper").init(KEY, 16)
    bound = (16 + 2 * 128) ** -0.5
    assert all(within(leaf, -bound, bound) for leaf in params.values())
    assert np.all(CoRNN(8, preset="paper", bias_init=Constant(2.0)).init(KEY, 3)["bias"] == 2.0)


@pytest.mark.parametrize("features", [6, 7])
@pytest.mark.parametrize("cell", [ExpRNN, ScoRNN], ids=lambda cls: cls.__name__)
def test_rotations_start_in_planes(cell, features):
    """A has entries -tan(u/2), u in (0, pi/2), between units 0 and 1, 2 and 3, ... and nowhere else."""
    params = cell(features).init(KEY, 3)
    matrix = references.skew(np.asarray(params["skew"]), features)
    angles = matrix[range(0, features - 1, 2), range(1, features, 2)]
    assert np.all(angles < 0) and np.all(angles > -1) and len(set(angles)) == features // 2
    assert np.count_nonzero(matrix) == 2 * len(angles)


def test_orthogonal_cells_start_as_their_papers():
    """The ranges of input kernels, biases and angles, and the independence of real and imaginary parts."""
    params = ExpRNN(400, skew_init="henaff").init(KEY, 50)
    assert within(params["skew"][np.nonzero(params["skew"])], -np.pi, np.pi) and within(params["bias"], -0.01, 0.01)
    assert abs(np.var(params["kernel"]) * 25 - 1) < 0.02
    params = ScoRNN(400).init(KEY, 50)
    assert within(params["kernel"], -0.01, 0.01) and not np.any(params["bias"])
    params = URNN(400).init(KEY, 50)
    bound = np.sqrt(6 / 450)
    real, imag = np.split(np.asarray(params["kernel"]), 2, axis=1)
    assert (
        within(real, -bound, bound)
        and within(imag, -bound, bound)
        and abs(np.corrcoef(real.flat, imag.flat))[0, 1] < 0.03
    )
    assert within(params["phases"], -np.pi, np.pi) and within(params["reflections_real"], -1, 1)
    assert not np.array_equal(params["reflections_real"], params["reflections_imag"]) and not np.any(params["bias"])


def test_liquid_cells_start_in_the_ranges_of_their_package():
    """Capacitances, conductances, slopes and thresholds as neurons have them; a third of the synapses inhibits."""
    params = LTC(64).init(KEY, 32)
    assert within(softplus(np.asarray(params["capacitance"])), 0.4, 0.6) and within(params["leak_potential"], -0.2, 0.2)
    for kind in ("", "input_"):
        assert within(softplus(np.asarray(params[f"{kind}conductance"])), 0.001, 1.0)
        assert within(params[f"{kind}slope"], 3, 8) and within(params[f"{kind}threshold"], 0.3, 0.8)
        assert set(np.unique(params[f"{kind}reversal"])) == {-1.0, 1.0}
        assert abs(np.mean(params[f"{kind}reversal"] == 1.0) - 2 / 3) < 0.05
    assert np.all(LTC(8, excitatory=1.0).init(KEY, 3)["reversal"] == 1.0)


def test_other_starts_of_papers():
    """CfC and NRU as PyTorch's linear maps, the NRU's strengths constant unless asked for; the encoders of an LMU."""
    params = CfC(32, backbone_features=128, preset="paper").init(KEY, 96)
    assert within(params["bias"], -(128**-0.5), 128**-0.5)
    bound = np.sqrt(6 / (128 + 128))
    assert within(params["kernel"], -bound, bound) and within(params["recurrent_kernel"], -bound, bound)
    assert within(params["head_kernel"], -np.sqrt(6 / 160), np.sqrt(6 / 160))
    default, paper = (np.asarray(NRU(8, strength_scale=scale).init(KEY, 3)["head_kernel"]) for scale in (0, 1))
    assert not np.any(default[:, :8]) and np.all(default[:, 8:] != 0) and within(paper, -(72**-0.5), 72**-0.5)
    params = LMU(300).init(KEY, 600)
    assert within(params["input_encoder"], -np.sqrt(3 / 600), np.sqrt(3 / 600)) and not np.any(params["memory_encoder"])


# --- independent units -------------------------------------------------------------------------------------------


@x64
def test_independent_network_is_an_elman_network_with_a_diagonal_matrix():
    """U = diag(u)."""
    cell = IndRNN(FEATURES, precision=FLOAT64)
    params, xs, _ = drawn(cell)
    vector = params.pop("recurrent_vector")
    full = Elman(FEATURES, activation="relu", precision=FLOAT64)
    expected = run(full, params | {"recurrent_kernel": np.diag(vector)}, xs)
    assert_same(run(cell, params | {"recurrent_vector": vector}, xs)[1], expected[1])


@x64
def test_undamped_oscillators_keep_volumes():
    """The determinant of UnICORNN's step Jacobian is one, whatever parameters, state and input are."""
    cell = UnICORNN(FEATURES, dt=0.7, alpha=3.0, precision=FLOAT64)
    params, xs, carry = drawn(cell)
    row = jax.tree.map(lambda leaf: leaf[0], carry)
    assert abs(np.linalg.det(step_jacobian(cell, params, row, xs[0, 0])) - 1) < 1e-12


# --- matrices made for stability ---------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("cls", [AntisymmetricRNN, GatedAntisymmetricRNN], ids=lambda cls: cls.__name__)
def test_antisymmetric_steps_neither_shrink_nor_stretch(cls):
    """Without diffusion, eigenvalues of the step Jacobian have a real part of one; diffusion moves them to the left."""
    for gamma, moves in ((0.0, False), (0.5, True)):
        cell = cls(FEATURES, epsilon=0.2, gamma=gamma, precision=FLOAT64)
        params, xs, carry = drawn(cell)
        if cls is GatedAntisymmetricRNN:  # near the origin both gates are the same positive multiple of one matrix
            params["bias"], params["kernel"] = np.zeros_like(params["bias"]), np.zeros_like(params["kernel"])
            carry = jax.tree.map(np.zeros_like, carry)
        row = jax.tree.map(lambda leaf: leaf[0], carry)
        eigenvalues = np.linalg.eigvals(step_jacobian(cell, params, row, xs[0, 0]))
        assert np.any(abs(eigenvalues.imag) > 0.01)
        assert np.all(eigenvalues.real < 1 - 1e-3) if moves else np.allclose(eigenvalues.real, 1, atol=1e-12)


@x64
def test_an_open_gate_makes_an_antisymmetric_network():
    """With its input gate open, the gated network is the one without a gate."""
    cell, plain = (cls(FEATURES, precision=FLOAT64) for cls in (GatedAntisymmetricRNN, AntisymmetricRNN))
    params, xs, _ = drawn(plain)
    kernel = np.concatenate([np.zeros_like(params["kernel"]), params["kernel"]], axis=1)
    bias = np.concatenate([np.full(FEATURES, 50.0), params["bias"]])
    gated = run(cell, params | {"kernel": kernel, "bias": bias}, xs)
    assert_same(gated[1], run(plain, params, xs)[1])


@x64
def test_lipschitz_network_without_its_linear_part_is_antisymmetric():
    """beta = 1 and M = 0: what is left of A is the shift, and U is that of an antisymmetric network."""
    cell = LipschitzRNN(FEATURES, beta=1.0, gamma=0.0, epsilon=0.2, precision=FLOAT64)
    params, xs, _ = drawn(cell)
    params["linear_kernel"] = np.zeros((FEATURES, FEATURES))
    plain = AntisymmetricRNN(FEATURES, epsilon=0.2, gamma=0.0, precision=FLOAT64)
    without = {name: leaf for name, leaf in params.items() if name != "linear_kernel"}
    assert_same(run(cell, params, xs)[1], run(plain, without, xs)[1])


@x64
@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_lipschitz_matrices_have_the_symmetric_part_that_beta_says(beta):
    """The symmetric part of A is (1 - beta) (M + M^T) - gamma I."""
    cell = LipschitzRNN(FEATURES, beta=beta, gamma=0.3, precision=FLOAT64)
    params, _, _ = drawn(cell)
    linear = np.split(np.asarray(cell.prepare(params)["recurrent_kernel"]), 2, axis=1)[1]
    m = params["linear_kernel"]
    assert_same((linear + linear.T) / 2, (1 - beta) * (m + m.T) - 0.3 * np.eye(FEATURES))


# --- orthogonal matrices -----------------------------------------------------------------------------------------

ROTATING = [ExpRNN, ScoRNN, URNN]


@pytest.mark.parametrize("cls", ROTATING, ids=lambda cls: cls.__name__)
def test_recurrent_matrix_is_orthogonal(cls):
    """U^T U = I to the rounding of float32, from parameters drawn at random and at the start."""
    for features in (1, 40):
        cell = cls(features)
        prepare = jax.jit(cell.prepare)
        for params in (cell.init(KEY, 3), drawn_like(abstract_params(cell, 3), 0, scale=3.0)):
            kernel = np.asarray(prepare(params)["recurrent_kernel"], np.float64)
            np.testing.assert_allclose(kernel.T @ kernel, np.eye(len(kernel)), atol=5e-5)


@x64
@pytest.mark.parametrize("cls", ROTATING, ids=lambda cls: cls.__name__)
def test_norm_is_kept_where_the_nonlinearity_is_the_identity(cls):
    """With b = 0 and no input the norm of the state is the same after 500 steps, and so is that of its gradient."""
    cell = cls(FEATURES, precision=FLOAT64)
    params, _, carry = drawn(cell)
    params |= {"bias": np.zeros(FEATURES)}
    xs = np.zeros((BATCH, 500, INPUTS))
    final, ys = run(cell, params, xs, carry)
    before, after = np.linalg.norm(carry.h, axis=-1), np.linalg.norm(final.h, axis=-1)
    np.testing.assert_allclose(after, before, rtol=1e-9)
    assert np.abs(ys[:, -1] - carry.h).max() > 0.1

    def loss(carry):
        return jnp.sum(unroll(cell, params, xs, carry)[0].h)

    gradient = np.asarray(jax.jit(jax.grad(loss))(carry).h)
    np.testing.assert_allclose(np.linalg.norm(gradient, axis=-1), np.sqrt(gradient.shape[-1]), rtol=1e-9)


@x64
def test_which_orthogonal_matrices_are_reached():
    """An exponential is a rotation; the signs of D give the determinant of a scaled Cayley transform."""
    cell = ExpRNN(5, precision=FLOAT64)
    kernel = np.asarray(cell.prepare(drawn(cell)[0])["recurrent_kernel"])
    assert abs(np.linalg.det(kernel) - 1) < 1e-12
    for negative, count in ((0.0, 0), (0.2, 1), (0.4, 2), (1.0, 5)):
        cell = ScoRNN(5, negative=negative, precision=FLOAT64)
        kernel = np.asarray(cell.prepare(drawn(cell)[0])["recurrent_kernel"])
        assert abs(np.linalg.det(kernel) - (-1) ** count) < 1e-12


@x64
def test_exponential_is_that_of_scipy():
    """U = exp(A), from large angles too."""
    cell = ExpRNN(6, precision=FLOAT64)
    params = jax.tree.map(lambda leaf: 20 * leaf, drawn(cell)[0])
    expected = scipy.linalg.expm(references.skew(params["skew"], 6))
    assert_same(np.asarray(cell.prepare(params)["recurrent_kernel"]).T, expected, 1e-11)


def test_orthogonality_is_computed_in_single_precision_at_least():
    """In bfloat16 each entry is the rounded one of single precision: no sum was rounded."""
    for cls in ROTATING:
        params = cls(40).init(KEY, 3)
        wide = cls(40).prepare(params)["recurrent_kernel"]
        narrow = cls(40, precision=Precision("float32", "bfloat16")).prepare(params)["recurrent_kernel"]
        assert_identical(np.asarray(narrow, np.float32), np.asarray(wide.astype(jnp.bfloat16), np.float32))


def test_unitary_network_has_finite_gradients_at_zero():
    """No input and no state: the modulus has no slope, and the gradients are zero, not NaN."""
    cell = URNN(FEATURES)
    params = cell.init(KEY, INPUTS) | {"bias": jnp.full(FEATURES, 0.3)}

    def loss(params, xs):
        return jnp.sum(unroll(cell, params, xs)[1])

    gradients = jax.grad(loss, argnums=(0, 1))(params, jnp.zeros((BATCH, TIME, INPUTS)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_the_permutation_belongs_to_the_configuration():
    """Another seed is another permutation, and another value of the cell."""
    one, other = URNN(16), URNN(16, seed=1)
    assert one != other and not np.array_equal(one.permutation, other.permutation)
    assert sorted(one.permutation) == list(range(16))
    assert list(URNN(5).permutation) == [2, 0, 1, 3, 4], "NumPy's legacy stream, which never changes"


# --- oscillators and memories ------------------------------------------------------------------------------------


@x64
def test_oscillators_are_bounded():
    """The overdamped oscillators of coRNN stay within 1 / gamma, however strong the input."""
    cell = CoRNN(FEATURES, precision=FLOAT64)
    params, _, _ = drawn(cell)
    xs = 100 * np.random.default_rng(0).standard_normal((BATCH, 2000, INPUTS))
    xs[0] = 100.0  # pushes all the time
    final, ys = run(cell, params, xs)
    assert 0.9 / cell.gamma < np.abs(ys).max() < 1.001 / cell.gamma
    assert np.isfinite(final.z).all()


@x64
def test_long_expressive_memory_is_bounded_by_one():
    """Both states are means of what was written, hyperbolic tangents."""
    cell = LEM(FEATURES, precision=FLOAT64)
    params, _, _ = drawn(cell)
    xs = 10 * np.random.default_rng(0).standard_normal((BATCH, 500, INPUTS))
    final, ys = run(cell, params, xs)
    assert 0.5 < np.abs(ys).max() <= 1 and np.abs(final.z).max() <= 1


@x64
def test_trap_output_of_long_expressive_memory_sees_the_new_memory():
    """What goes into z in a step shows in y in the same step: libraries that read the old z hide it for one step."""
    cell = LEM(FEATURES, precision=FLOAT64)
    params, xs, _ = drawn(cell)
    start = cell.initial_carry((BATCH,))
    moved = params | {"bias": params["bias"] + np.repeat([0.0, 0.0, 1.0, 0.0], FEATURES)}
    ys = [np.asarray(cell.step(given, start, xs[:, 0])[1]) for given in (params, moved)]
    assert np.abs(ys[0] - ys[1]).max() > 1e-3


@x64
def test_memory_without_writing_is_kept():
    """With both gates shut an LEM keeps y and z for a thousand steps."""
    cell = LEM(FEATURES, precision=FLOAT64)
    params, _, carry = drawn(cell)
    params["bias"] = np.concatenate([np.full(2 * FEATURES, -40.0), params["bias"][2 * FEATURES :]])
    final, _ = run(cell, params, np.zeros((BATCH, 1000, INPUTS)), carry)
    assert_same(final, carry, 1e-9)


# --- the non-saturating unit -------------------------------------------------------------------------------------


@x64
def test_memory_changes_by_no_more_than_the_strengths():
    """Directions have a 5-norm of one: |m' - m| in that norm is at most the mean of |a| + |e|."""
    cell = NRU(FEATURES, precision=FLOAT64)
    params, xs, carry = drawn(cell)
    after, h = cell.step(params, carry, xs[:, 0])
    seen = np.concatenate([h, carry.memory], axis=-1)
    strengths = np.abs(seen @ params["head_kernel"][:, :8] + params["head_bias"][:8]).sum(-1) / 4
    change = (np.abs(after.memory - carry.memory) ** 5).sum(-1) ** 0.2
    assert np.all(change <= strengths) and np.all(change > 0.05 * strengths)


def test_directions_of_zero_are_zero():
    """Heads that are zero, or tiny, write nothing or a direction of norm one, and have finite gradients."""
    cell = NRU(FEATURES)
    params = jax.tree.map(jnp.zeros_like, cell.init(KEY, INPUTS))

    def loss(params):
        return jnp.sum(unroll(cell, params, jnp.ones((BATCH, TIME, INPUTS)))[0].memory)

    value, gradients = jax.value_and_grad(loss)(params)
    assert value == 0 and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    tiny = params | {"head_bias": jnp.full(72, 1e-12).at[:8].set(jnp.repeat(jnp.array([1.0, 0.0]), 4))}
    memory, _ = cell.step(tiny, cell.initial_carry(), jnp.ones(INPUTS))
    np.testing.assert_allclose(memory.memory, 64**-0.2, rtol=1e-6)


# --- Legendre memory ---------------------------------------------------------------------------------------------


def test_memory_matrices_are_the_exact_step():
    """A and B are those of SciPy's zero-order hold, and the memory is stable."""
    for order, theta in ((1, 3.0), (6, 20.0), (64, 100.0), (32, 2000.0)):
        a, b = memory_of(order, theta)
        expected = references.legendre_memory(order, theta)
        np.testing.assert_allclose(a, expected[0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(b, expected[1], rtol=0, atol=1e-9)
        assert np.abs(np.linalg.eigvals(a)).max() < 1


@x64
def test_memory_holds_the_window():
    """Read out by Legendre polynomials, the memory of a slow signal is the signal of up to theta steps before."""
    cell = LMU(FEATURES, order=12, theta=100.0, precision=FLOAT64)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape), abstract_params(cell, 1)) | {
        "input_encoder": np.ones((1, 1))
    }
    signal = np.sin(2 * np.pi * np.arange(600) / 80)
    final, _ = run(cell, params, signal[None, :, None])
    for delay in (0, 25, 50, 75, 100):
        weights = np.polynomial.legendre.legvander(np.array([2 * delay / 100 - 1]), 11)[0]
        # Held over each step, the signal is half a step late.
        expected = np.sin(2 * np.pi * (599.5 - delay) / 80)
        assert abs(final.memory[0] @ weights - expected) < 0.02


@x64
def test_dynamics_drops_all_that_is_initial():
    """What only says where a cell starts from is not part of its dynamics."""
    for cell in (
        NRU(4, strength_scale=1.0),
        LTC(4, excitatory=0.1),
        LMU(4, encoder_init=Normal(0.1)),
        CTRNN(4, tau=3.0),
    ):
        assert cell.dynamics == type(cell)(4) != cell
    assert dataclasses.replace(URNN(4), seed=3).dynamics == URNN(4, seed=3)
