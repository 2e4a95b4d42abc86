"""The fused engine: the whole loop over time in one GPU kernel, forward and backward."""

from rnnjax.engines.fused.engine import Fused

__all__ = ["Fused"]
