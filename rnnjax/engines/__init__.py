"""How an unroll is computed: the engines by name."""

from rnnjax.engines.auto import choose
from rnnjax.engines.engine import Call, Engine
from rnnjax.engines.scan import Scan

__all__ = ["ENGINES", "Call", "Engine", "Scan", "choose"]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Scan(),)}
"""Every engine by its name, with its default options."""
