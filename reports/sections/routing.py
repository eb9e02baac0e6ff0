"""Report section: what is kept when nobody tells a method which domain it is asked about."""

from __future__ import annotations

from types import ModuleType

from classay import registry
from classay.evidence.rerun import Judged
from classay.records import RouteRow
from classay.reports.blocks import Block, Cell, Code, Details, Paragraph, Stack, Table, number
from classay.reports.readings import mean_and_range, named, orders
from classay.study import Study

TITLE = "Routing"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        routed = [m for m in study.methods if any(study.routes(m, order))]
        if routed:
            blocks += [*heading, _losses(study, routed, order)]
            blocks += [_confusion(study, method, order) for method in routed]
    if not blocks:
        return [
            Paragraph(
                "No method of this run was scored under a router: it names none, or no method has "
                "an adapter a domain that has finished."
            )
        ]
    says = [f"{m.TITLE}: it is told {m.NEEDS}." for m in _routers(study)]
    return [
        Paragraph(
            "A method with an adapter a domain answers only as well as the choice of the adapter. "
            "Verdicts and instrument checks use the oracle. " + " ".join(says)
        ),
        *blocks,
    ]


def _routers(study: Study) -> list[ModuleType]:
    return [registry.load("router", name) for name in study.suite.evaluation.routers]


def _losses(study: Study, methods: list[str], order: int) -> Table:
    rows: list[list[Cell]] = []
    for name in study.suite.evaluation.routers:
        row: list[Cell] = [Stack(registry.load("router", name).TITLE, Code(name).text)]
        for method in methods:
            values = [_loss(rows_, name) for rows_ in study.routes(method, order) if rows_]
            row.append(mean_and_range(values, 3, sign=False))
        rows.append(row)
    return Table(
        "Mean hold-out loss over domains at the end, under each router (nats/token)",
        ("Router", *(named(study, method, order) for method in methods)),
        rows,
        "Mean over seeds, under it the least and the largest seed.",
    )


def _loss(rows: list[RouteRow], router: str) -> float:
    own = [row.total.nats / row.total.tokens for row in rows if row.router == router]
    return sum(own) / len(own)


def _confusion(study: Study, method: str, order: int) -> Details:
    domains = study.orders[order]
    tables = []
    for name in study.suite.evaluation.routers:
        sent = {(d, to): 0 for d in domains for to in domains}
        for rows in study.routes(method, order):
            for row in (r for r in rows if r.router == name):
                for to, count in row.sent.items():
                    sent[row.domain, to] += count
        right, whole = sum(sent[d, d] for d in domains), sum(sent.values())
        body: list[list[Cell]] = [
            [domain, *(number(sent[domain, to], 0) for to in domains)] for domain in domains
        ]
        title = registry.load("router", name).TITLE
        caption = f"{method}, {title}: {right} of {whole} items to their own domain's adapter"
        tables.append(Table(caption, ("items of", *(f"to {to}" for to in domains)), body))
    return Details(f"{method}: which adapters the items were sent to, all seeds", tables)
