"""Report section: which domains were forgotten."""

from __future__ import annotations

import numpy as np

from classay.errors import InsufficientEvidence
from classay.evidence.rerun import Judged
from classay.metrics import drift_prior_vs_own
from classay.metrics._matrix import NothingToDivideBy
from classay.reports import charts
from classay.reports.blocks import Block, Cell, Figure, Paragraph, Table
from classay.reports.readings import (
    NOTHING_TO_DIVIDE_BY,
    labelled,
    learned,
    listed,
    named,
    of_the_learned,
    orders,
)
from classay.study import Floats, Study

TITLE = "Domains"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        prior = study.orders[order][:-1]
        drift = {method: _drift(study.loss(method, order)) for method in study.methods}
        blocks += [*heading, _figure(study, drift, prior, order)]
        rows: list[list[Cell]] = []
        for method, values in drift.items():
            counts = learned(study, method, order)
            cells: list[Cell] = [
                of_the_learned(values[:, j].tolist(), counts[:, j].tolist())
                if np.isfinite(values[:, j]).all()
                else NOTHING_TO_DIVIDE_BY
                for j in range(len(prior))
            ]
            rows.append([named(study, method, order), *cells])
        blocks.append(
            Table(
                "Drift since each domain was learned (%)",
                ("Method", *prior),
                rows,
                "Mean over seeds, under it the least and the largest seed. The last domain had no "
                "time to be forgotten and is left out, and so is a seed in which the loss on the "
                f"domain fell by less than {study.suite.statistics.learning_floor:g} nats/token "
                "when it was learned.",
            )
        )
    blocks.append(
        Paragraph("A mean over domains can hide one that is lost: read the largest bar, not only "
                  "the mean.")
    )  # fmt: skip
    return blocks


def _drift(losses: Floats) -> Floats:
    """Of every earlier domain, (seeds, T − 1); nan in a seed whose loss was 0 on one of them."""
    try:
        each = [_of_a_seed(matrix) for matrix in losses]
    except InsufficientEvidence:
        each = []
    return np.asarray(each, dtype=np.float64).reshape(-1, losses.shape[2] - 1)


def _of_a_seed(matrix: Floats) -> Floats:
    try:
        return drift_prior_vs_own.per_domain(matrix)[:-1]
    except NothingToDivideBy:
        return np.full(matrix.shape[1] - 1, np.nan)


def _figure(study: Study, drift: dict[str, Floats], prior: list[str], order: int) -> Figure:
    title = "Drift of every earlier domain: every seed"
    description = (
        "One panel a method, one row a domain: a point for every seed, a bar from the least to "
        "the largest, a tick at the mean. All panels share one axis."
    )
    groups = {
        labelled(study, method): {
            domain: values[
                learned(study, method, order)[:, j] & np.isfinite(values[:, j]), j
            ].tolist()
            for j, domain in enumerate(prior)
        }
        for method, values in drift.items()
    }
    svg = charts.strip(
        groups,
        name=f"domains-{order}",
        title=title,
        description=description,
        axis=f"{drift_prior_vs_own.TITLE} (%)",
    )
    rows: list[list[Cell]] = [
        [f"{method}, {domain}", listed(values) if values else "not learned, or no finished cell"]
        for method in study.methods
        for domain, values in groups[labelled(study, method)].items()
    ]
    return Figure(title, description, svg, Table(f"{title} (%)", ("Domain", "Each seed"), rows))
