"""Report section: how far the hidden states of learned domains have moved."""

from __future__ import annotations

import numpy as np

from classay.evidence.rerun import Judged
from classay.recorded import CellRecord
from classay.records import RepresentationRow
from classay.reports.blocks import Block, Cell, Paragraph, Table
from classay.reports.readings import mean_and_range, named, orders
from classay.study import Study

TITLE = "Representation"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = [
        Paragraph(
            "Distance of the hidden states on hold-out text from what they were just after the "
            "domain was learned, relative to their size: ‖now − then‖ / ‖then‖, at the end of the "
            "stream, mean over the earlier domains. The loss can stay while these move."
        )
    ]
    for order, heading in orders(study):
        table = _table(study, order)
        blocks += [*heading, table or Paragraph("Not measured in this run.")]
    return blocks


def _table(study: Study, order: int) -> Table | None:
    last = len(study.orders[order]) - 1
    layers = {m: [_layers(run, last) for run in study.runs(m, order)] for m in study.methods}
    depth = max((len(seed) for seeds in layers.values() for seed in seeds), default=0)
    if not depth:
        return None
    rows: list[list[Cell]] = []
    for layer in range(depth):
        row: list[Cell] = ["embeddings" if layer == 0 else f"layer {layer}"]
        for seeds in layers.values():
            values = [seed[layer] for seed in seeds if len(seed) > layer]
            row.append(mean_and_range(values, 3, sign=False))
        rows.append(row)
    header = ("Hidden states", *(named(study, method, order) for method in study.methods))
    note = "Mean over seeds, under it the least and the largest seed."
    return Table("Representation drift at the end of the stream", header, rows, note)


def _layers(run: CellRecord, after: int) -> list[float]:
    rows = [row.layers for row in run.of(RepresentationRow) if row.after == after]
    return [float(x) for x in np.mean(rows, axis=0)] if rows else []
