"""Cells of the family, step by step in NumPy."""

from __future__ import annotations

EQUATIONS = {}
SIZES = {}
