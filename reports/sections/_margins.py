"""How sure each router was, where it was right and where it was wrong."""

from __future__ import annotations

from collections.abc import Sequence

from classay import registry
from classay.records import Margin, RouteRow
from classay.reports.blocks import Block, Cell, Code, Number, Paragraph, Stack, Table, number
from classay.reports.readings import named
from classay.study import Study

DIGITS = 3
KINDS = ("items", "probes")


def margins(study: Study, methods: list[str], order: int) -> list[Block]:
    """Mean margins of every method and router that scores; a sentence if none was recorded."""
    scoring = [name for name in study.suite.evaluation.routers if _unit(name)]
    if not scoring:
        return []
    rows: list[list[Cell]] = []
    for method in methods:
        found = [row for run in study.routes(method, order) for row in run if row.margins]
        for router in scoring:
            own = [row for row in found if row.router == router]
            if own:
                title = Stack(registry.load("router", router).TITLE, Code(router).text)
                rows.append([named(study, method, order), title, _unit(router), *_means(own)])
    if not rows:
        return [Paragraph("The ledgers hold no margin of a router.")]
    return [
        Table(
            "How sure each router was, after the last phase, all domains and seeds pooled",
            ("Method", "Router", "Unit of its scores", "Items, right", "Items, wrong",
             "Probes, right", "Probes, wrong"),
            rows,
            "Mean margin: how far the best of a router's scores for an item lies above the second "
            "best. Right is what was sent to its own domain's adapter, and wrong to another's. "
            "Margins of two routers are in units of their own and cannot be compared. Under a mean "
            "is how many margins it is of, the same items under every seed; an item of which "
            "nothing is known has none.",
        )
    ]  # fmt: skip


def _unit(router: str) -> str:
    """What a router's scores are counted in; empty if it scores nothing."""
    module = registry.load("router", router)
    return str(module.UNIT) if hasattr(module, "scores") else ""


def _means(rows: Sequence[RouteRow]) -> list[Cell]:
    found = {kind: [row.margins[kind] for row in rows if kind in row.margins] for kind in KINDS}
    return [
        _mean([getattr(each, place) for each in found[kind]])
        for kind in KINDS
        for place in ("right", "wrong")
    ]


def _mean(sums: Sequence[Margin]) -> Cell:
    count = sum(each.items for each in sums)
    if not count:
        return "none"
    mean = sum(each.total for each in sums) / count
    return Stack(number(mean, DIGITS), Number((count,), 0, pattern="n = {}"))
