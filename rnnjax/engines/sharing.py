"""Stores what a loop gives out several times only once.

The derivative of a sum hands one cotangent to each of its terms. So the backward loop of a gated cell gives out the
cotangent of each gate's drive, and the cotangent of the recurrent product, which is those of the gates side by side:
twice the memory, and half of the loop's stores. Here such a loop is found in a traced function and given one output for
each distinct array; the others are cut out of these, or put together from them, after the loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var, jaxpr_as_fun

Place = tuple[int, slice]  # which of the stored arrays, and which of its columns

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
    kept, recipes = _without_repeats(program.jaxpr.outvars[states:], definitions)
    wanted = [*program.jaxpr.outvars[:states], *kept]

    def step(carry, x):
        results = _evaluate(program.jaxpr, program.consts, [*consts, *carry, *x], None, wanted)
        return results[:states], results[states:]

    options = {name: parameters[name] for name in ("length", "reverse", "unroll")}
    carry, stacked = jax.lax.scan(step, carry, xs, **options)
    return [*carry, *(_assembled([stacked[place][..., columns] for place, columns in recipe]) for recipe in recipes)]


def _without_repeats(outputs: list[Any], definitions: dict[Any, Any]) -> tuple[list[Any], list[list[Place]]]:
    """The arrays to store so that each number is stored once, and where in them each output of a loop is found.

    Arrays side by side are stored as one where they are given out as one, the longest rows first.
    """
    kept: list[Any] = []
    found: dict[int, Place] = {}
    rows = [(atom, _parts(atom, definitions)) for atom in outputs]
    for atom, parts in sorted(rows, key=lambda row: -len(row[1])):
        if any(id(part) in found for part in parts):
            for part in parts:
                if id(part) not in found:
                    found[id(part)] = (len(kept), slice(None))
                    kept.append(part)
            continue
        ends = list(itertools.accumulate(part.aval.shape[-1] if part.aval.shape else 1 for part in parts))
        for part, start, end in zip(parts, [0, *ends], ends, strict=False):
            found.setdefault(id(part), (len(kept), slice(start, end)))
        found[id(atom)] = (len(kept), slice(None))
        kept.append(atom)
    place = lambda atom, parts: [found[id(each)] for each in ([atom] if id(atom) in found else parts)]  # noqa: E731
    return kept, [place(*row) for row in rows]


def _parts(atom: Any, definitions: dict[Any, Any]) -> list[Any]:
    """The arrays that make up an array side by side, in the order in which they stand; itself if it is none such."""
    definition = None if isinstance(atom, Literal) else definitions.get(atom)
    aval: Any = atom.aval
    last = len(aval.shape) - 1
    if definition is not None and definition.primitive.name == "concatenate" and definition.params["dimension"] == last:
        return [part for operand in definition.invars for part in _parts(operand, definitions)]
    return [atom]


def _assembled(pieces: list[Any]) -> Any:
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces, axis=-1)
