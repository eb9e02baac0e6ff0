"""Report section: what a search tried, and which settings are to be studied."""

from __future__ import annotations

import json

from classay.errors import ConfigError
from classay.evidence.choice import Choice, choose
from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Cell, Code, Mark, Paragraph, Stack, Table, number
from classay.reports.sections._soundness import cells, checks
from classay.study import Study

TITLE = "Settings that were tried"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = [Paragraph(f"What this run is for. {study.suite.intended_use}")]
    if any(record.state != "done" for record in study.records):
        blocks.append(cells(study))
    blocks.append(checks(judged.checks))
    try:
        return [*blocks, _table(choose(study))]
    except ConfigError as error:
        return [*blocks, Paragraph(f"Nothing is chosen: {error}")]


def _table(choices: list[Choice]) -> Table:
    rows: list[list[Cell]] = []
    for choice in choices:
        for tried in choice.tried:
            none = "no cell came to its end"
            loss = none if tried.loss is None else number(tried.loss, 4)
            chosen = Mark("good", "chosen") if tried is choice.chosen else "–"
            rows.append([
                Stack(Code(choice.method), tried.name),
                json.dumps(tried.settings, sort_keys=True),
                Stack(loss, tried.words) if tried.words else loss,
                chosen,
            ])  # fmt: skip
    return Table(
        "Every setting with its validation loss",
        ("Method", "Settings", "Loss after the last domain, nats/token", "Chosen"),
        rows,
        "The mean over domains and cells; the least of a method's settings is chosen, so that what "
        "was learned and what was kept weigh alike. Every method was given as many settings as any "
        "other. Nothing here was scored on the hold-out that a study is scored on.",
    )
