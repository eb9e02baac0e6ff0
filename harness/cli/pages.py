"""Where a page may be written: in a file, and not over what it is made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from classay.errors import ConfigError

if TYPE_CHECKING:
    from classay.study import Study


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
    _refuse_folder("--report", page)


def refuse_in_run(output: Path | None, study: Study) -> None:
    """Refuse a report that would take the place of something else that a run holds.

    output   as --output gives it; None for the run's own report
    raises   ConfigError
    """
    if output is None or not output.exists():
        return
    _refuse_folder("--output", output)
    own = study.folder.report
    if own.exists() and output.samefile(own):
        if study.left_out:
            raise ConfigError(
                f"--output {output} is the report of the whole run, and {len(study.left_out)} of "
                f"its methods would not be in it.\n  Name another file."
            )
    elif output.resolve().is_relative_to(study.folder.path.resolve()):
        raise ConfigError(
            f"--output {output} is part of the run's record, and it would be written over.\n"
            f"  Name another file."
        )


def _refuse_folder(flag: str, page: Path) -> None:
    if page.is_dir():
        raise ConfigError(f"{flag} {page} is a folder, and a page is a file.\n  Name a file in it.")
