"""What two configurations differ in, field by field."""

from __future__ import annotations

from typing import Any

from rnnjax.serialization import to_json

_MISSING = object()


def difference(theirs: Any, ours: Any) -> str:
    """The fields that differ, such as "config.steps: 40 there, 80 here"; empty where none does.

    Args:
      theirs: a configuration that `rnnjax.serialization.to_json` can write, such as the one in a folder.
      ours: another.
    """
    return "; ".join(_differing(to_json(theirs), to_json(ours), ""))


def _differing(theirs: Any, ours: Any, path: str) -> list[str]:
    if theirs == ours and type(theirs) is type(ours):
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.get("type") == ours.get("type"):
        names = [*theirs, *(name for name in ours if name not in theirs)]
        parts = [(theirs.get(name, _MISSING), ours.get(name, _MISSING), _below(path, name)) for name in names]
        return [found for part in parts for found in _differing(*part)]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        parts = [(one, other, f"{path}[{place}]") for place, (one, other) in enumerate(zip(theirs, ours, strict=True))]
        return [found for part in parts for found in _differing(*part)]
    return [f"{path}: {_shown(theirs)} there, {_shown(ours)} here"]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    if isinstance(value, dict) and "type" in value:
        return str(value["type"]).rpartition(":")[2]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
