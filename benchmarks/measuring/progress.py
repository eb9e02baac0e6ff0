"""Where a long command is, on standard error."""

from __future__ import annotations

import sys
import time

_BEGUN = time.monotonic()


def elapsed() -> float:
    """Seconds since the command began."""
    return time.monotonic() - _BEGUN


def say(words: str) -> None:
    """One line with the time."""
    sys.stderr.write(f"{elapsed():6.1f} s  {words}\n")
    sys.stderr.flush()
