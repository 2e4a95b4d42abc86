"""Steps that are affine in the state, `h' = A h + b` with a diagonal A: what they do, and how two of them make one.

The recurrence of a linear cell is a chain of such maps. Composition is associative, so that all states come out of a
parallel scan (Blelloch 1990, CMU-CS-90-190). Each class is one way to write the maps down: with real coefficients, with
complex ones as pairs of real arrays, or with logarithms of positive ones.

Fields are arrays `[..., n]` with any leading axes, of time and batch. A state is a carry of one leaf `[..., n]`, or of
two, real and imaginary parts, for `Complex`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any


class Affine(Protocol):
    """A map of the state, or one for each of many steps: a named tuple of arrays."""

    def __call__(self, state: PyTree) -> PyTree:
        """The state after the step."""
        ...

    def then(self, later: Any) -> Any:
        """This step and a later one of the same kind, in a row, as one."""
        ...

    def identity(self) -> Any:
        """Maps of the same kind and shapes that leave the state as it is, exactly."""
        ...

    def adjoint(self, cotangent: PyTree) -> Any:
        """The step of reverse-mode differentiation: `d -> A^T d + cotangent`, for cotangents of states."""
        ...


class Real(NamedTuple):
    """`h' = factor * h + term`."""

    factor: Array
    term: Array

    def __call__(self, state):
        return jax.tree.map(lambda h: self.factor * h + self.term, state)

    def then(self, later):
        return Real(later.factor * self.factor, later.factor * self.term + later.term)

    def identity(self):
        return Real(jnp.ones_like(self.factor), jnp.zeros_like(self.term))

    def adjoint(self, cotangent):
        (term,) = jax.tree.leaves(cotangent)
        return Real(self.factor, term)


class Complex(NamedTuple):
    """`h' = factor * h + term` in the complex numbers, all of it in real arithmetic.

    XLA compiles a parallel scan over complex arrays several times slower than one over their real and imaginary parts.
    """

    factor_real: Array
    factor_imag: Array
    term_real: Array
    term_imag: Array

    def __call__(self, state):
        (real, imag), structure = jax.tree.flatten(state)
        turned = _product(self.factor_real, self.factor_imag, real, imag)
        return structure.unflatten([turned[0] + self.term_real, turned[1] + self.term_imag])

    def then(self, later):
        factor = _product(later.factor_real, later.factor_imag, self.factor_real, self.factor_imag)
        return Complex(*factor, *later((self.term_real, self.term_imag)))

    def identity(self):
        return Complex(jnp.ones_like(self.factor_real), *map(jnp.zeros_like, self[1:]))

    def adjoint(self, cotangent):
        return Complex(self.factor_real, -self.factor_imag, *jax.tree.leaves(cotangent))


def _product(a_real, a_imag, b_real, b_imag):
    return a_real * b_real - a_imag * b_imag, a_real * b_imag + a_imag * b_real


class Log(NamedTuple):
    """`h' = exp(log_factor) * h + exp(log_term)`: positive coefficients, composed by their logarithms.

    A product of many factors, or a term that is next to nothing, keeps its digits where the number itself would be
    rounded to zero, and a factor next to one where it would be rounded to one. The state may have either sign.
    """

    log_factor: Array
    log_term: Array

    def __call__(self, state):
        return jax.tree.map(lambda h: jnp.exp(self.log_factor) * h + jnp.exp(self.log_term), state)

    def then(self, later):
        term = jnp.logaddexp(later.log_factor + self.log_term, later.log_term)
        return Log(later.log_factor + self.log_factor, term)

    def identity(self):
        return Log(jnp.zeros_like(self.log_factor), jnp.full_like(self.log_term, -jnp.inf))

    def adjoint(self, cotangent):
        (term,) = jax.tree.leaves(cotangent)
        return Real(jnp.exp(self.log_factor), term)
