"""Command line: one verb a function, no logic.

Exit codes: 0 fine, 1 a check or an acceptance criterion failed, 2 the input is wrong, 3 cells are
missing, 4 integrity is broken. Everything heavy is imported inside the verb that needs it.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from classay import __version__, flags
from classay.errors import ClassayError
from classay.flags import (
    BaseOpt,
    ClaimsArg,
    DataOpt,
    DeviceOpt,
    DtypeOpt,
    FilesArg,
    JobsOpt,
    Json,
    LossOpt,
    MethodsOpt,
    OnlineOpt,
    OrderOpt,
    OutOpt,
    PrintedOpt,
    ReportOpt,
    RunArg,
    SeedsOpt,
    ShareOpt,
    SuiteArg,
    TasksOpt,
    ThreadsOpt,
)

if TYPE_CHECKING:
    from classay.layout import RunFolder
    from classay.prepare import Options
    from classay.study import Study
    from classay.suite import Suite

app = typer.Typer(
    name="classay",
    help="The continual-learning assay: decides whether a continual-learning claim is true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# the disk or its owner said no: nothing that a traceback would explain
REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}
EXTRA = {"torch", "transformers", "peft", "tokenizers", "datasets", "huggingface_hub"}


def main() -> int:
    """Run the command line and return its exit code; user mistakes print no traceback."""
    try:
        app()
    except ClassayError as error:
        print(f"classay: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        print(
            f"classay: {error.filename or 'a file'} could not be opened or written "
            f"({error.strerror}).\n  What was recorded before is whole. Make room there or mend "
            f"its permissions; the same command goes on.",
            file=sys.stderr,
        )
        return 2 if error.errno == errno.EACCES else 3
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(
            f"classay: {error.name} is not installed, and running cells or reading hub data needs "
            f"it.\n  pip install 'classay[run]'",
            file=sys.stderr,
        )
        return 2
    return 0


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command("list")
def list_names(
    kind: Annotated[
        str, typer.Argument(help="methods, suites, metrics, checks, routers or sections.")
    ],
    as_json: Json = False,
) -> None:
    """What is there to choose from."""
    from classay import registry
    from classay.errors import UnknownName

    kinds = {f"{name}s": name for name in registry.PACKAGES}
    if kind == "suites":
        names = list(registry.suites())
    elif kind in kinds:
        names = registry.names(kinds[kind])
    else:
        raise UnknownName("list", kind, ["suites", *kinds], "Ask for one of these.")
    print(json.dumps(names) if as_json else "\n".join(names))


@app.command()
def validate(
    suite: SuiteArg,
    base: BaseOpt = None,
    data: DataOpt = None,
    online: OnlineOpt = False,
    as_json: Json = False,
) -> None:
    """Check a suite, its methods' settings and, where they are given, its data and its base."""
    from classay import registry, scans, sources
    from classay.determinism import environment

    environment(online)
    loaded, folder = flags.suite(suite, {"base.path": base})
    registry.check(loaded)
    checked = ["the suite", f"{len(loaded.methods)} methods"]
    if data is not None or loaded.self_made:
        place = data or folder
        records = sources.load_all(loaded, place, online)
        scans.overlap(records, loaded.stream)
        scans.leak(records, loaded.stream)
        checked.append(f"{sum(len(r.train) for r in records)} train records")
    if flags.base(loaded, online):
        checked.append("the base")
    if as_json:
        print(json.dumps({"suite": loaded.name, "checked": checked}))
    else:
        print(f"{loaded.name}: {', '.join(checked)} can be used.")


@app.command()
def plan(
    suite: SuiteArg,
    base: BaseOpt = None,
    seeds: SeedsOpt = None,
    order: OrderOpt = None,
    methods: MethodsOpt = None,
    gflops: Annotated[
        float, typer.Option("--gflops", min=0.001, help="Speed that a worker is assumed to reach.")
    ] = 15.0,
    as_json: Json = False,
) -> None:
    """What a suite costs, and what its design can show, before anything runs."""
    from classay import plan as planning

    loaded, _ = flags.suite(suite, flags.overrides(base, seeds, order, methods, None))
    made = planning.plan(loaded, flags.base(loaded, False), gflops)
    if as_json:
        print(json.dumps(made._asdict() | {"methods": [m._asdict() for m in made.methods]}))
    else:
        from classay import terminal

        terminal.plan(made, gflops)


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

    study = _study(folder)
    aside = runner.retry(study.folder) if failed else []
    if not as_json:
        print(f"set aside: {', '.join(aside) or 'nothing'}")
    setting = study.setting
    options = Options(Path(), folder.parent, setting["device"], jobs, setting["threads"], share)
    _execute(study.folder, options, as_json)


@app.command()
def status(folder: RunArg, as_json: Json = False) -> None:
    """What has become of every cell of a run."""
    study = _study(folder)
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


@app.command()
def compare(
    folder: RunArg,
    method_a: Annotated[str, typer.Argument(help="A method of the run.")],
    method_b: Annotated[str, typer.Argument(help="Another one.")],
    order: Annotated[int, typer.Option("--order", min=0, help="Order of domains, from 0.")] = 0,
    as_json: Json = False,
) -> None:
    """Two methods of a run, seed by seed: differences, their interval, exact p and its floor."""
    from classay.evidence import comparison

    compared = comparison.compare(_study(folder), method_a, method_b, order)
    if as_json:
        print(json.dumps(comparison.plain(compared)))
    else:
        from classay import terminal

        terminal.comparison(compared)


