"""What all tests share: where double precision is switched on, and which process runs which test."""

from __future__ import annotations

import os
from importlib.metadata import version

# Most of the time of most tests is the compiler's. Level 0 of LLVM halves it, and so does the older way of writing
# fusions, where this version of XLA has it: an unknown flag ends the process. The passes of XLA run as ever.
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
if version("jaxlib").startswith("0.10.") and "fusion_emitters" not in os.environ["XLA_FLAGS"]:
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

import jax
import pytest
from catalog import CELLS


@pytest.fixture
def x64():
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True)
def single_precision_by_default():
    """Fails the test after which double precision is still on."""
    yield
    assert not jax.config.jax_enable_x64, "jax_enable_x64 leaked out of a test"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several processes, the tests of one cell go to one of them, which has compiled that cell already."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    names = {str(entry) for entry in CELLS}

    class ByCell(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            _, _, parameters = nodeid.partition("[")
            return next((word for word in parameters.rstrip("]").split("-") if word in names), nodeid)

    return ByCell(config, log)
