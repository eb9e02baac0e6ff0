"""Report section: what was learned, without which there is nothing to retain."""

from __future__ import annotations

from classay.errors import InsufficientEvidence
from classay.evidence.beside_naive import beside_naive
from classay.evidence.rerun import Judged
from classay.metrics import learning_gain
from classay.reports.blocks import Block, Cell, Number, Paragraph, Stack, Table, number
from classay.reports.readings import (
    both,
    by_seed,
    listed,
    mean_and_interval,
    mean_and_range,
    named,
    not_estimable,
    orders,
)
from classay.reports.sections._just_learned import intransigence, parity
from classay.statistics.learning_advantage import learning_advantage
from classay.statistics.paired_difference import paired_difference
from classay.study import Floats, Study

TITLE = "Learning"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    reference = study.suite.statistics.reference
    for order, heading in orders(study):
        blocks += [*heading, _gain(study, order)]
        if reference not in study.methods:
            blocks.append(Paragraph(f"The plan's reference, {reference}, is not shown here."))
        else:
            blocks.append(_advantage(study, reference, order))
        if reference == "frozen" and reference in study.methods:
            blocks.append(parity(study, order))
        if "joint" in study.methods:
            blocks.append(intransigence(study, order))
    return blocks


def _gain(study: Study, order: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for method in study.methods:
        values = by_seed(learning_gain, study.loss(method, order))
        found = beside_naive(study, method, order)
        share: Cell = "not estimable"
        if found.share is not None:
            share = number(100 * found.share, 1, False, "%")
            share = Stack(share, "did not learn") if found.little else share
        rows.append((named(study, method, order), mean_and_range(values, 3, sign=False), share))
    title = f"{learning_gain.TITLE} ({learning_gain.UNIT})"
    return Table(
        title,
        ("Method", "Mean, [least, largest seed]", "Of what naive learned"),
        rows,
        "Below half of what naive learned, on the mean over domains and seeds, stands “did not "
        "learn”, and the method is not ranked: who learns little has little to forget.",
    )


def _advantage(study: Study, reference: str, order: int) -> Table:
    level, rows = study.suite.statistics.level, list[list[Cell]]()
    for method in (m for m in study.methods if m != reference):
        ours, theirs, seeds = both(study, method, reference, order)
        values = learning_advantage(ours, theirs).tolist() if seeds else []
        final = ours[:, -1].mean(axis=1), theirs[:, -1].mean(axis=1)
        rows.append(
            [
                named(study, method, order),
                listed(values),
                mean_and_interval(values, level, 2, "%"),
                *_paired(*final, level),
            ]
        )
    return Table(
        f"Final loss over all domains, against {reference} on the same seeds",
        ("Method", "Advantage, each seed (%)", f"Mean, [{100 * level:g} % interval]",
         "Difference of loss (nats/token)", "Exact p", "Least p of this design"),
        rows,
        "Advantage above 0: the method ends lower. Intervals are Student's t over seeds, if the "
        "seeds are a sample from a normal distribution. p is the exact sign-flip p of the paired "
        "difference; no data from this many seeds can give less than the last column.",
    )  # fmt: skip


def _paired(ours: Floats, theirs: Floats, level: float) -> list[Cell]:
    try:
        found = paired_difference(ours, theirs, level)
    except InsufficientEvidence:
        return [not_estimable(len(ours))] * 3
    bounds = Number((found.low, found.high), 3, True, "", f"[{{}}, {{}}]  n = {found.runs}")
    p = number(found.p_exact, 4) if found.p_exact is not None else "too many seeds to count"
    return [Stack(number(found.estimate, 3, True), bounds), p, number(found.p_floor, 4)]
