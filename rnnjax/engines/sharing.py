"""Stores what a loop gives out several times only once.

The derivative of a sum hands one cotangent to each of its terms. So the backward loop of a gated cell gives out the
cotangent of each gate's drive, and the cotangent of the recurrent product, which is those of the gates side by side:
twice the memory, and half of the loop's stores. Here such a loop is found in a traced function and given one output for
each distinct array; the others are put together from these after the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var, jaxpr_as_fun

_CALLS = ("checkpoint", "remat2", "pjit", "jit")  # some by the names that other versions of JAX give them


def with_shared_outputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose loops store each array that they give out once."""

    def shared(*arguments):
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        leaves = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(arguments), _share)
        return jax.tree.unflatten(jax.tree.structure(shape), leaves)

    return shared


def _evaluate(jaxpr: Jaxpr, consts: Any, arguments: Any, loop: Callable[..., Any] | None, wanted: Any = None) -> list:
    """The wanted values of a jaxpr, its outputs unless given: calls are opened, and loops run through `loop`."""
    values: dict[Var, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments], strict=True))
    read = lambda atom: atom.val if isinstance(atom, Literal) else values[atom]  # noqa: E731
    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        if equation.primitive.name in _CALLS:
            inside = equation.params["jaxpr"]
            inner, inner_consts = (inside, ()) if isinstance(inside, Jaxpr) else (inside.jaxpr, inside.consts)
            results = _evaluate(inner, inner_consts, given, loop)
        elif equation.primitive.name == "scan" and loop is not None:
            results = loop(equation, given)
        else:
            needed = {atom: None for atom in equation.invars if not isinstance(atom, Literal)}
            alone = jaxpr.replace(constvars=[], invars=[*needed], outvars=equation.outvars, eqns=[equation])
            results = jaxpr_as_fun(ClosedJaxpr(alone, []))(*map(read, needed))
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in (jaxpr.outvars if wanted is None else wanted)]


def _share(equation: Any, given: list[Any]) -> list[Any]:
    """Runs a `scan` with one output for each distinct array."""
    parameters = equation.params
    first, states = parameters["num_consts"], parameters["num_carry"]
    consts, carry, xs = given[:first], given[first : first + states], given[first + states :]
    closed = parameters["jaxpr"]

    # Calls are opened and everything is traced once more, so that equal arrays are one variable.
    opened = jax.make_jaxpr(lambda *arguments: _evaluate(closed.jaxpr, closed.consts, arguments, None))
    program = opened(*(variable.aval for variable in closed.jaxpr.invars))
    definitions = {variable: eqn for eqn in program.jaxpr.eqns for variable in eqn.outvars}
    kept: dict[int, tuple[int, Any]] = {}
    recipes = [_pieces(atom, definitions, kept) for atom in program.jaxpr.outvars[states:]]
    wanted = [*program.jaxpr.outvars[:states], *(atom for _, atom in kept.values())]

    def step(carry, x):
        results = _evaluate(program.jaxpr, program.consts, [*consts, *carry, *x], None, wanted)
        return results[:states], results[states:]

    options = {name: parameters[name] for name in ("length", "reverse", "unroll")}
    carry, stacked = jax.lax.scan(step, carry, xs, **options)
    return [*carry, *(_assembled([stacked[i] for i in recipe]) for recipe in recipes)]


def _pieces(atom: Any, definitions: dict[Any, Any], kept: dict[int, tuple[int, Any]]) -> list[int]:
    """The places of the arrays that make up an output of a loop side by side, in the order in which they stand.

    `kept` grows by what is met for the first time: for each array, by its identity, its place and itself.
    """
    definition = None if isinstance(atom, Literal) else definitions.get(atom)
    aval: Any = atom.aval
    last = len(aval.shape) - 1
    if definition is not None and definition.primitive.name == "concatenate" and definition.params["dimension"] == last:
        return [place for operand in definition.invars for place in _pieces(operand, definitions, kept)]
    return [kept.setdefault(id(atom), (len(kept), atom))[0]]


def _assembled(pieces: list[Any]) -> Any:
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces, axis=-1)
