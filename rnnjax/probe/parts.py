"""The diagnostics of a probe, by the name of their option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnjax.probe.dynamics import fixed_points_part, gates_part, lyapunov_part, memory_part
from rnnjax.probe.gradients import flow_part, spectrum_part
from rnnjax.probe.loss import explain_part, landscape_part
from rnnjax.probe.subject import Subject
from rnnjax.report import Section

PARTS: dict[str, Callable[[Subject], tuple[Section, dict[str, Any]]]] = {
    "flow": flow_part,
    "spectrum": spectrum_part,
    "lyapunov": lyapunov_part,
    "gates": gates_part,
    "memory": memory_part,
    "fixed_points": fixed_points_part,
    "landscape": landscape_part,
    "explain": explain_part,
}
"""Each makes a section, whose first sentence says what it shows, and the numbers in it."""
