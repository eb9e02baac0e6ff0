"""Every error this package raises on purpose.

::

    ClassayError
    ├── ConfigError               the plan cannot be run as written          exit code 2
    │   ├── UnknownName           a name nobody registered
    │   └── StreamError           the data is not what the suite promised
    ├── CellError                 one cell cannot go on; the others can      exit code 3
    │   ├── Diverged              a loss or a gradient is no longer a number
    │   └── Interrupted           the machine gave out; the cell goes on when it is run again
    ├── LedgerError               the record on disk cannot be trusted       exit code 4
    ├── StreamMismatch            two runs under comparison saw different data
    └── InsufficientEvidence      the statistic is undefined on this many runs

A message says what was found, what was needed, and what to do next, in that order.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

_PLUG_IN = "To add one, install a package with an entry point in the group 'classay.{kind}s'."


class ClassayError(Exception):
    """Root of every error raised on purpose; the command line prints it without a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(ClassayError):
    """The plan cannot be run as written."""

    exit_code = 2


class UnknownName(ConfigError):
    """A name was asked for that no built-in module and no plug-in provides."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], to_add: str | None = None
    ) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(
            f"no {kind} is called {name!r}.{hint}\n"
            f"  known: {', '.join(known) or 'none'}\n"
            f"  {to_add or _PLUG_IN.format(kind=kind)}"
        )


class StreamError(ConfigError):
    """The data is not what the suite promised."""


class CellError(ClassayError):
    """One cell cannot go on; what it recorded so far is kept and the others run."""

    exit_code = 3
    failure: ClassVar[str] = "infrastructure"


class Diverged(CellError):
    """A loss or a gradient is no longer a number."""

    failure = "diverged"


class Interrupted(CellError):
    """The machine gave out; nothing is wrong with the cell, which goes on when it is run again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: a process that exits with it is not recorded failed


class LedgerError(ClassayError):
    """The record on disk cannot be trusted."""

    exit_code = 4


class StreamMismatch(ClassayError):
    """Two runs under comparison saw different data, a different base, budget or seeds."""

    exit_code = 2


class InsufficientEvidence(ClassayError):
    """The statistic asked for is undefined on this many runs."""

    def __init__(self, statistic: str, have: int, need: int) -> None:
        super().__init__(
            f"{statistic} needs at least {need} independent runs, found {have}.\n"
            f"  It is reported as 'not estimable', never as zero. Add {need - have} seed(s)."
        )
