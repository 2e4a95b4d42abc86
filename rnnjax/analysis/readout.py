"""How the output of a step is read from the state that the step leads to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from rnnjax.cell import Cell

Array = jax.Array
PyTree = Any


def step_with_readout(
    cell: Cell, weights: PyTree, carry: PyTree, drive: PyTree
) -> tuple[PyTree, Callable[[PyTree], Array]]:
    """One step of a cell: the new carry, and the output as a function of the new carry.

    A cell returns its new state h_t and its output y_t side by side. A gradient with respect to h_t has to know that
    y_t is read from it, as in y_t = h_t or y_t = x_t + h_t. This is found in the trace of the step: where the
    computation of y_t passes through a leaf of the new carry, it is cut there, and the leaf becomes an argument.

    An output that the trace does not lead through the new carry (both come out of one compiled function, say) is
    constant in it. The output then counts as read from the state before the step, and so does its gradient.
    """
    given, structure = jax.tree.flatten((weights, carry, drive))
    closed = jax.make_jaxpr(lambda *leaves: cell.advance(*structure.unflatten(leaves)))(*given)
    jaxpr = closed.jaxpr
    *carry_vars, output_var = jaxpr.outvars
    producer = {var: eqn for eqn in jaxpr.eqns for var in eqn.outvars}

    cuts: dict[Any, int] = {}  # the variables that hold a leaf of the new carry, and which leaf
    for index, var in enumerate(carry_vars):
        while not isinstance(var, Literal) and var in producer:
            cuts.setdefault(var, index)
            if producer[var].primitive.name != "convert_element_type":
                break
            var = producer[var].invars[0]  # the carry is this in another dtype, and the output may be made from this
    shapes = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in cuts]
    unread = dict(zip(cuts, jax.make_jaxpr(lambda *leaves: leaves)(*shapes).jaxpr.invars, strict=True))
    kept = [
        eqn.replace(outvars=[unread.get(var, var) for var in eqn.outvars])
        for eqn in jaxpr.eqns
        if not all(var in cuts for var in eqn.outvars)
    ]
    cut = jaxpr.replace(invars=[*jaxpr.invars, *cuts], outvars=[output_var], eqns=kept)
    run = jaxpr_as_fun(ClosedJaxpr(cut, closed.consts))

    def read(new_carry: PyTree) -> Array:
        leaves = jax.tree.leaves(new_carry)
        (y,) = run(*given, *(leaves[index].astype(var.aval.dtype) for var, index in cuts.items()))
        return y

    new_carry, _ = cell.advance(weights, carry, drive)
    return new_carry, read
