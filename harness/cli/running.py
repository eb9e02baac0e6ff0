"""Running a suite: from its first cell to its report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from classay import flags
from classay.cli.application import app, open_run
from classay.flags import (
    BaseOpt,
    DataOpt,
    DeviceOpt,
    DtypeOpt,
    JobsOpt,
    Json,
    MethodsOpt,
    OnlineOpt,
    OrderOpt,
    OutOpt,
    RunArg,
    SeedsOpt,
    ShareOpt,
    SuiteArg,
    ThreadsOpt,
)

if TYPE_CHECKING:
    from classay.layout import RunFolder
    from classay.prepare import Options
    from classay.suite import Suite


@app.command()
def run(
    suite: SuiteArg,
    base: BaseOpt = None,
    data: DataOpt = None,
    out: OutOpt = Path("runs"),
    seeds: SeedsOpt = None,
    order: OrderOpt = None,
    methods: MethodsOpt = None,
    dtype: DtypeOpt = None,
    device: DeviceOpt = "cpu",
    jobs: JobsOpt = 1,
    threads: ThreadsOpt = 1,
    share: ShareOpt = True,
    online: OnlineOpt = False,
    as_json: Json = False,
) -> None:
    """Run a suite, or go on with it; done cells are skipped. Ends in a report."""
    from classay.prepare import Options

    loaded, place = flags.suite(suite, flags.overrides(base, seeds, order, methods, dtype))
    options = Options(data or place, out, device, jobs, threads, share, online)
    _execute(_prepared(loaded, options, as_json), options, as_json)


@app.command()
def quickstart(out: OutOpt = Path("runs"), jobs: JobsOpt = 2, as_json: Json = False) -> None:
    """The whole road in minutes, on a small built-in world; needs no model and no network."""
    from classay.prepare import Options

    loaded, place = flags.suite("quickstart", {})
    options = Options(place, out, jobs=jobs)
    _execute(_prepared(loaded, options, as_json), options, as_json)


@app.command()
def retry(
    folder: RunArg,
    failed: Annotated[bool, typer.Option("--failed", help="Failed cells; the default.")] = True,
    jobs: JobsOpt = 1,
    share: ShareOpt = True,
    as_json: Json = False,
) -> None:
    """Set failed cells and checks aside, kept as they are, and run them again."""
    from classay import runner
    from classay.prepare import Options

    study = open_run(folder)
    aside = runner.retry(study.folder) if failed else []
    if not as_json:
        print(f"set aside: {', '.join(aside) or 'nothing'}")
    setting = study.setting
    options = Options(Path(), folder.parent, setting["device"], jobs, setting["threads"], share)
    _execute(study.folder, options, as_json)


@app.command()
def status(folder: RunArg, as_json: Json = False) -> None:
    """What has become of every cell of a run."""
    study = open_run(folder)
    if as_json:
        cells = {
            r.cell.name: {
                "state": r.state,
                "failure": r.end.failure if r.end else None,
                "error": r.end.error if r.end else None,
            }
            for r in study.records
        }
        print(json.dumps(cells))
    else:
        from classay import terminal

        terminal.status(study)
    raise typer.Exit(0 if all(record.state == "done" for record in study.records) else 3)


def _prepared(suite: Suite, options: Options, as_json: bool) -> RunFolder:
    from classay import terminal
    from classay.prepare import prepare

    with terminal.making(quiet=as_json) as tell:
        return prepare(suite, options, tell)


def _execute(folder: RunFolder, options: Options, as_json: bool) -> NoReturn:
    """Run what is left, then judge it, and leave with what that means."""
    from classay import ending, runner, terminal

    if not as_json:
        print(folder.path)
    try:
        with terminal.watching(folder, options.share, quiet=as_json) as (progress, ended):
            runner.execute(folder, options, progress, ended)
    except KeyboardInterrupt:
        print("classay: stopped; the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(3) from None
    study = open_run(folder.path)
    end = ending.finish(study)
    if as_json:
        print(json.dumps(ending.summary(study, end)))
    else:
        terminal.summary(study, end.judged, end.manifest)
    raise typer.Exit(end.exit_code)