@app.command()
def choose(
    folder: RunArg,
    suite: Annotated[
        str | None, typer.Option("--suite", help="The suite that is to get the settings.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where that suite is written with them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Which of the settings that a search tried is to be studied, by its validation loss."""
    from classay.errors import ConfigError
    from classay.evidence import choice

    if (suite is None) != (output is None):
        raise ConfigError(
            "one of --suite and --output was given, and both or none are needed.\n"
            "  --suite names the suite to read, --output the file to write."
        )
    study = _study(folder)
    choices = choice.choose(study)
    if suite is not None and output is not None:
        flags.with_choices(suite, output, choices, study.setting["identity"])
    if as_json:
        print(json.dumps(choice.plain(choices)))
    else:
        from classay import terminal

        terminal.choices(choices)


@app.command()
def report(
    folder: RunArg,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", help="Which sections, in which order: run, comparison or search."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write it; report.html in the run.")
    ] = None,
) -> None:
    """Write a run's report: one HTML file that needs nothing else."""
    from classay import ending

    print(ending.report(_study(folder), profile, output))


@app.command()
def check(
    claims: ClaimsArg,
    sources: Annotated[
        Path | None,
        typer.Option(
            "--sources", help="Folder of the texts; that of the claims file if not given."
        ),
    ] = None,
    page: ReportOpt = None,
    as_json: Json = False,
) -> None:
    """Which numbers of a text can be true together. Needs no run, no GPU and no torch."""
    from classay import registry
    from classay.claims import document
    from classay.evidence import printed

    path = registry.claims_path(claims)
    judged = printed.judge(document.load(path), sources or path.parent)
    if page is not None:
        from classay.reports import claims as claims_report

        claims_report.write(judged, page)
    if as_json:
        print(json.dumps(printed.plain(judged)))
    else:
        from classay import tables

        tables.claims(judged)
    raise typer.Exit(1 if judged.wrong else 0)


@app.command()
def verify(
    folder: RunArg,
    against: Annotated[
        Path | None, typer.Option("--against", help="Another run: compare their facts as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute every chain and digest of a run, and its report; name what does not hold."""
    from classay import ending
    from classay.layout import RunFolder
    from classay.provenance import verify as verification

    run_folder = RunFolder(folder)
    for place in (folder, against):
        if place is not None and not RunFolder(place).about.exists():
            _study(place)
    found = verification.verify(run_folder)
    if not found and run_folder.report.exists():
        seen = ending.report_seen(_study(folder))
        found += [] if seen.holds else [seen.words]
        if seen.holds and seen.words:
            print(seen.words, file=sys.stderr)
    waiting = verification.unfinished(run_folder)
    if against is not None:
        found += verification.same_facts(run_folder, RunFolder(against))
    if as_json:
        print(json.dumps({"verified": not found, "found": found, "unfinished": waiting}))
    else:
        for sentence in found:
            print(sentence, file=sys.stderr)
        print(f"{folder}: {'does NOT hold' if found else 'every chain and digest holds'}")
        for name in waiting:
            print(f"{name} has not ended; run it again to go on")
    raise typer.Exit(4 if found else 3 if waiting else 0)


@app.command()
def recompute(
    files: FilesArg,
    loss: LossOpt = False,
    printed: PrintedOpt = None,
    tasks: TasksOpt = None,
    page: ReportOpt = None,
    as_json: Json = False,
) -> None:
    """Every convention from matrices that somebody logged, beside the numbers printed of them."""
    from classay.claims import quoted
    from classay.evidence import document, logged
    from classay.logs import choose

    quotes = [quoted.read(text) for text in printed or []]
    matrices = choose.read(files, "loss" if loss else "score", tasks.split(",") if tasks else [])
    answer = logged.recompute(matrices, quotes)
    if page is not None:
        from classay.reports import matrices as matrices_report

        matrices_report.write(answer, page)
    if as_json:
        print(json.dumps(document.document(answer)))
    else:
        from classay import tables

        tables.matrices(answer)
    raise typer.Exit(0 if answer.holds else 1)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="method.")],
    name: Annotated[str, typer.Argument(help="What a suite will call it.")],
    into: Annotated[
        Path | None, typer.Option("--into", help="The package's folder; classay_NAME here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Begin a method of your own: a package that installs, passes its tests and can be run."""
    from classay import scaffold

    made = scaffold.write(kind, name, into)
    if as_json:
        print(json.dumps({"written": [str(path) for path in made.files], "next": made.steps}))
    else:
        written = "\n".join(f"wrote {path}" for path in made.files)
        print(f"{written}\n\nNext:", *made.steps, sep="\n  ")


@app.command()
def doctor(as_json: Json = False) -> None:
    """What is installed, and whether this machine can run cells."""
    from classay import doctor as examination

    findings = examination.examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        from classay import terminal

        terminal.findings(findings)
    raise typer.Exit(0 if all(f.fine for f in findings if f.needed) else 1)


def _study(folder: Path) -> Study:
    from classay import study

    return study.load(folder)


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
    study = _study(folder.path)
    end = ending.finish(study)
    if as_json:
        print(json.dumps(ending.summary(study, end)))
    else:
        terminal.summary(study, end.judged, end.manifest)
    raise typer.Exit(end.exit_code)
