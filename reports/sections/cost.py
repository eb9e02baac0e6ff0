"""Report section: what each method costs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from classay.evidence.rerun import Judged
from classay.records import StepRow
from classay.reports.blocks import Block, Cell, Number, Paragraph, Table
from classay.reports.readings import mean_and_range, named, orders
from classay.study import Study

TITLE = "Cost"
YARDSTICK = "naive_lora"
MEBIBYTE = 2**20


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        rows = [_row(study, method, order) for method in study.methods]
        shared = sum(
            row.shared is not None
            for method in study.methods
            for phases in study.phases(method, order)
            for row in phases
        )
        table = Table(
            "Price of one cell: the whole stream, once",
            ("Method", "Trainable parameters", "Stored bytes", "Stored examples",
             "Tokens offered", "Tokens trained", "Seconds", f"Seconds a step / {YARDSTICK}",
             "Peak memory (MiB)"),
            rows,
            "Trainable parameters, stored bytes and stored examples are the most of any phase. "
            "Where seeds differ, the mean, under it the least and the largest. Stored is what a "
            "method keeps from earlier phases, not what is being trained.",
        )  # fmt: skip
        blocks += [*heading, table]
        blocks.append(
            Paragraph(
                f"Work that is the same for several cells was done once and is charged in full to "
                f"each: {shared} phase(s) here. Seconds are of this machine, beside whatever else "
                "ran on it; compare them within this run only."
            )
        )
    return blocks


def _row(study: Study, method: str, order: int) -> list[Cell]:
    runs = study.phases(method, order)
    return [
        named(study, method, order),
        _same([max(row.trainable for row in phases) for phases in runs]),
        _same([max(row.stored_bytes for row in phases) for phases in runs]),
        _same([max(row.stored_examples for row in phases) for phases in runs]),
        _same([sum(row.tokens_offered for row in phases) for phases in runs]),
        _same([sum(row.tokens_trained for row in phases) for phases in runs]),
        mean_and_range([sum(row.seconds for row in phases) for phases in runs], 1, sign=False),
        _relative(study, method, order),
        mean_and_range(
            [max(row.peak_bytes for row in phases) / MEBIBYTE for phases in runs], 0, sign=False
        ),
    ]


def _same(values: Sequence[int]) -> Cell:
    if len(set(values)) == 1:
        return Number((values[0],), 0)
    return mean_and_range(values, 0, sign=False)


def _relative(study: Study, method: str, order: int) -> Cell:
    ours, yardstick = _pace(study, method, order), _pace(study, YARDSTICK, order)
    shared = [seed for seed in ours if seed in yardstick]
    return mean_and_range([ours[s] / yardstick[s] for s in shared], 2, sign=False, counted=True)


def _pace(study: Study, method: str, order: int) -> dict[int, float]:
    """Median seconds of a step, by seed: without checkpoints and without measuring invariants."""
    return {
        run.cell.seed: median(row.seconds for row in steps)
        for run in study.runs(method, order)
        if (steps := run.of(StepRow))
    }
