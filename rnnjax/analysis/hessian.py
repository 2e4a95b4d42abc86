"""The curvature of a loss in the space of its parameters: eigenvalues of the Hessian, and how they are distributed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.states import leaves_of, vector
from rnnjax.analysis.trajectory import moved, moving
from rnnjax.errors import InputError, check, check_choice

Array = jax.Array
PyTree = Any
Loss = Callable[[PyTree], Array]

_ORDERS = {"magnitude": lambda values: -jnp.abs(values), "largest": lambda values: -values, "smallest": lambda v: v}


class HessianSpectrum(NamedTuple):
    """Some eigenvalues of a Hessian.

    Attributes:
      eigenvalues: `[count]`, in the order that was asked for.
      eigenvectors: like the parameters, each leaf with a first axis `[count]`; of unit norm, all leaves together.
      residuals: `[count]`, |H v - lambda v| but for rounding: how far each is at most from an eigenvalue of H.
    """

    eigenvalues: Array
    eigenvectors: PyTree
    residuals: Array


class SpectralDensity(NamedTuple):
    """Where the eigenvalues of a Hessian lie, from random probes.

    Attributes:
      nodes: `[probes, iterations]`, the places at which a probe saw eigenvalues.
      weights: `[probes, iterations]`, the share of them at each; the sum over a row is 1.
      size: n, the number of parameters.
    """

    nodes: Array
    weights: Array
    size: int

    def at(self, points: Any, width: float | None = None) -> np.ndarray:
        """The density `[points]` at eigenvalues `[points]`: nodes blurred by a Gaussian, mean over probes.

        Args:
          points: where.
          width: standard deviation of the Gaussian; `None` is a hundredth of the range of the nodes.
        """
        nodes, weights = np.asarray(self.nodes, float), np.asarray(self.weights, float)
        spread = float(np.ptp(nodes)) if width is None else 0.0
        width = (spread / 100 if spread > 0 else 1e-3) if width is None else width
        check(width > 0, "width", width, "a positive number")
        distance = (np.asarray(points, float)[:, None, None] - nodes) / width
        bells = np.exp(-0.5 * distance**2) / (width * np.sqrt(2 * np.pi))
        return np.sum(weights * bells, axis=(1, 2)) / len(nodes)


class Flattened(NamedTuple):
    """A loss as a function of one real vector.

    Attributes:
      loss: `[n] -> scalar`.
      start: `[n]`, the parameters; complex ones as their real parts, then their imaginary parts, integers left out.
      restore: the parameters, from the vector.
    """

    loss: Callable[[Array], Array]
    start: Array
    restore: Callable[[Array], PyTree]


def flattened(loss: Loss, params: PyTree) -> Flattened:
    """The loss in terms of all parameters as one real vector.

    Raises:
      InputError: parameters without floats, or a loss that is no real scalar.
    """
    params = jax.tree.map(jnp.asarray, params)
    leaves = moving(params)
    check(bool(leaves), "params", jax.tree.structure(params), "at least one array of floats")
    value = jax.eval_shape(loss, params)
    fits = getattr(value, "shape", None) == () and jnp.issubdtype(value.dtype, jnp.floating)
    shown = f"shape {getattr(value, 'shape', None)} and dtype {getattr(value, 'dtype', None)}"
    check(fits, "loss", shown, "a function of the parameters that returns a real scalar")

    def restore(flat: Array) -> PyTree:
        return moved(params, leaves_of(flat, leaves))

    return Flattened(lambda flat: loss(restore(flat)), vector(leaves, ()), restore)


def flat_direction(argument: str, direction: PyTree, params: PyTree) -> Array:
    """A direction in the space of the parameters as one real vector `[n]`.

    Raises:
      InputError: a direction that is not like the parameters.
    """
    structures = jax.tree.structure(direction), jax.tree.structure(params)
    check(structures[0] == structures[1], argument, structures[0], f"{structures[1]}, as the parameters")
    for given, leaf in zip(jax.tree.leaves(direction), jax.tree.leaves(params), strict=True):
        if jnp.shape(given) != jnp.shape(leaf):
            raise InputError(argument, f"shape {jnp.shape(given)}", f"shape {jnp.shape(leaf)}, as the parameters")
    kinds = jax.tree.map(lambda given, leaf: jnp.asarray(given, jnp.asarray(leaf).dtype), direction, params)
    return vector(moving(kinds), ())


def hessian_vector_product(loss: Loss, params: PyTree, direction: PyTree) -> PyTree:
    """H v, the derivative of the gradient along a direction, at the cost of a few gradients.

        H v  =  d/de  grad L(theta + e v)  at e = 0

    Pearlmutter 1994, doi:10.1162/neco.1994.6.1.147; here as the gradient of (gradient . v).

    Args:
      loss: of the parameters, a scalar.
      params: theta, any pytree.
      direction: v, like the parameters.

    Returns:
      Like the parameters.

    Raises:
      InputError: a loss that is no real scalar, or a direction that is not like the parameters.
    """
    flat = flattened(loss, params)
    with jax.default_matmul_precision("highest"):
        return flat.restore(product(flat.loss, flat.start, flat_direction("direction", direction, params)))


def hessian_spectrum(
    loss: Loss,
    params: PyTree,
    count: int = 1,
    *,
    which: str = "magnitude",
    iterations: int | None = None,
    seed: int = 0,
) -> HessianSpectrum:
    """The outermost eigenvalues of the Hessian of a loss, with their eigenvectors, by the Lanczos method.

        H v_i = lambda_i v_i,        H = d^2 L / d theta^2

    Lanczos 1950, doi:10.6028/jres.045.026, with full re-orthogonalisation, so that no eigenvalue appears twice by
    rounding. H is never formed: an iteration costs one product with it, and memory is iterations times n. The method
    finds the ends of the spectrum first, and with as many iterations as there are parameters all of it. Where a
    residual is not small against its eigenvalue, take more iterations.

    Args:
      loss: of the parameters, a scalar; with a sequence in it, over `rnnjax.unroll`.
      params: where, any pytree. Complex parameters count as real and imaginary parts.
      count: how many eigenvalues.
      which: those of largest "magnitude", the "largest" or the "smallest", in that order.
      iterations: of the method, at least `count` and at most n; `None` is the larger of 60 and 4 `count`.
      seed: draws the first vector.

    Returns:
      Eigenvalues, eigenvectors and residuals.

    Raises:
      InputError: a loss that is no real scalar, a count that is no int in 1..n, or iterations below it.
    """
    flat = flattened(loss, params)
    n = flat.start.size
    _check_int("count", count, 1, n)
    check_choice("which", which, _ORDERS)
    iterations = _iterations(iterations, count, n, max(60, 4 * count))

    def found(start: Array) -> tuple[Array, Array, Array]:
        def curved(vector):
            return product(flat.loss, start, vector)

        first = jax.random.normal(jax.random.key(seed), start.shape, start.dtype)
        diagonal, beside, basis = _lanczos(curved, first, iterations, jax.random.key(seed + 1))
        values, combinations = jnp.linalg.eigh(_tridiagonal(diagonal, beside))
        chosen = jnp.argsort(_ORDERS[which](values))[:count]
        vectors = combinations.T[chosen] @ basis
        vectors = vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
        # H V = V T + beside[-1] (the next vector) (the last unit vector)^T, V being the basis and T the matrix in it
        return values[chosen], vectors, jnp.abs(beside[-1] * combinations[-1, chosen])

    with jax.default_matmul_precision("highest"):
        values, vectors, residuals = jax.jit(found)(flat.start)
    return HessianSpectrum(values, jax.vmap(flat.restore)(vectors), residuals)


def spectral_density(
    loss: Loss, params: PyTree, *, probes: int = 8, iterations: int | None = None, seed: int = 0
) -> SpectralDensity:
    """How the eigenvalues of the Hessian of a loss are distributed, by stochastic Lanczos quadrature.

        (1/n) sum_i f(lambda_i)  =  E[v^T f(H) v]  ~  mean over probes of sum_k weight_k f(node_k)

    for random unit vectors v. Nodes and weights are the eigenvalues of the Lanczos matrix and the squares of the first
    entries of its eigenvectors, a Gaussian quadrature: exact for each probe where f is a polynomial of degree up to 2
    `iterations` - 1. Ghorbani, Krishnan & Xiao 2019, arXiv:1901.10159; Ubaru, Chen & Saad 2017, doi:10.1137/16M1104974.

    Args:
      loss: of the parameters, a scalar.
      params: where, any pytree.
      probes: how many random vectors; the error of a mean falls with the root of their number times n.
      iterations: of the Lanczos method, at most n; `None` is 80.
      seed: draws the probes.

    Returns:
      Nodes and weights of each probe.

    Raises:
      InputError: a loss that is no real scalar, or numbers that are no positive ints.
    """
    flat = flattened(loss, params)
    n = flat.start.size
    _check_int("probes", probes, 1, None)
    iterations = _iterations(iterations, 1, n, 80)

    def found(start: Array) -> tuple[Array, Array]:
        def probe(key):
            first = jax.random.rademacher(key, start.shape, start.dtype)
            curved = lambda vector: product(flat.loss, start, vector)  # noqa: E731
            diagonal, beside, _ = _lanczos(curved, first, iterations, jax.random.fold_in(key, 1))
            values, combinations = jnp.linalg.eigh(_tridiagonal(diagonal, beside))
            return values, jnp.square(combinations[0])

        return jax.lax.map(probe, jax.random.split(jax.random.key(seed), probes))

    with jax.default_matmul_precision("highest"):
        nodes, weights = jax.jit(found)(flat.start)
    return SpectralDensity(nodes, weights, n)


def product(loss: Callable[[Array], Array], start: Array, vector: Array) -> Array:
    """H v of a function of one vector `[n]`, the gradient of (gradient . v).

    Reverse over reverse mode: backward passes that engines bring along need not have a forward mode.
    """
    return jax.grad(lambda flat: jax.grad(loss)(flat) @ vector)(start)


def _lanczos(curved: Callable[[Array], Array], first: Array, iterations: int, key: Array) -> tuple[Array, Array, Array]:
    """The matrix in an orthonormal basis of the Krylov space of `first`: diagonal, what is beside it, and the basis.

    The last entry beside the diagonal leads out of the space.

    Where the space is exhausted, as by a multiple eigenvalue, the method goes on from a random vector orthogonal to it,
    with a zero beside the diagonal.
    """
    epsilon = jnp.finfo(first.dtype).eps

    def orthogonal(vector, basis):
        for _ in range(2):  # once loses half of the digits, twice loses none
            vector = vector - basis.T @ (basis @ vector)
        return vector

    def unit(vector):
        length = jnp.linalg.norm(vector)
        return vector / jnp.where(length > 0, length, 1)

    def step(state, index):
        basis, vector, scale = state
        basis = basis.at[index].set(vector)
        image = curved(vector)
        scale = jnp.maximum(scale, jnp.linalg.norm(image))
        rest = orthogonal(image, basis)
        beside = jnp.linalg.norm(rest)
        exhausted = beside <= 100 * epsilon * scale
        drawn = jax.random.normal(jax.random.fold_in(key, index), vector.shape, vector.dtype)
        following = unit(orthogonal(unit(jnp.where(exhausted, drawn, rest)), basis))
        return (basis, following, scale), (vector @ image, jnp.where(exhausted, 0, beside))

    start = jnp.zeros((iterations, first.size), first.dtype), unit(first), jnp.zeros((), first.dtype)
    (basis, _, _), (diagonal, beside) = jax.lax.scan(step, start, jnp.arange(iterations))
    return diagonal, beside, basis


def _tridiagonal(diagonal: Array, beside: Array) -> Array:
    return jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)


def _check_int(name: str, given: Any, low: int, high: int | None) -> None:
    fits = isinstance(given, int) and not isinstance(given, bool) and given >= low and (high is None or given <= high)
    check(fits, name, given, f"an int of at least {low}" if high is None else f"an int in {low}..{high}")


def _iterations(given: int | None, least: int, n: int, default: int) -> int:
    if given is None:
        return min(n, default)
    _check_int("iterations", given, least, None)
    return min(n, given)
