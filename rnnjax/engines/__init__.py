"""How an unroll is computed: the engines by name."""

from rnnjax.engines.associative import Associative
from rnnjax.engines.auto import TABLE, choose
from rnnjax.engines.cudnn import Cudnn
from rnnjax.engines.engine import Call, Engine
from rnnjax.engines.fused import Fused
from rnnjax.engines.newton import Convergence, Newton, convergence
from rnnjax.engines.scan import Scan

__all__ = [
    "ENGINES", "TABLE", "Associative", "Call", "Convergence", "Cudnn", "Engine", "Fused", "Newton", "Scan", "choose",
    "convergence",
]  # fmt: skip

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Scan(), Associative(), Newton(), Cudnn(), Fused())}
"""Every engine by its name, with its default options."""
