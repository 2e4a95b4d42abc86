"""The three mutated architectures that a search over ten thousand of them found best."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, HeadedCell
from rnnjax.cells.partly_gated import PartlyGatedCell
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class MUTState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class _Mutated(GatedCell, abc.ABC):
    """What the three share: their gates, and how these mix the state."""

    gates: ClassVar = ("write", "reset", "candidate")
    source: ClassVar = "Jozefowicz, Zaremba & Sutskever 2015, PMLR 37:2342"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MUTState:
        return MUTState(self.zeros(batch_shape))

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        z = gates["write"]
        h = z * gates["candidate"] + (1 - z) * carry.h
        return MUTState(h), h


@dataclasses.dataclass(frozen=True, repr=False)
class MUT1(_Mutated, PartlyGatedCell):
    """The first mutated architecture: the gate that writes sees the input alone.

        z  = sigmoid(W x + b)
        r  = sigmoid(W x + U h + b)
        n  = tanh(U (r * h) + tanh(W x) + b)           (blocks of their own)
        h' = z * n + (1 - z) * h

    Jozefowicz, Zaremba & Sutskever 2015, PMLR 37:2342. The paper has tanh(x) in place of tanh(W x), which is for inputs
    as wide as the state: that is W = I here. The gate z is named "write", since the state keeps 1 - z. `torchrecurrent`
    has the candidate's input bias inside the inner tanh, and a second one outside.

    Parameters as in every gated cell, but `recurrent_kernel [features, 2 * features]`, of reset and candidate.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate, with zero biases; "paper"
    is the same, as the paper searches over the scale of the weights. For a long memory: `bias_init={"write": -1.0}` or
    `Chrono(t_max)`.
    """

    recurrent_gates: ClassVar = ("reset", "candidate")
    biased_gates: ClassVar = ("write", "reset", "candidate")
    equation: ClassVar = "z = sig(Wx+b);  h' = z*tanh(U(r*h)+tanh(Wx)+b) + (1-z)*h"

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        reset, candidate = jnp.split(weights["recurrent_kernel"], 2, axis=-1)
        return weights | {"recurrent_kernel": {"gates": reset, "candidate": candidate}}

    def project(self, weights, xs):
        drive = self.split(dot_inputs(xs, weights["kernel"]))
        bias = self.split(weights["bias"])
        drive["candidate"] = jnp.tanh(drive["candidate"])
        return {gate: drive[gate] + bias[gate] for gate in self.gates}

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        z = jax.nn.sigmoid(drive["write"])
        r = jax.nn.sigmoid(drive["reset"] + dot(carry.h, kernel["gates"]))
        n = jnp.tanh(drive["candidate"] + dot(r * carry.h, kernel["candidate"]))
        return {"write": z, "reset": r, "candidate": n}


@dataclasses.dataclass(frozen=True, repr=False)
class MUT2(_Mutated, HeadedCell):
    """The second mutated architecture: the reset gate sees the input as it is.

        z  = sigmoid(W x + U h + b)
        r  = sigmoid(W x + U h + b)
        n  = tanh(U (r * h) + W x + b)                 (blocks of their own)
        h' = z * n + (1 - z) * h

    Jozefowicz, Zaremba & Sutskever 2015, PMLR 37:2342. The paper has x in place of W x in the reset gate, which is for
    inputs as wide as the state: that is W = I here, and apart from it the cell is a GRU with the reset gate before the
    recurrent product. The gate z is named "write", since the state keeps 1 - z.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate, with zero biases; "paper"
    is the same, as the paper searches over the scale of the weights. For a long memory: `bias_init={"write": -1.0}` or
    `Chrono(t_max)`.
    """

    equation: ClassVar = "h' = z*tanh(U(r*h)+Wx+b) + (1-z)*h,  r = sig(x+Uh+b)"

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        gates, candidate = jnp.split(weights["recurrent_kernel"], [2 * self.head_features], axis=-1)
        return weights | {"recurrent_kernel": {"gates": gates, "candidate": candidate}}

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        write, reset = jnp.split(dot(carry.h, kernel["gates"]), 2, axis=-1)
        z = jax.nn.sigmoid(drive["write"] + write)
        r = jax.nn.sigmoid(drive["reset"] + reset)
        n = jnp.tanh(drive["candidate"] + dot(r * carry.h, kernel["candidate"]))
        return {"write": z, "reset": r, "candidate": n}


@dataclasses.dataclass(frozen=True, repr=False)
class MUT3(_Mutated, HeadedCell):
    """The third mutated architecture: the gate that writes sees the state squashed.

        z  = sigmoid(W x + U tanh(h) + b)
        r  = sigmoid(W x + U h + b)
        n  = tanh(U (r * h) + W x + b)                 (blocks of their own)
        h' = z * n + (1 - z) * h

    Jozefowicz, Zaremba & Sutskever 2015, PMLR 37:2342. The gate z is named "write", since the state keeps 1 - z.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate, with zero biases; "paper"
    is the same, as the paper searches over the scale of the weights. For a long memory: `bias_init={"write": -1.0}` or
    `Chrono(t_max)`.
    """

    equation: ClassVar = "z = sig(Wx+U tanh(h)+b);  h' = z*tanh(U(r*h)+Wx+b) + (1-z)*h"

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        kernels = dict(zip(self.gates, jnp.split(weights["recurrent_kernel"], 3, axis=-1), strict=True))
        return weights | {"recurrent_kernel": kernels}

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        z = jax.nn.sigmoid(drive["write"] + dot(jnp.tanh(carry.h), kernel["write"]))
        r = jax.nn.sigmoid(drive["reset"] + dot(carry.h, kernel["reset"]))
        n = jnp.tanh(drive["candidate"] + dot(r * carry.h, kernel["candidate"]))
        return {"write": z, "reset": r, "candidate": n}
