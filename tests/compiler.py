"""How XLA compiles the small programs of tests in half the time: flags, with which its own passes run as ever, and a
folder that all processes share.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
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


def shared_folder(given: str | None) -> str:
    """The folder in which JAX keeps what one process compiles for the others: the workers of pytest-xdist, and those
    that tests start. It is the one given, else a new one that this process deletes when it ends.
    """
    if given:
        return given
    folder = tempfile.mkdtemp(prefix="programs-of-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
