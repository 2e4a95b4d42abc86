"""The scan engine: `jax.lax.scan` over time, with weight gradients computed once, after the backward loop.

Plain reverse-mode differentiation of a scan accumulates every weight gradient step by step: the backward loop carries
one array of the weight's size for each weight and adds an outer product to it at each step. Here a product `h @ W` of
state and weights (`rnnjax.kernel.dot`) is recorded instead: its operand `h_t` as an output of the forward loop, and the
cotangent `d_t` of its result as an output of the backward loop. The gradient `sum_t h_t^T d_t` is then one matrix
product over time and batch.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.engines.engine import Engine
from rnnjax.kernel import KernelStandIn

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True)
class Scan(Engine):
    """One step after the other, by `jax.lax.scan`: serves every cell and every call."""

    name: ClassVar[str] = "scan"

    def run(self, cell, weights, carry, xs, call):
        steps = (cell.project(weights, xs), call.valid, call.resets)
        initial = None if call.resets is None else cell.initial_carry(call.resets.shape[1:])

        def advance(weights, initial, carry, step):
            drive, valid, reset = step
            before = carry if reset is None else _where(reset, initial, carry)
            after, y = cell.advance(weights, before, drive)
            if valid is not None:
                after, y = _where(valid, after, carry), _where(valid, y, jnp.zeros_like(y))
            return after, (y, after if call.return_carries else None)

        loop: dict[str, Any] = dict(reverse=call.reverse, unroll=call.unroll or 1)
        if call.remat or not call.hoist:
            run = lambda c, s: jax.lax.scan(lambda c, s: advance(weights, initial, c, s), c, s, **loop)  # noqa: E731
            if call.remat:
                carry, (ys, carries) = _rematerialised(run, carry, steps, call.remat, call.reverse)
            else:
                carry, (ys, carries) = run(carry, steps)
        else:
            carry, (ys, carries) = _hoisted(advance, weights, initial, carry, steps, loop)
        return carry, ys, carries


def _where(condition: Array, chosen: PyTree, other: PyTree) -> PyTree:
    def choose(a, b):
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(choose, chosen, other)


def _rematerialised(run, carry, steps, remat, reverse):
    """The loop in blocks, of which only the carries between them are kept for the backward pass."""
    time = jax.tree.leaves(steps)[0].shape[0]
    block = math.isqrt(max(time - 1, 0)) + 1 if remat == "sqrt" else int(remat)
    block = max(1, min(block, time))
    whole = time - time % block
    run = jax.checkpoint(run)
    head = jax.tree.map(lambda leaf: leaf[:whole].reshape(whole // block, block, *leaf.shape[1:]), steps)
    tail = jax.tree.map(lambda leaf: leaf[whole:], steps)

    def blocks(carry):
        carry, outputs = jax.lax.scan(run, carry, head, reverse=reverse)
        return carry, jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), outputs)

    if whole == time:
        return blocks(carry)
    if reverse:
        carry, last = run(carry, tail)
        carry, first = blocks(carry)
    else:
        carry, first = blocks(carry)
        carry, last = run(carry, tail)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)


class _Tapped(KernelStandIn):
    """A kernel that records the products it takes part in.

    `tap(h)` is the product plus a probe that is zero: the cotangent of the probe is that of the product. The derivative
    in `_hoisted` holds the kernel constant by leaving it out of what it differentiates, not by `stop_gradient`, which
    would cut second derivatives too. Any other use is noted: such a kernel is differentiated plainly.
    """

    def __init__(self, kernel: Any, probes: tuple[Array, ...] | None):
        super().__init__(kernel)
        self.probes = probes
        self.operands: list[Array] = []
        self.products: list[Array] = []
        self.used_otherwise = False

    def tap(self, h: Array) -> Array:
        h = h.astype(self.kernel.dtype)
        product = jnp.dot(h, self.kernel)
        if self.probes is not None:
            product = _add_zero(product, self.probes[len(self.operands)])
        self.operands.append(h)
        self.products.append(product)
        return product

    def __jax_array__(self) -> Array:
        self.used_otherwise = True
        return self.kernel


@jax.custom_vjp
def _add_zero(product, probe):
    del probe
    return product


_add_zero.defvjp(lambda product, probe: (product, None), lambda _, cotangent: (cotangent, cotangent))


def _hoisted(advance, weights, initial, carry, steps, loop):
    """The loop with a derivative of its own: weight gradients by one contraction each, everything else by autodiff."""
    leaves, structure = jax.tree.flatten(weights)
    uses = _products(advance, leaves, structure, initial, carry, steps)
    kernels = {index: leaves[index] for index in uses}
    others = {index: leaf for index, leaf in enumerate(leaves) if index not in uses}

    def run(kernels, others, initial, carry, steps, probes):
        def body(carry, inputs):
            step, probes = inputs
            tapped = {i: _Tapped(kernel, probes and probes[i]) for i, kernel in kernels.items()}
            given = others | tapped
            carry, outputs = advance(structure.unflatten([given[i] for i in range(len(leaves))]), initial, carry, step)
            return carry, (outputs, {i: t.operands for i, t in tapped.items()} if probes else None)

        carry, (outputs, operands) = jax.lax.scan(body, carry, (steps, probes), **loop)
        return (carry, outputs), operands

    @jax.custom_vjp
    def call(kernels, others, initial, carry, steps):
        return run(kernels, others, initial, carry, steps, None)[0]

    def forward(kernels, others, initial, carry, steps):
        time = jax.tree.leaves(steps)[0].shape[0]
        probes = {i: tuple(jnp.zeros((time, *p.shape), p.dtype) for p in products) for i, products in uses.items()}
        constant = lambda *args: run(kernels, *args)  # noqa: E731
        outputs, vjp, operands = jax.vjp(constant, others, initial, carry, steps, probes, has_aux=True)
        return outputs, (vjp, operands)

    def backward(residuals, cotangents):
        vjp, operands = residuals
        *rest, products = vjp(cotangents)
        gradients = {i: functools.reduce(operator.add, map(_contract, operands[i], products[i])) for i in uses}
        return gradients, *rest

    call.defvjp(forward, backward)
    return call(kernels, others, initial, carry, steps)


def _contract(operands: Array, cotangents: Array) -> Array:
    """`sum over time and batch of h^T d`, `[..., n], [..., m] -> [n, m]`."""
    axes = tuple(range(operands.ndim - 1))
    return jnp.tensordot(operands, cotangents, (axes, axes))


def _is_matrix(leaf: Array) -> bool:
    return leaf.ndim == 2 and jnp.issubdtype(leaf.dtype, jnp.floating)


def _products(advance, leaves, structure, initial, carry, steps):
    """Which leaves are kernels used by `dot` alone, and the shapes of their products in a step: `{index: [shape]}`."""
    found: dict[int, list] = {}

    def trace(leaves, initial, carry, step):
        tapped = {i: _Tapped(leaf, None) for i, leaf in enumerate(leaves) if _is_matrix(leaf)}
        advance(structure.unflatten([tapped.get(i, leaf) for i, leaf in enumerate(leaves)]), initial, carry, step)
        for i, kernel in tapped.items():
            if kernel.operands and not kernel.used_otherwise:
                found[i] = [jax.ShapeDtypeStruct(p.shape, p.dtype) for p in kernel.products]

    step = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), steps)
    jax.eval_shape(trace, leaves, initial, carry, step)
    return found
