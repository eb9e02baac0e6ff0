"""Report section: how much of what was learned is kept, by every convention in use."""

from __future__ import annotations

from classay import registry
from classay.evidence.quantities import DIGITS
from classay.evidence.rerun import Judged
from classay.reports import charts
from classay.reports.blocks import (
    Block,
    Cell,
    Figure,
    Paragraph,
    Table,
    number,
)
from classay.reports.readings import labelled, named, orders
from classay.reports.sections._conventions import every_convention
from classay.reports.sections._overlap import drift_of, ranges, ranked
from classay.study import Study

TITLE = "Retention"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = [
        Paragraph(
            "Drift is the change of the hold-out loss on domains that were learned earlier. Above "
            "0 something was forgotten; below 0 later domains helped."
        )
    ]
    for order, heading in orders(study):
        losses = {method: study.loss(method, order) for method in study.methods}
        under = every_convention(study, order, "losses", "loss", losses, "")
        blocks += [*heading, _figure(study, order), under]
        if len(study.competitors) > 1:
            blocks.append(ranges(study, order))
    return blocks


def _figure(study: Study, order: int) -> Figure:
    metric = registry.load("metric", study.suite.statistics.retention)
    drift = drift_of(study, order)
    title = f"{metric.TITLE}: every seed, best first"
    description = (
        "One row a method: a point for every seed, a bar from the least to the largest, a tick at "
        "the mean. The solid line is no change, the dashed line the margin."
    )
    rows: list[list[Cell]] = []
    # whatever the order is, it is the first thing that the figure says
    best_first = ranked(study, drift)
    best_first += [method for method in study.methods if method not in best_first]
    for method in best_first:
        by = {
            r.cell.seed: v for r, v in zip(study.runs(method, order), drift[method], strict=False)
        }
        digits = DIGITS.get(metric.UNIT, 3)
        cells: list[Cell] = [
            number(by[seed], digits, True) if seed in by else "no value"
            for seed in study.suite.seeds
        ]
        rows.append([named(study, method, order), *cells])
    labels = {labelled(study, method): drift[method] for method in best_first}
    svg = charts.strip(
        {"": labels},
        name=f"retention-{order}",
        title=title,
        description=description,
        axis=f"{metric.TITLE} ({metric.UNIT})",
        margin=study.suite.statistics.margin,
    )
    header = ("Method", *(f"Seed {seed}" for seed in study.suite.seeds))
    return Figure(title, description, svg, Table(f"{title} ({metric.UNIT})", header, rows))
