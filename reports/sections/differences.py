"""Report section: each method minus the reference, on the same seeds, beside the noise floor."""

from __future__ import annotations

from classay.errors import ConfigError
from classay.evidence.comparison import Compared, Comparison, compare
from classay.evidence.quantities import DIGITS
from classay.evidence.rerun import Judged
from classay.reports.blocks import Block, Cell, Number, Paragraph, Stack, Table, number
from classay.reports.readings import listed, named, noise, not_estimable, orders
from classay.statistics.paired_difference import EQUAL
from classay.study import Study

TITLE = "Differences"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    reference = study.suite.statistics.reference
    others = [method for method in study.competitors if method != reference]
    if reference not in study.methods or not others:
        lacks = "no other method is" if reference in study.methods else "it is not"
        return [Paragraph(f"The plan's reference is {reference}, and {lacks} shown here.")]
    blocks: list[Block] = [
        Paragraph(
            f"Each method minus {reference}, seed by seed: under one seed both began with the same "
            "weights and were offered the same batches. The exact p counts the patterns of signs "
            "that are as far out; with few seeds it cannot be small, whatever was measured. Beside "
            "each difference stands how far frozen moves against itself."
        )
    ]
    for order, heading in orders(study):
        found = [f for m in others if (f := _compared(study, m, reference, order))]
        titles = dict.fromkeys(c.title for comparison in found for c in comparison.compared)
        blocks += [*heading, *(_table(study, found, title, order) for title in titles)]
    return blocks


def _compared(study: Study, method: str, reference: str, order: int) -> Comparison | None:
    try:
        return compare(study, method, reference, order)
    except ConfigError:  # no seed that both have finished; the tables of cells say so
        return None


def _table(study: Study, found: list[Comparison], title: str, order: int) -> Table:
    rows: list[list[Cell]] = []
    lots = [(f, c) for f in found for c in f.compared if c.title == title]
    for comparison, c in lots:
        digits = DIGITS.get(c.unit, 3)
        differences = [a - b for a, b in zip(c.a, c.b, strict=True)]
        rows.append(
            [named(study, comparison.method_a, order), *_estimate(c), listed(differences, digits)]
        )
    first = lots[0][1]
    assumed = {c.difference.assumption if c.difference else "one seed has none" for _, c in lots}
    better = "lower" if first.lower_is_better else "higher"
    reference = study.suite.statistics.reference
    return Table(
        f"{title}, minus {reference}'s ({first.unit}; {better} is better)",
        ("Method", "Mean and t interval", "Exact p, least possible", "Each seed"),
        rows,
        f"Interval at {100 * study.suite.statistics.level:g} %: {'; or '.join(sorted(assumed))}. "
        f"{noise(first.noise, first.unit)}",
    )


def _estimate(c: Compared) -> tuple[Cell, Cell]:
    d = c.difference
    if d is None:
        return number(c.a[0] - c.b[0], DIGITS.get(c.unit, 3), True), not_estimable(1)
    equal = ", all equal" if d.assumption == EQUAL else ""
    mean = Stack(
        number(d.estimate, DIGITS.get(c.unit, 3), True),
        Number(
            (d.low, d.high), DIGITS.get(c.unit, 3), True, "", f"[{{}}, {{}}]  n = {d.runs}{equal}"
        ),
    )
    if d.p_exact is None:
        return mean, "too many pairs to count"
    return mean, Stack(number(d.p_exact, 4), Number((d.p_floor,), 4, pattern="no less than {}"))
