"""What all tests share: where double precision is switched on, and which process runs which test."""

from __future__ import annotations

import gc
import os
import pathlib

from compiler import faster, shared_folder

os.environ["JAX_COMPILATION_CACHE_DIR"] = shared_folder(os.environ.get("JAX_COMPILATION_CACHE_DIR"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ["XLA_FLAGS"] = faster(os.environ.get("XLA_FLAGS", ""))
os.environ.setdefault("RNNJAX_COMPILATION_CACHE", "off")  # a test leaves nothing in the user's folders

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


_MAPS = pathlib.Path("/proc/self/maps")
_CHECKED_EVERY = 25
_MOST_MAPS = 20_000


@pytest.fixture(autouse=True)
def few_programs_in_memory(request):
    """Forgets compiled programs before there are too many: each takes some of the maps that Linux gives a process
    (65530 unless set otherwise), and a compiler that gets none brings the process down. What stays is no longer looked
    through by the garbage collector, which would take a twentieth of all time.
    """
    yield
    config = request.config
    config.tests_run = getattr(config, "tests_run", 0) + 1
    if config.tests_run % _CHECKED_EVERY == 0 and _MAPS.exists():
        if _MAPS.read_bytes().count(b"\n") > _MOST_MAPS:
            gc.unfreeze()
            jax.clear_caches()
            gc.collect()
        gc.freeze()


gc.disable()  # tests that are read in stay, and looking through them again and again would take a quarter of the time


def pytest_collection_finish():
    """What was made on the way is collected once."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Slow tests first, so that no process is left with a long one when the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several processes, the tests of one cell go to one of them, which has compiled that cell already, and so do
    those of one file that name no cell: what the file has trained serves all of them.
    """
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    names = {str(entry) for entry in CELLS}

    class ByCell(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            words = () if "/applications/" in file else test.partition("[")[2].rstrip("]").split("-")
            return next((word for word in words if word in names), file)

    return ByCell(config, log)
