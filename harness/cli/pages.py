"""Where the page of a check may be written: in a file, and not over what it is made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from classay.errors import ConfigError


def refuse(page: Path | None, inputs: Iterable[Path]) -> None:
    """Refuse a page that is a folder, or one of the files that are read, before any work.

    page     as --report gives it; None if there is to be none
    inputs   files, or folders of which all files with these endings are read
    raises   ConfigError
    """
    from classay.logs.choose import SUFFIXES

    if page is None or not page.exists():
        return
    for path in filter(Path.exists, inputs):
        read = path.is_dir() and page.suffix in SUFFIXES
        if page.samefile(path) or (read and page.resolve().is_relative_to(path.resolve())):
            raise ConfigError(
                f"--report {page} is one of the files that are read ({path}), and it would be "
                f"written over.\n  Name another file for the page."
            )
    if page.is_dir():
        raise ConfigError(
            f"--report {page} is a folder, and a page is a file.\n  Name a file in it."
        )
