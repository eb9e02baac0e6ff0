"""Report section: the hold-out loss on every domain after every phase."""

from __future__ import annotations

import numpy as np

from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Cell, Details, Paragraph, Shade, Table, number
from classay.reports.readings import completeness, labelled, orders, seeds
from classay.study import Floats, Study

TITLE = "Losses"
EVERY_SEED = 12  # methods; of more the page would be slow to open


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = [
        Paragraph(
            "Hold-out loss in nats per token: rows are what had been learned, columns what was "
            "asked. Read down a column: the outlined cell is the domain just after it was "
            "learned, and what happens below it is retention. The deeper the ground, the higher "
            "the loss within its column, over all methods."
        )
    ]
    for order, heading in orders(study):
        blocks += heading
        every = [study.loss(m, order) for m in study.methods]
        stacked = np.concatenate(every) if any(map(len, every)) else None
        for method, losses in zip(study.methods, every, strict=True):
            if stacked is None or not len(losses):
                blocks.append(Paragraph(f"{method}: no finished cell."))
                continue
            ends = stacked.min(axis=(0, 1)), stacked.max(axis=(0, 1))
            gap = completeness(study, method, order)
            label = f"{labelled(study, method)}, mean over seeds, {gap or f'n = {len(losses)}'}"
            blocks.append(_matrix(study, label, losses.mean(axis=0), ends, order))
            if len(study.methods) <= EVERY_SEED:
                each = [
                    _matrix(study, f"{method}, seed {seed}", matrix, ends, order)
                    for seed, matrix in zip(seeds(study, method, order), losses, strict=True)
                ]
                blocks.append(Details(f"{method}: every seed", each))
    if len(study.methods) > EVERY_SEED:
        said = f"Of more than {EVERY_SEED} methods the matrices of single seeds are not shown. "
        blocks.append(
            Paragraph(said + "classay report RUN --methods NAMES --output FILE has them.")
        )
    return blocks


def _matrix(
    study: Study, caption: str, matrix: Floats, ends: tuple[Floats, Floats], order: int
) -> Table:
    domains, (low, high) = study.orders[order], ends
    rows: list[list[Cell]] = []
    for after, line in enumerate(matrix):
        head = "before" if after == 0 else domains[after - 1]
        cells: list[Cell] = [
            Shade(number(value, 3), _depth(value, low[j], high[j]), outlined=after == j + 1)
            for j, value in enumerate(line)
        ]
        rows.append([head, *cells])
    return Table(caption, ("After", *domains), rows)


def _depth(value: float, low: float, high: float) -> float:
    return 0.0 if high == low else (value - low) / (high - low)
