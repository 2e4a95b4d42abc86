"""Names of digits in letters: what is said, and what is written under their images."""

from __future__ import annotations

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spelled(label: str) -> str:
    """A label in letters: the English name of a digit, any other label in lower case."""
    return ENGLISH[int(label)] if len(label) == 1 and label in "0123456789" else label.lower()
