"""Report section: questions answered."""

from __future__ import annotations

import numpy as np

from classay.evidence.rerun import Judged
from classay.recorded import CellRecord
from classay.records import AnswerRow
from classay.reports.blocks import Block, Cell, Paragraph, Table, shown
from classay.reports.readings import (
    named,
    orders,
    right_of,
)
from classay.reports.sections._conventions import every_convention
from classay.study import Study

TITLE = "Accuracy"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    answers = [row for record in study.cells for row in record.of(AnswerRow)]
    if not answers:
        return [Paragraph("This run asked no questions: no domain has probes.")]
    chance = shown(100 * float(np.mean([1 / row.choices for row in answers])), 1, unit="%")
    blocks: list[Block] = [
        Paragraph(
            f"Multiple-choice probes; guessing gets {chance} right. An answer is the choice "
            "with the least summed nats. Where an interval contains the chance level, the probes "
            "cannot tell this model from a guess, and nothing follows from their change."
        )
    ]
    probes = [probe for about in study.tokens.values() for probe in about.get("probes", ())]
    if cut := sum(probe["cut"] for probe in probes):
        blocks.append(
            Paragraph(
                f"Of {len(probes)} questions, {cut} were longer than "
                f"{study.suite.evaluation.tokens_per_item} tokens with their longest choice and "
                "lost their beginning, the same words before every choice."
            )
        )
    for order, heading in orders(study):
        blocks += [
            *heading,
            _pooled(study, order, just_learned=True),
            _pooled(study, order, just_learned=False),
            _under_every_convention(study, order),
        ]
    return blocks


def _pooled(study: Study, order: int, just_learned: bool) -> Table:
    rows: list[list[Cell]] = []
    for method in study.methods:
        by = {run.cell.seed: run for run in study.runs(method, order)}
        cells = [
            _share(study, by[seed], order, just_learned) if seed in by else "no value"
            for seed in study.suite.seeds
        ]
        rows.append([named(study, method, order), *cells])
    when = "each just after its domain was learned" if just_learned else "after the last phase"
    return Table(
        f"Answers {when}, all domains pooled",
        ("Method", *(f"Seed {seed}" for seed in study.suite.seeds)),
        rows,
        f"Correct / asked, with Wilson's {100 * study.suite.statistics.level:g} % interval of the "
        "share, if questions are independent. Seeds answer the same questions and are therefore "
        "not pooled.",
    )


def _share(study: Study, run: CellRecord, order: int, just_learned: bool) -> Cell:
    domains = study.orders[order]
    moments = range(len(domains)) if just_learned else [len(domains) - 1] * len(domains)
    counts = [study.answered(run, after, [d]) for after, d in zip(moments, domains, strict=True)]
    right, asked = (sum(column) for column in zip(*counts, strict=True))
    return right_of(right, asked, study.suite.statistics.level)


def _under_every_convention(study: Study, order: int) -> Table:
    points = {method: 100 * study.accuracy(method, order) for method in study.methods}
    note = "Points are percentage points. "
    return every_convention(study, order, "answers", "score", points, note)
