"""The neural Turing machine: an LSTM that reads and writes a memory of slots."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.errors import check
from rnnjax.initializers import Lecun
from rnnjax.kernel import dot

Array = jax.Array

_EMPTY = 1e-6  # what stands in every slot at the start


class NTMState(NamedTuple):
    """State of the controller, of the memory and of the heads.

    `hidden` and `cell`: of the LSTM, `[*batch, features]`; `memory`: `[*batch, slots, slot_features]`; `reads`: what
    the read heads returned in the last step, `[*batch, read_heads, slot_features]`; `focus`: the weight that each head
    gave to each slot, `[*batch, read_heads + write_heads, slots]`, read heads first.
    """

    hidden: Array
    cell: Array
    memory: Array
    reads: Array
    focus: Array


@dataclasses.dataclass(frozen=True, repr=False)
class NTM(GatedCell):
    """Neural Turing machine with an LSTM for controller.

        h', c' = LSTM([x, r_1 .. r_R], h, c)
        each head, from h':  k, a = A h' + b,  beta = softplus(.),  g = sigmoid(.),  s = softmax(.),
                             gamma = 1 + softplus(.),  e = sigmoid(.)
        its weights of the slots:
          content    u_i = softmax over i of beta cos(k, M_i)
          gate       u_i = g u_i + (1 - g) w_i                   w: its weights in the step before
          shift      u_i = sum over j of s_j u_(i - j)           j from -shift_range to shift_range, slots in a ring
          sharpen    w'_i = u_i^gamma / sum over j of u_j^gamma
        write heads  M'_i = M_i * prod (1 - w'_i e) + sum w'_i a
        read heads   r' = sum over i of w'_i M'_i
        y = [h', r'_1 .. r'_R]

    Graves, Wayne & Danihelka 2014, arXiv:1410.5401. Write heads look for their content in the memory as it was, read
    heads in what was written: the paper's M_t in both places, which for write heads it cannot be. The output is the
    controller's with what was read, so that a step can answer with what it found; how outputs are made of the
    controller's state the paper leaves open.

    A sequence starts with 1e-6 in all slots, which trained fastest in Collier & Beel 2018, arXiv:1807.08518, with zero
    reads, and with all heads on the first slot: without a focus the slots, all alike, would be treated alike for ever.
    The paper has learned starting values instead. 1e-8 is added to the squared lengths of which the cosine is made.

    Parameters: `kernel`, `recurrent_kernel` and `bias` of the LSTM, as in every gated cell; `read_kernel [read_heads *
    slot_features, 4 * features]`, from what was read to the gates; `head_kernel [features, n]` and `head_bias [n]` of
    the heads, in the order k, beta, g, s, gamma for all heads, then e and a of the write heads.

    Presets: those of the LSTM's parameters; read and head kernels start LeCun-normal, the biases of heads at zero.
    "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; the paper does not
    say, so that "paper" is "default".

    Args:
      features: width of the controller.
      slots: number of slots; 128 in the paper.
      slot_features: width of a slot; 20 in the paper.
      read_heads: heads that read.
      write_heads: heads that write.
      shift_range: how many slots a head can move in a step, to either side.

    Raises:
      InputError: a size that is no positive int, or shifts around more than the whole ring.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    recurrent_kernels: ClassVar = ("recurrent_kernel", "read_kernel")
    equation: ClassVar = "h',c' = LSTM([x,r],h,c);  M' = M*(1-w'e) + w'a;  r' = w'M';  y = [h',r']"
    source: ClassVar = "Graves, Wayne & Danihelka 2014, arXiv:1410.5401"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": with_bias(DEFAULT, forget=1.0)}

    _: dataclasses.KW_ONLY
    slots: int = 128
    slot_features: int = 20
    read_heads: int = 1
    write_heads: int = 1
    shift_range: int = 1

    def __post_init__(self):
        super().__post_init__()
        for field in ("slots", "slot_features", "read_heads", "write_heads", "shift_range"):
            given, least = getattr(self, field), 0 if field == "shift_range" else 1
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= least
            check(valid, f"NTM.{field}", given, f"an int >= {least}")
        most = (self.slots - 1) // 2
        check(self.shift_range <= most, "NTM.shift_range", self.shift_range, f"at most {most}, for {self.slots} slots")

    @property
    def output_features(self) -> int:
        return self.features + self.read_heads * self.slot_features

    @property
    def heads(self) -> int:
        """Read heads and write heads."""
        return self.read_heads + self.write_heads

    def _widths(self) -> dict[str, int]:
        """How many columns of the head kernel there are for each command, in their order."""
        return {
            "key": self.heads * self.slot_features,
            "strength": self.heads,
            "gate": self.heads,
            "shift": self.heads * (2 * self.shift_range + 1),
            "sharpness": self.heads,
            "erase": self.write_heads * self.slot_features,
            "add": self.write_heads * self.slot_features,
        }

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, read_key, head_key = jax.random.split(key, 3)
        dtype = self.precision.dtype("params")
        width, read = sum(self._widths().values()), self.read_heads * self.slot_features
        return {
            **super().init(key, in_features),
            "read_kernel": Lecun().blocks(read_key, self.gates, (read, self.features), dtype),
            "head_kernel": Lecun()(head_key, (self.features, width), dtype),
            "head_bias": jnp.zeros(width, dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> NTMState:
        on_first = jnp.arange(self.slots) == 0
        focus = self.zeros(batch_shape, self.heads, self.slots)
        memory = self.zeros(batch_shape, self.slots, self.slot_features)
        return NTMState(
            hidden=self.zeros(batch_shape),
            cell=self.zeros(batch_shape),
            memory=jnp.full_like(memory, _EMPTY),
            reads=self.zeros(batch_shape, self.read_heads, self.slot_features),
            focus=jnp.where(on_first, jnp.ones_like(focus), focus),
        )

    def gate_values(self, weights, carry, drive):
        reads = carry.reads.reshape(*carry.reads.shape[:-2], self.read_heads * self.slot_features)
        recurrent = dot(carry.hidden, weights["recurrent_kernel"]) + dot(reads, weights["read_kernel"])
        recurrent = self.split(recurrent)
        return {
            gate: (jnp.tanh if gate == "candidate" else jax.nn.sigmoid)(drive[gate] + recurrent[gate])
            for gate in self.gates
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        cell = gates["forget"] * carry.cell + gates["input"] * gates["candidate"]
        hidden = gates["output"] * jnp.tanh(cell)
        commands = self._commands(dot(hidden, weights["head_kernel"]) + weights["head_bias"])
        reading, writing = slice(self.read_heads), slice(self.read_heads, None)

        written_at = self._focus(commands, writing, carry.memory, carry.focus)
        # One array for each write head: [*batch, write_heads, slots, slot_features].
        kept = 1 - written_at[..., None] * commands["erase"][..., None, :]
        added = written_at[..., None] * commands["add"][..., None, :]
        memory = carry.memory * jnp.prod(kept, axis=-3) + jnp.sum(added, axis=-3)

        read_at = self._focus(commands, reading, memory, carry.focus)
        dtype = commands["key"].dtype
        reads = jnp.einsum("...hs,...sf->...hf", read_at.astype(dtype), memory.astype(dtype))
        focus = jnp.concatenate([read_at, written_at], axis=-2)
        beside = reads.reshape(*hidden.shape[:-1], self.read_heads * self.slot_features)
        y = jnp.concatenate([hidden, beside], axis=-1)
        return NTMState(hidden, cell, memory, reads, focus), y

    def _commands(self, flat: Array) -> dict[str, Array]:
        """What the controller tells each head, `[*batch, heads, ...]`."""
        widths = self._widths()
        ends = [sum(list(widths.values())[: index + 1]) for index in range(len(widths) - 1)]
        parts = dict(zip(widths, jnp.split(flat, ends, axis=-1), strict=True))
        heads = dict.fromkeys(widths, self.heads) | {"erase": self.write_heads, "add": self.write_heads}
        shape = lambda name: (*flat.shape[:-1], heads[name], widths[name] // heads[name])  # noqa: E731
        parts = {name: part.reshape(shape(name)) for name, part in parts.items()}
        return {
            "key": parts["key"],
            "strength": jax.nn.softplus(parts["strength"]),
            "gate": jax.nn.sigmoid(parts["gate"]),
            "shift": jax.nn.softmax(parts["shift"]),
            "sharpness": 1 + jax.nn.softplus(parts["sharpness"]),
            "erase": jax.nn.sigmoid(parts["erase"]),
            "add": parts["add"],
        }

    def _focus(self, commands: dict[str, Array], which: slice, memory: Array, before: Array) -> Array:
        """The weights that some of the heads give to the slots, `[*batch, heads, slots]`."""
        of = {name: part[..., which, :] for name, part in commands.items() if name not in ("erase", "add")}
        memory = memory.astype(of["key"].dtype)
        cosine = jnp.einsum("...hf,...sf->...hs", of["key"], memory) / (
            _length(of["key"])[..., :, None] * _length(memory)[..., None, :]
        )
        content = jax.nn.softmax(of["strength"] * cosine)
        gated = of["gate"] * content + (1 - of["gate"]) * before[..., which, :]
        moves = range(-self.shift_range, self.shift_range + 1)
        moved = jnp.stack([jnp.roll(gated, move, axis=-1) for move in moves], axis=-1)
        shifted = jnp.sum(moved * of["shift"][..., None, :], axis=-1)
        # The quotient of powers as a softmax of logarithms: the powers of all slots may be too small for floats.
        return jax.nn.softmax(of["sharpness"] * jnp.log(shifted + _least(1e-16, shifted.dtype)))


def _length(vectors: Array) -> Array:
    return jnp.sqrt(jnp.sum(vectors**2, axis=-1) + _least(1e-8, vectors.dtype))


def _least(number: float, dtype) -> float:
    """A number that keeps roots and logarithms away from zero; in float16 it has to be larger."""
    return max(number, float(jnp.finfo(dtype).tiny))
