"""What needs no run: numbers that somebody printed or logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classay.cli import pages
from classay.cli.application import app
from classay.flags import ClaimsArg, FilesArg, Json, LossOpt, PrintedOpt, ReportOpt, TasksOpt


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
    loaded, folder = document.load(path), sources or path.parent
    texts = (folder / source.file for source in loaded.file.sources if source.file)
    pages.refuse(page, [path, *texts])
    judged = printed.judge(loaded, folder)
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

    pages.refuse(page, files)
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
