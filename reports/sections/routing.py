"""Report section: what is kept when nobody tells a method which domain it is asked about."""

from __future__ import annotations

from types import ModuleType

from classay import registry
from classay.evidence.rerun import Judged
from classay.records import RouteRow
from classay.reports.blocks import Block, Cell, Code, Paragraph, Stack, Table, number
from classay.reports.readings import mean_and_range, named, orders, upright
from classay.reports.sections._confusion import confusions
from classay.reports.sections._margins import margins
from classay.reports.sections._routed_answers import routed_answers
from classay.study import Study

TITLE = "Routing"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    blocks: list[Block] = []
    for order, heading in orders(study):
        routed = [m for m in study.methods if any(study.routes(m, order))]
        if routed:
            blocks += [*heading, _losses(study, routed, order)]
            blocks.append(routed_answers(study, routed, order))
            blocks += margins(study, routed, order)
            blocks += confusions(study, routed, order)
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
    names = study.suite.evaluation.routers

    def shown(router: str, method: str) -> Cell:
        values = [_loss(found, router) for found in study.routes(method, order) if found]
        return mean_and_range(values, 3, sign=False)

    routers: list[Cell] = [Stack(registry.load("router", n).TITLE, Code(n).text) for n in names]
    heads: list[Cell] = [*(named(study, method, order) for method in methods), "Bytes kept"]
    table = [
        [*(shown(name, method) for method in methods), _kept(study, methods, order, name)]
        for name in names
    ]
    header, rows = upright(("Router", routers), ("Method", heads), table)
    return Table(
        "Mean hold-out loss over domains at the end, under each router (nats/token)",
        header,
        rows,
        "Mean over seeds, under it the least and the largest seed. Bytes kept are what the router "
        "keeps of the training text of all domains, beside the adapters.",
    )


def _kept(study: Study, methods: list[str], order: int, router: str) -> Cell:
    found = {
        row.kept_bytes
        for method in methods
        for run in study.routes(method, order)
        for row in run
        if row.router == router and row.kept_bytes is not None
    }
    return number(max(found), 0) if found else "not recorded"


def _loss(rows: list[RouteRow], router: str) -> float:
    own = [row.total.nats / row.total.tokens for row in rows if row.router == router]
    return sum(own) / len(own)
