"""What is made of a finished run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from classay import flags
from classay.cli.application import app, open_run
from classay.flags import Json, RunArg


@app.command()
def compare(
    folder: RunArg,
    method_a: Annotated[str, typer.Argument(help="A method of the run.")],
    method_b: Annotated[str, typer.Argument(help="Another one.")],
    order: Annotated[int, typer.Option("--order", min=0, help="Order of domains, from 0.")] = 0,
    as_json: Json = False,
) -> None:
    """Two methods of a run, seed by seed: differences, their interval, exact p and its floor."""
    from classay.evidence import comparison, instrument

    study = open_run(folder)
    compared = comparison.compare(study, method_a, method_b, order)
    sound = instrument.sound(instrument.checks(study))
    if as_json:
        print(json.dumps(comparison.plain(compared) | {"sound": sound}))
    else:
        from classay import terminal

        terminal.comparison(compared, sound)


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
    study = open_run(folder)
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
    methods: Annotated[
        str | None, typer.Option("--methods", help="Report on these alone: a,b,c.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write it; report.html in the run.")
    ] = None,
) -> None:
    """Write a run's report: one HTML file that needs nothing else."""
    from classay import ending

    study = open_run(folder)
    if methods is not None:
        study = study.only(methods.split(","))
    print(ending.report(study, profile, output))


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
            open_run(place)
    found = verification.verify(run_folder)
    waiting = verification.unfinished(run_folder)
    compared, doubt = None, ""
    if not found and run_folder.report.exists():
        seen = ending.report_seen(open_run(folder))
        compared, doubt = seen.compared, seen.words
        found += [] if seen.holds else [seen.words]
    if against is not None:
        found += verification.same_facts(run_folder, RunFolder(against))
    if as_json:
        said = {"verified": not found, "found": found, "unfinished": list(waiting)}
        print(json.dumps(said | {"report_compared": compared}))
    else:
        for sentence in found:
            print(sentence, file=sys.stderr)
        print(f"{folder}: {'does NOT hold' if found else 'every chain and digest holds'}")
        if doubt and not found:
            print(doubt)
        for name, why in waiting.items():
            print(f"{name} {why}; `classay retry {folder}` goes on")
    raise typer.Exit(4 if found else 3 if waiting else 0)
