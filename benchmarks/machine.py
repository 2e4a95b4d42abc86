"""Where a benchmark was run: the machine, the versions, and how busy it was."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import subprocess
from typing import Any

import jax

from benchmarks.gpu import missing as gpu_missing
from benchmarks.peers import OURS, PEERS
from rnnjax.training.run_folder import processor


def machine() -> dict[str, Any]:
    """Processor, cores, memory, GPU and system."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpu": None if gpu_missing() else jax.devices("gpu")[0].device_kind,
        "gpu_driver": None if gpu_missing() else _driver(),
        "system": f"{platform.system()} {platform.release()}",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def versions(peers: tuple[str, ...]) -> dict[str, str]:
    """The versions of what takes part and of what it runs on."""
    import rnnjax

    commit = _commit(pathlib.Path(rnnjax.__file__).parents[1])
    found = {"python": platform.python_version(), "rnnjax": rnnjax.__version__ + (f" ({commit})" if commit else "")}
    for name in ("jax", "jaxlib", "numpy"):
        found[name] = importlib.metadata.version(name)
    return found | {PEERS[peer].distribution: PEERS[peer].version() for peer in peers if peer != OURS}


def threads(peers: tuple[str, ...]) -> dict[str, str]:
    """How many threads the libraries use."""
    found = {"XLA": "all cores"}
    if "torch" in peers:
        import torch  # pyright: ignore[reportMissingImports]

        found["PyTorch"] = str(torch.get_num_threads())
    return found


def load() -> float | None:
    """Programs that want a core, as an average over a minute; `None` where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _commit(root: pathlib.Path) -> str | None:
    """The commit of a repository, and whether the library has been changed since; `None` outside a repository."""
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "rnnjax")
        return f"commit {git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"
    except (OSError, subprocess.SubprocessError):
        return None


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return None
