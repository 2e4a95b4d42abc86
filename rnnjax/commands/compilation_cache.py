"""Programs that one start of the command has compiled, kept for the next."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform
import sys

VARIABLE = "RNNJAX_COMPILATION_CACHE"
"""The environment variable: a folder for the cache, or "off"."""

_FOLDER = "jax_compilation_cache_dir"
_MOST_BYTES = 2**30


def keep_programs() -> pathlib.Path | None:
    """Switches JAX's compilation cache on, so that a second start of the same run compiles nothing.

    Called by the commands alone: who imports the library decides for themselves. The folder is `rnnjax/programs` in the
    user's cache folder, or what the environment variable `RNNJAX_COMPILATION_CACHE` names; "off" there, or a cache that
    JAX was told of already (`JAX_COMPILATION_CACHE_DIR`), leaves everything as it is. Each kind of processor has a
    folder of its own, since home folders are shared between machines and a program of one may not run on another. Where
    more than a gigabyte has come together, the programs that were not used for longest are deleted.

    Returns:
      The folder, or `None` where nothing was changed: off, set already, or no folder that can be written.
    """
    import jax

    given = os.environ.get(VARIABLE, "")
    if given.lower() == "off" or getattr(jax.config, _FOLDER):
        return None
    folder = (pathlib.Path(given) if given else _user_cache() / "rnnjax" / "programs") / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        _prune(folder, _MOST_BYTES)
    except OSError:
        return None
    settings = {
        _FOLDER: str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)  # for the processes that a command starts
    return folder


def _user_cache() -> pathlib.Path:
    if sys.platform == "win32":
        return pathlib.Path(os.environ.get("LOCALAPPDATA") or pathlib.Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return pathlib.Path.home() / "Library" / "Caches"
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")


def _processor() -> str:
    """A name for what the machine's processor can do."""
    kind = [platform.machine(), platform.processor()]
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    wanted = ("flags", "Features", "model name", "CPU part")
    kind += sorted({line for line in lines if line.startswith(wanted)})
    return hashlib.sha256("\n".join(kind).encode()).hexdigest()[:16]


def _prune(folder: pathlib.Path, most: int) -> None:
    """Deletes the files that were not read for longest until those left have at most so many bytes."""
    found = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    excess = sum(stat.st_size for _, stat in found) - most
    for path, stat in sorted(found, key=lambda each: max(each[1].st_atime, each[1].st_mtime)):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= stat.st_size
