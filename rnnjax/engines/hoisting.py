"""A loop over time whose weight gradients are computed once, after the backward loop.

Plain reverse-mode differentiation of a scan accumulates every weight gradient step by step: the backward loop carries
one array of the weight's size for each weight and adds an outer product to it at each step. Here a product `h @ W` of
state and weights (`rnnjax.kernel.dot`) is recorded instead: its operand `h_t` as an output of the forward loop, and the
cotangent `d_t` of its result as an output of the backward loop. The gradient `sum_t h_t^T d_t` is then one matrix
product over time and batch.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.engines.sharing import with_shared_outputs
from rnnjax.kernel import KernelStandIn, contract, dot, dot_back

Array = jax.Array
PyTree = Any
Advance = Callable[[PyTree, PyTree, PyTree, PyTree], tuple[PyTree, PyTree]]

# Computed again in the backward loop, as that is cheaper than a trip to memory. What else the derivative of a step
# needs is stored: mostly the values of the gates.
_CHEAP = frozenset(
    """abs add and broadcast_in_dim clamp concatenate convert_element_type copy div eq ge gt integer_pow le lt max min
    mul ne neg not or pad reshape select_n sign slice split squeeze square sub transpose""".split()
)


def hoisted(
    advance: Advance, weights: PyTree, initial: PyTree, carry: PyTree, steps: PyTree, **loop: Any
) -> tuple[PyTree, PyTree]:
    """`jax.lax.scan` of `advance(weights, initial, carry, step) -> (carry, outputs)` with a derivative of its own.

    Gradients of the kernels that `advance` uses in `rnnjax.kernel.dot` alone come from one contraction each, all others
    from differentiating the loop. The backward loop stores each cotangent once.

    Args:
      advance: one step.
      weights: its weights, a pytree.
      initial: whatever else does not change over time.
      carry: the state before the first step.
      steps: what each step consumes, `[time, ...]`.
      **loop: options of `jax.lax.scan`.

    Returns:
      The final carry and the outputs `[time, ...]`.
    """
    leaves, structure = jax.tree.flatten(weights)
    uses = _products(advance, leaves, structure, initial, carry, steps)
    kernels = {index: leaves[index] for index in uses}
    others = {index: leaf for index, leaf in enumerate(leaves) if index not in uses}

    def run(kernels, others, initial, carry, steps, probes):
        transposed = {i: jnp.swapaxes(kernel, -1, -2) for i, kernel in kernels.items()}

        def body(carry, inputs):
            step, probes = inputs
            tapped = {i: _Tapped(kernel, transposed[i], probes and probes[i]) for i, kernel in kernels.items()}
            given = others | tapped
            carry, outputs = advance(structure.unflatten([given[i] for i in range(len(leaves))]), initial, carry, step)
            return carry, (outputs, {i: t.operands for i, t in tapped.items()} if probes else None)

        if probes is not None and not _holds_complex((others, carry, steps)):
            body = jax.checkpoint(body, policy=_is_stored, prevent_cse=False)
        carry, (outputs, operands) = jax.lax.scan(body, carry, (steps, probes), **loop)
        return (carry, outputs), operands

    @jax.custom_vjp
    def call(kernels, others, initial, carry, steps):
        return run(kernels, others, initial, carry, steps, None)[0]

    def forward(kernels, others, initial, carry, steps):
        time = jax.tree.leaves(steps)[0].shape[0]
        probes = {i: tuple(jnp.zeros((time, *p.shape), p.dtype) for p in products) for i, products in uses.items()}
        constant = lambda *arguments: run(kernels, *arguments)  # noqa: E731
        outputs, vjp, operands = jax.vjp(constant, others, initial, carry, steps, probes, has_aux=True)
        return outputs, (vjp, operands)

    def backward(residuals, cotangents):
        vjp, operands = residuals
        *rest, products = with_shared_outputs(vjp)(cotangents)
        over_time = lambda i: map(functools.partial(contract, shape=leaves[i].shape), operands[i], products[i])  # noqa: E731
        return {i: functools.reduce(operator.add, over_time(i)) for i in uses}, *rest

    call.defvjp(forward, backward)
    return call(kernels, others, initial, carry, steps)


def _is_stored(primitive, *_, **__) -> bool:
    return primitive.name not in _CHEAP


def _holds_complex(tree: PyTree) -> bool:
    """Whether `jax.checkpoint` would fail: it rounds what it stores to its own precision, complex numbers too."""
    return any(jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating) for leaf in jax.tree.leaves(tree))


class _Tapped(KernelStandIn):
    """A kernel that records the products it takes part in.

    `tap(h)` is the product plus a probe that is zero: the cotangent of the probe is that of the product. The derivative
    in `hoisted` holds the kernel constant by leaving it out of what it differentiates, not by `stop_gradient`, which
    would cut second derivatives too. Any other use is noted: such a kernel is differentiated plainly.
    """

    def __init__(self, kernel: Any, transposed: Any, probes: tuple[Array, ...] | None):
        super().__init__(kernel)
        self.transposed = transposed
        self.probes = probes
        self.operands: list[Array] = []
        self.products: list[Array] = []
        self.used_otherwise = False

    def tap(self, h: Array) -> Array:
        h = h.astype(self.kernel.dtype)
        if self.probes is None:
            product = dot(h, self.kernel)
        else:
            product = _probed_dot(h, self.kernel, self.transposed, self.probes[len(self.operands)])
        self.operands.append(h)
        self.products.append(product)
        return product

    def __jax_array__(self) -> Array:
        self.used_otherwise = True
        return self.kernel


@jax.custom_vjp
def _probed_dot(h, kernel, transposed, probe):
    """`dot(h, kernel)`, whose cotangent goes to the probe, and to `h` by way of the kernel transposed beforehand."""
    del transposed, probe
    return dot(h, kernel)


def _probed_dot_backward(transposed, cotangent):
    return dot_back(cotangent, transposed), None, None, cotangent


_probed_dot.defvjp(lambda h, kernel, transposed, probe: (dot(h, kernel), transposed), _probed_dot_backward)


def _products(advance, leaves, structure, initial, carry, steps):
    """Which leaves are kernels used by `dot` alone, and the shapes of their products in a step: `{index: [shape]}`."""
    found: dict[int, list] = {}

    def trace(leaves, initial, carry, step):
        tapped = {i: _Tapped(leaf, None, None) for i, leaf in enumerate(leaves) if _is_kernel(leaf)}
        advance(structure.unflatten([tapped.get(i, leaf) for i, leaf in enumerate(leaves)]), initial, carry, step)
        for i, kernel in tapped.items():
            if kernel.operands and not kernel.used_otherwise:
                found[i] = [jax.ShapeDtypeStruct(p.shape, p.dtype) for p in kernel.products]

    step = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), steps)
    try:
        jax.eval_shape(trace, leaves, initial, carry, step)
    except (TypeError, ValueError):
        # Some functions of JAX take no stand-in for an array: then nothing is hoisted. An error of the cell's own comes
        # up again when the loop is traced.
        return {}
    return found


def _is_kernel(leaf: Array) -> bool:
    return leaf.ndim in (2, 3) and jnp.issubdtype(leaf.dtype, jnp.floating)
