"""What the flags of the command line are, and what they change in a suite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from classay.base import Outline
    from classay.evidence.choice import Choice
    from classay.suite import Suite

SuiteArg = Annotated[str, typer.Argument(help="A suite file, or the name of one that is shipped.")]
ClaimsArg = Annotated[
    str, typer.Argument(help="A claims file, or the name of one that is shipped.")
]
ReportOpt = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML report here as well.")
]
RunArg = Annotated[Path, typer.Argument(help="The folder of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
BaseOpt = Annotated[str | None, typer.Option("--base", help="Folder of the base model.")]
DataOpt = Annotated[Path | None, typer.Option("--data", help="Folder of the data.")]
OutOpt = Annotated[Path, typer.Option("--out", help="Where the folders of runs are made.")]
SeedsOpt = Annotated[str | None, typer.Option("--seeds", help="For instance 0,1,2.")]
OrderOpt = Annotated[
    list[str] | None,
    typer.Option("--order", help="An order of domains, a,b,c; may be given several times."),
]
MethodsOpt = Annotated[str | None, typer.Option("--methods", help="Run only these: a,b,c.")]
DtypeOpt = Annotated[str | None, typer.Option("--dtype", help="fp32, bf16, nf4 or nf4_bf16.")]
DeviceOpt = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
ThreadsOpt = Annotated[int, typer.Option("--threads", min=1, help="Threads a cell.")]
JobsOpt = Annotated[int, typer.Option("--jobs", min=1, help="Cells at a time.")]
OnlineOpt = Annotated[bool, typer.Option("--online", help="Let a hub be asked.")]
ShareOpt = Annotated[
    bool, typer.Option("--share/--no-share", help="Do work that cells have in common once.")
]
FilesArg = Annotated[list[Path], typer.Argument(help="Files or folders that somebody logged.")]
LossOpt = Annotated[
    bool,
    typer.Option("--loss", help="Cells of a CSV, npz or JSON are losses, nats a token."),
]
PrintedOpt = Annotated[
    list[str] | None,
    typer.Option("--printed", help="A number quoted of them: VALUE, LABEL=VALUE, LABEL=VALUE±SD."),
]
TasksOpt = Annotated[
    str | None, typer.Option("--tasks", help="Columns of lm-eval results, as trained: a,b,c.")
]


def suite(name: str, overrides: dict[str, Any]) -> tuple[Suite, Path]:
    """A suite, and the folder that its paths are relative to."""
    from classay import registry, suite_file

    path = registry.suite_path(name)
    return suite_file.load(path, overrides), path.parent


def overrides(
    base: str | None,
    seeds: str | None,
    order: list[str] | None,
    methods: str | None,
    dtype: str | None,
) -> dict[str, Any]:
    """The keys of a suite that flags were given for; the others are None."""
    return {
        "base.path": base,
        "seeds": seeds.split(",") if seeds is not None else None,  # "" is no seed, and is refused
        "orders": [names.split(",") for names in order] if order else None,
        "methods": methods.split(",") if methods is not None else None,
        "base.dtype": dtype,
    }


def base(suite: Suite, online: bool) -> Outline | None:
    """The outline of the base that a suite names, checked; None if it names none."""
    from classay import builtin
    from classay.base import locate, outline

    if suite.base.made:
        return builtin.outline()  # known before there is one
    return outline(locate(suite.base, online)) if suite.base.path or suite.base.hub else None


def with_choices(name: str, output: Path, choices: list[Choice], search: str) -> None:
    """Write a suite anew with the settings that a search chose.

    raises  ConfigError   when a file is there already, or the suite lacks a method
    """
    import yaml

    from classay import registry
    from classay.errors import ConfigError
    from classay.evidence import choice
    from classay.layout import write_atomically

    if output.exists():
        raise ConfigError(
            f"{output} is there already, and nothing is written over it.\n  Name another file."
        )
    suite(name, {})
    raw = yaml.safe_load(registry.suite_path(name).read_text("utf-8"))
    write_atomically(output, choice.text(choice.chosen_suite(raw, choices, search)).encode())
