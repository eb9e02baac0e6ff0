"""Report section: what the run says, and whether the instrument that says it is sound."""

from __future__ import annotations

from classay import registry
from classay.evidence.quantities import DIGITS
from classay.evidence.rerun import Judged, Judgement
from classay.reports.blocks import Block, Cell, Mark, Number, Paragraph, Stack, Table, number
from classay.reports.headline import STATUS, headline
from classay.reports.readings import (
    by_seed,
    listed,
    mean_and_range,
    named,
    not_estimable,
    orders,
    seeds,
)
from classay.reports.sections._soundness import cells, checks
from classay.statistics.spread import spread
from classay.study import Study

TITLE = "Verdict"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        blocks += [*heading, headline(study, judged, order)]
    blocks.append(Paragraph(f"What this run is for. {study.suite.intended_use}"))
    if any(record.state != "done" for record in study.records):
        blocks.append(cells(study))
    blocks.append(checks(judged.checks))
    for order, heading in orders(study):
        here = [j for j in judged.judgements if j.order == order]
        blocks += [*heading, _verdicts(study, here, order)]
        blocks += [_bounds(study, order)] if study.bounds else []
    return blocks


def _verdicts(study: Study, judgements: list[Judgement], order: int) -> Table:
    plan = study.suite.statistics
    metric = registry.load("metric", plan.retention)
    digits = DIGITS.get(metric.UNIT, 3)
    rows = []
    for j in judgements:
        interval: Cell = not_estimable(len(j.drift))
        if j.interval:
            bounds = (j.interval.low, j.interval.high)
            interval = Stack(Number(bounds, digits, True, metric.UNIT, "[{}, {}]"),
                             j.interval.assumption)  # fmt: skip
        runs = ", ".join(map(str, seeds(study, j.method, order)))
        each = listed(j.drift, digits)
        mean = spread(j.drift).mean if j.drift else float("nan")
        least = number(j.gain, 3) if j.gain is not None else not_estimable(0)
        gain = Stack(least, j.naive.words) if j.naive.little else least
        rows.append((
            named(study, j.method, order),
            Stack(Mark(STATUS.get(j.verdict, "unknown"), str(j.verdict)), j.words),
            *(
                ("not learned", "", "")
                if j.unlearned
                else (
                    Stack(each, f"seeds {runs}") if isinstance(each, Number) else each,
                    number(mean, digits, True, metric.UNIT),
                    interval,
                )
            ),
            gain,
        ))  # fmt: skip
    return Table(
        f"Verdicts on retention: {metric.TITLE}, margin {plan.margin:g} {metric.UNIT}",
        ("Method", "Verdict, and why", "Each seed", "Mean",
         f"{100 * plan.level:g} % interval of the mean, and what it assumes",
         "Least gain, nats/token"),
        rows,
        "Margin, metric and level were fixed in the suite before any training. Least gain: the "
        "smallest fall of the loss on any domain, in any seed, when it was learned; below "
        f"{plan.learning_floor:g} a method is not judged. “Did not learn”: its mean gain is below "
        "half of naive's.",
    )  # fmt: skip


def _bounds(study: Study, order: int) -> Table:
    metric = registry.load("metric", study.suite.statistics.retention)
    rows: list[tuple[Cell, Cell]] = []
    for method in study.methods:
        if method in study.bounds:
            drift = by_seed(metric, study.loss(method, order))
            cell = mean_and_range(drift, DIGITS.get(metric.UNIT, 3), unit=metric.UNIT)
            rows.append((named(study, method, order), cell))
    return Table(
        "Bounds, for scale",
        ("Bound", f"{metric.TITLE}: mean, [least, largest seed]"),
        rows,
        "A bound is allowed what continual learning is not, such as keeping all data. It is not a "
        "competitor and gets no verdict.",
    )
