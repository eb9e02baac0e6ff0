"""The command line that verbs are added to, and the run that most of them are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from classay import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from classay.study import Study

app = typer.Typer(
    name="classay",
    help="The continual-learning assay: decides whether a continual-learning claim is true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def open_run(folder: Path) -> Study:
    """The study that lies in the folder of a run."""
    from classay import study

    return study.load(folder)
