"""The contestants: one library a file, each with `prepare_layer(problem, mode, device) -> Prepared`."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
from types import ModuleType


@dataclasses.dataclass(frozen=True)
class Peer:
    """A library with recurrent layers.

    Attributes:
      name: its name on the command line, and that of its file here.
      title: its name in tables.
      package: what is imported.
      distribution: what is installed.
      layer: what of it is measured.
      in_jax: whether it is compiled by XLA.
    """

    name: str
    title: str
    package: str
    distribution: str
    layer: str
    in_jax: bool = True

    def missing(self) -> str | None:
        """Why it cannot take part, or `None` if it can."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.distribution} is not installed"
        try:
            self.load()
        except Exception as error:  # whatever is wrong with another library, the benchmark runs without it
            return f"{self.distribution} cannot be imported ({type(error).__name__}: {error})"
        return None

    def load(self) -> ModuleType:
        """Its file here."""
        return importlib.import_module(f"benchmarks.peers.{self.name}")

    def version(self) -> str:
        """The version that is installed, as far as it is known."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:  # a folder on the path, and no installation
            return getattr(importlib.import_module(self.package), "__version__", "unknown")


OURS = "ours"

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            OURS, "rnnjax", "rnnjax", "rnnjax",
            '`unroll`, time first, `engine="auto"`',
        ),
        Peer(
            "flax_linen", "Flax Linen", "flax", "flax",
            "`nn.RNN` of `SimpleCell`, `OptimizedLSTMCell` and `GRUCell`, time first",
        ),
        Peer(
            "haiku", "Haiku", "haiku", "dm-haiku",
            "`dynamic_unroll` of `LSTM`, `GRU` and a tanh core of two `Linear`, time first",
        ),
        Peer(
            "keras_jax", "Keras on JAX", "keras", "keras",
            "`SimpleRNN`, `LSTM` and `GRU`, stateless, `unroll=False`, batch first",
        ),
        Peer(
            "equinox", "Equinox", "equinox", "equinox",
            "`lax.scan` of `LSTMCell` and `GRUCell` mapped over the batch, time first",
        ),
        Peer(
            "torch", "PyTorch", "torch", "torch",
            "`nn.RNN`, `nn.LSTM` and `nn.GRU`, time first", in_jax=False,
        ),
    )
}  # fmt: skip
"""Ours first: it is what the others are compared with."""
