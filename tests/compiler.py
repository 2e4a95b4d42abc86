"""Flags with which XLA compiles the small programs of tests in half the time. Its own passes run as ever."""

from __future__ import annotations

from importlib.metadata import version

_KNOWN = version("jaxlib").startswith("0.10.")  # an unknown flag ends the process

# LLVM at level 0; and no cutting of programs into parts that are compiled side by side, for which they are too small.
FLAGS = "--xla_backend_optimization_level=0" + " --xla_cpu_parallel_codegen_split_count=1" * _KNOWN

# The older way of writing fusions, with which a run in chunks is the run in one piece up to rounding only.
OLDER_FUSIONS = " --xla_cpu_use_fusion_emitters=false" * _KNOWN


def faster(flags: str) -> str:
    """Flags of XLA with those above added; what is set already stays."""
    new = [flag for flag in (FLAGS + OLDER_FUSIONS).split() if flag.partition("=")[0] not in flags]
    return " ".join([flags, *new])
