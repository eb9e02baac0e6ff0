"""Report section: what was learned against what was forgotten, seed by seed."""

from __future__ import annotations

import math

import numpy as np

from classay import registry
from classay.evidence.quantities import DIGITS
from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Cell, Figure, Paragraph, Table, number
from classay.reports.plane import plane
from classay.reports.readings import labelled, named, orders
from classay.reports.sections._overlap import drift_of, ranked
from classay.study import Study

TITLE = "Learned and kept"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = [
        Paragraph(
            "A method that learns little has little to forget. Each point is one seed: the further "
            "right, the more was learned; the nearer to the line at 0, the more of it was kept."
        )
    ]
    for order, heading in orders(study):
        blocks += [*heading, _figure(study, order)]
    return blocks


def _figure(study: Study, order: int) -> Figure | Paragraph:
    metric = registry.load("metric", study.suite.statistics.retention)
    drift = drift_of(study, order)
    rows: list[list[Cell]] = []
    points: dict[str, list[tuple[float, float]]] = {}
    for method in ranked(study, drift):
        tables = study.loss(method, order)
        gains = (tables[:, 0] - np.diagonal(tables[:, 1:], axis1=1, axis2=2)).mean(axis=1)
        runs = study.runs(method, order)
        for run, gain, value in zip(runs, gains, drift[method], strict=False):
            if math.isfinite(value) and math.isfinite(gain):
                points.setdefault(labelled(study, method), []).append((float(gain), float(value)))
                cells = (
                    number(float(gain), 3),
                    number(float(value), DIGITS.get(metric.UNIT, 3), True),
                )
                rows.append([named(study, method, order), str(run.cell.seed), *cells])
    if not points:
        return Paragraph("No cell has finished.")
    title = "Learning against forgetting"
    description = (
        "One shape or number a method, the one that retains best first; one point a seed. The "
        "solid line is no change, the dashed line the margin."
    )
    svg = plane(
        points,
        name=f"plane-{order}",
        title=title,
        description=description,
        x="gain over the base just after learning (nats/token)",
        y=f"{metric.TITLE} ({metric.UNIT})",
        margin=study.suite.statistics.margin,
    )
    header = ("Method", "Seed", "Gain (nats/token)", f"{metric.TITLE} ({metric.UNIT})")
    return Figure(title, description, svg, Table(title, header, rows))
