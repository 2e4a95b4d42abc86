"""Which network an application trains: recurrent layers of any cell, or a small Transformer as the yardstick."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import jax

from rnnjax.applications.application import Application
from rnnjax.cell import Cell
from rnnjax.errors import check, check_choice
from rnnjax.models.sequence_layer import Blocks

NETWORKS = ("recurrent", "transformer")

NO_GATES = "The network is a Transformer, which has neither gates nor a state: what reports show of these is left out."


@dataclasses.dataclass(frozen=True)
class Networked(Application):
    """An application in whose model a Transformer can stand in the place of the recurrent layers.

    Args:
      network: "recurrent", or "transformer": one as wide as the cell's outputs, of which nothing else of the cell is.
      blocks: layers of a Transformer.
      heads: of each of them.
      block_dropout: share of units dropped in what a Transformer reads and in what each of its parts adds.

    Raises:
      InputError: an unknown network, a number out of range, or numbers of a Transformer for another network.
    """

    _: dataclasses.KW_ONLY
    network: str = "recurrent"
    blocks: int = 2
    heads: int = 4
    block_dropout: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_choice("network", self.network, NETWORKS)
        for field in ("blocks", "heads"):
            given = getattr(self, field)
            check(given >= 1, field, given, "an int of at least 1")
        check(0 <= self.block_dropout < 1, "block_dropout", self.block_dropout, "a share in [0, 1)")
        if self.network == "recurrent":
            check_unset(self, ("blocks", "heads", "block_dropout"))

    def sequence_network(self, cell: Cell, span: int | None = None) -> Cell | Blocks:
        """What a model is given for its sequence layer: the cell, or blocks of the width of its outputs.

        Args:
          cell: of the run.
          span: the most steps that a Transformer reads at once, see `Blocks`.

        Raises:
          InputError: for a Transformer, a cell with options that it does not have, or a width that heads do not divide.
        """
        if self.network == "recurrent":
            return cell
        check_width_alone(cell)
        width = cell.output_features
        check(width % self.heads == 0, "heads", self.heads, f"a divisor of {width}, the width of the cell's outputs")
        return Blocks(width, self.blocks, self.heads, self.block_dropout, span)


def check_unset(application: Application, fields: Iterable[str]) -> None:
    """Raises `InputError` for a field that the application's network has no use for and that is not its default."""
    network = getattr(application, "network")  # noqa: B009
    defaults = {field.name: field.default for field in dataclasses.fields(application)}
    for field in fields:
        given = getattr(application, field)
        expected = f"{defaults[field]!r} with network {network!r}, which has no use for it"
        check(given == defaults[field], field, given, expected)


def check_width_alone(cell: Cell) -> None:
    """Raises `InputError` for a cell of which more is said than its kind and its width.

    Dropout of a cell, layers of a stack, initialisers and biases would else be left out without a word.
    """
    fields = [field for field in dataclasses.fields(cell) if field.kw_only and field.init]
    given = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    plain = dataclasses.replace(cell, **given)
    leaves = jax.tree.leaves([getattr(cell, field.name) for field in dataclasses.fields(cell)])
    single = not any(isinstance(leaf, Cell) for leaf in leaves)
    expected = 'a cell and its width alone, with network "transformer": it has options of its own'
    check(single and cell in (plain, plain.dynamics), "cell", cell, expected)
