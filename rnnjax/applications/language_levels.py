"""What a language model of characters takes unless told otherwise, and one of words."""

from __future__ import annotations

from typing import Any, ClassVar

from rnnjax.applications.application import Laptop

ORDERS = {"char": 5, "word": 3}
"""The order of the n-gram model that stands beside the network."""

PASSAGE = {"char": 600, "word": 120}
"""Tokens of the passage in a report."""

UNLESS_GIVEN: dict[str, dict[str, Any]] = {
    "char": dict(window=64, embedding=64, tied=False, samples=0, input_dropout=0.0, output_dropout=0.1, evaluated=0),
    "word": dict(
        window=35, embedding=200, tied=True, samples=2048, input_dropout=0.1, output_dropout=0.3, evaluated=30_000
    ),
}
"""The fields of `LanguageModeling` that differ."""


class LaptopByLevel:
    """The laptop preset: that of an instance's level, and that of the characters for the class."""

    _adam: ClassVar = dict(name="adam", learning_rate=3e-3, schedule="cosine", clip="norm", clip_threshold=1.0)
    _presets: ClassVar = {
        "char": Laptop("lstm", 256, steps=5000, batch_size=50, evaluate_every=500, optimizer=_adam),
        "word": Laptop("lstm", 256, steps=3000, batch_size=50, evaluate_every=500, optimizer=_adam),
    }

    def __get__(self, instance: Any, owner: type) -> Laptop:
        return self._presets["char" if instance is None else instance.level]
