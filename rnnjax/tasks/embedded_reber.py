"""The embedded Reber grammar: which symbols may come next, when the last but one depends on the second?"""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnnjax.tasks.legal_symbols import LegalSymbols
from rnnjax.tasks.synthetic import random_words
from rnnjax.tasks.task import Array, Batch

SYMBOLS = "BTPSXVE"

_REBER = (  # the edges that leave each node, as symbol and next node; the edge out of node 6 is the last
    (("B", 1),),
    (("T", 2), ("P", 3)),
    (("S", 2), ("X", 4)),
    (("T", 3), ("V", 5)),
    (("X", 3), ("S", 6)),
    (("P", 4), ("V", 6)),
    (("E", 7),),
)


@dataclasses.dataclass(frozen=True)
class EmbeddedReber(LegalSymbols):
    """The embedded Reber grammar: strings of seven symbols B, T, P, S, X, V, E, of which the legal successors are due.

    A string is B, then T or P, then a string of the Reber grammar, then the same T or P again, then E: to know the last
    symbol but one is to remember the second. Where two edges of the grammar's graph leave a node, each is taken with
    even odds. The inner grammar:

        0 -B-> 1;   1 -T-> 2, 1 -P-> 3;   2 -S-> 2, 2 -X-> 4;   3 -T-> 3, 3 -V-> 5;
        4 -X-> 3, 4 -S-> 6;   5 -P-> 4, 5 -V-> 6;   6 -E-> end

    The shortest string has 9 symbols. The grammar has no longest one; here strings are drawn from those of at most
    `length` symbols, with the odds that they have among these, exactly. (At 40 fewer than one string in a thousand is
    left out.)

    A row shows the whole string, one symbol a step, one-hot. Targets: after each symbol but the last, a 1 for each
    symbol that may follow, one or two of the seven. The mask leaves out the last step.

    Loss: binary cross-entropy of the seven outputs, in nats a bit. The paper trains logistic outputs on squared errors
    towards the symbol that does follow; `inputs` of the next step hold it.

    Baseline, "memoryless" meaning a predictor that sees the last symbol only: the entropies of the seven bits given
    that symbol, averaged over the symbols in proportion to their numbers. It is computed exactly from the graph: with
    n(s, l) the expected number of symbols s in a string after which the set l of symbols is legal,

        sum_s n(s) mean_k H(q_sk) / sum_s n(s),    n(s) = sum_l n(s, l),    q_sk = sum_(l with k) n(s, l) / n(s)

    Solved: no row wrong, a row being right if after each of its symbols every legal successor has a larger output than
    every other symbol. The paper asks it of 256 strings that were trained on and 256 others.

    Args:
      length: the longest string, at least 9.

    Raises:
      InputError: a length below 9.

    Source: Hochreiter & Schmidhuber 1997, section 5.1, doi:10.1162/neco.1997.9.8.1735, after Smith & Zipser 1989,
    Cleeremans et al. 1989 and Fahlman 1991.
    """

    name: ClassVar[str] = "embedded_reber"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, section 5.1, doi:10.1162/neco.1997.9.8.1735"

    length: int = 40

    def __post_init__(self):
        self._check_int("length", 9, "the shortest string")

    @property
    def in_features(self) -> int:
        return len(SYMBOLS)

    @property
    def outputs(self) -> int:
        return len(SYMBOLS)

    @property
    def time(self) -> int:
        return self.length

    @property
    def variable_length(self) -> bool:
        return self.length > 9

    @property
    def baseline(self) -> float:
        counts = _expected_counts(self.length)
        seen = counts.sum(1)
        legal = np.einsum("sn,nk->sk", counts, _graph()[2]) / np.maximum(seen, 1e-300)[:, None]
        odds = np.stack([legal, 1 - legal])
        entropy = -(odds * np.log(np.maximum(odds, 1e-300))).sum(0)
        return float((seen * entropy.mean(1)).sum() / seen.sum())

    def sequence(self, key: Array) -> Batch:
        symbols, following, legal = map(jnp.asarray, _graph())
        first_edge = jnp.asarray(_odds(self.length), jnp.float32)
        end = len(legal) - 1

        def step(node, inputs):
            word, remaining = inputs
            drawn = (word >> 8) / jnp.float32(2**24)  # exact, and below 1
            edge = (drawn >= first_edge[remaining, node]).astype(jnp.int32)
            after = following[node, edge]
            return after, (symbols[node, edge], legal[after], node != end, after != end)

        remaining = self.length - jnp.arange(self.time)
        words = random_words(key, self.time)
        _, (codes, targets, valid, counts) = jax.lax.scan(step, jnp.int32(0), (words, remaining))
        inputs = jax.nn.one_hot(codes, self.in_features) * valid[:, None]
        return Batch(inputs, targets.astype(jnp.float32), counts.astype(jnp.float32), valid.sum())


def spell(inputs: ArrayLike, length: int) -> str:
    """A row's inputs `[time, 7]` as the string of their symbols."""
    return "".join(SYMBOLS[code] for code in np.asarray(inputs)[:length].argmax(-1))


@functools.cache
def _graph() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symbol and next node of both edges of each node, `[nodes, 2]`, and which symbols are legal there, `[nodes, 7]`.

    A node that one edge leaves has it twice. The last node is the end.
    """
    edges: list[tuple[tuple[str, int], ...]] = [(("B", 1),), (("T", 2), ("P", 10))]
    for begin, branch in ((2, "T"), (10, "P")):
        edges += [tuple((symbol, begin + node) for symbol, node in leaving) for leaving in _REBER]
        edges.append(((branch, 18),))
    edges.append((("E", 19),))
    symbols = np.zeros((20, 2), np.int32)
    following = np.full((20, 2), 19, np.int32)
    legal = np.zeros((20, len(SYMBOLS)), np.int32)
    for node, leaving in enumerate(edges):
        for edge in (0, 1):
            symbol, after = leaving[edge % len(leaving)]
            symbols[node, edge], following[node, edge] = SYMBOLS.index(symbol), after
            legal[node, SYMBOLS.index(symbol)] = 1
    return symbols, following, legal


@functools.cache
def _odds(length: int) -> np.ndarray:
    """The odds of a node's first edge when so many symbols are left, given that they suffice: `[length + 1, nodes]`."""
    following = _graph()[1]
    ends = np.zeros((length + 1, len(following)))  # the odds that the string ends within so many symbols
    ends[:, -1] = 1
    first = np.full((length + 1, len(following)), 0.5)
    for remaining in range(1, length + 1):
        both = 0.5 * ends[remaining - 1][following]
        ends[remaining, :-1] = both.sum(1)[:-1]
        first[remaining] = np.where(both.sum(1) > 0, both[:, 0] / np.maximum(both.sum(1), 1e-300), 0.5)
    return first


@functools.cache
def _expected_counts(length: int) -> np.ndarray:
    """How often, in a string, a symbol is shown that leads to a node other than the end: `[symbols, nodes]`."""
    symbols, following, _ = _graph()
    first = _odds(length)
    counts = np.zeros((len(SYMBOLS), len(following)))
    here = np.zeros(len(following))
    here[0] = 1
    for remaining in range(length, 0, -1):
        after = np.zeros_like(here)
        for edge, odds in enumerate((first[remaining], 1 - first[remaining])):
            np.add.at(after, following[:-1, edge], (here * odds)[:-1])
            np.add.at(counts, (symbols[:-1, edge], following[:-1, edge]), (here * odds)[:-1])
        here = after
    counts[:, -1] = 0
    return counts
