"""Flax Linen models made of cells."""

from rnnjax.models.readout import RecurrentReadout

__all__ = ["RecurrentReadout"]
