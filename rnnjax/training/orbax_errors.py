"""What Orbax and TensorStore say when something goes wrong, in few words."""

from __future__ import annotations

import gc
import logging
import re


def reason_of(error: Exception) -> str:
    """The cause that the system gave, or the beginning of the first line."""
    told = re.search(r"([^:]+?) \[os_error_code=", str(error))  # at the end of a long text from TensorStore
    if told:
        return told.group(1).strip()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().splitlines()[0][:80] if str(error).strip() else type(error).__name__


def forget_readers() -> None:
    """Lets go of what still waits for a damaged checkpoint: asyncio would print a page about each."""
    logger = logging.getLogger("asyncio")
    before, logger.disabled = logger.disabled, True
    try:
        gc.collect()
    finally:
        logger.disabled = before
