"""Which adapters hold-out items and probes were sent to, under each router."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from classay import registry
from classay.records import BASE_ALONE, RouteRow
from classay.reports.blocks import Cell, Details, Table, number
from classay.study import Study

Sent = Mapping[str, int]  # domain of the adapter -> how many


def confusion(study: Study, method: str, order: int) -> Details:
    """The confusion of every router, all seeds together: of items, then of probes if any."""
    rows = [row for run in study.routes(method, order) for row in run]
    tables = []
    for kind, sent in (("items", _items), ("probes", _probes)):
        for router in study.suite.evaluation.routers:
            found = [(row.domain, sent(row)) for row in rows if row.router == router]
            if any(sum(counts.values()) for _, counts in found):
                title = registry.load("router", router).TITLE
                tables.append(_table(title, kind, found, study.orders[order]))
    return Details(f"{method}: which adapters items and probes were sent to, all seeds", tables)


def _items(row: RouteRow) -> Sent:
    return row.sent


def _probes(row: RouteRow) -> Sent:
    return Counter(each.to for each in row.answers)


def _table(title: str, kind: str, found: list[tuple[str, Sent]], domains: list[str]) -> Table:
    sent = {(d, to): 0 for d in domains for to in (*domains, BASE_ALONE)}
    for domain, counts in found:
        for to, count in counts.items():
            sent[domain, to] += count
    right, whole = sum(sent[d, d] for d in domains), sum(sent.values())
    base = sum(sent[d, BASE_ALONE] for d in domains)
    caption = f"{title}: {right} of {whole} {kind} to their own domain's adapter"
    # no adapter is neither the right one nor a wrong one, so it has a column of its own
    caption += f", {base} to none" if base else ""
    columns = {to: f"to {to}" for to in domains} | ({BASE_ALONE: BASE_ALONE} if base else {})
    body: list[list[Cell]] = [
        [domain, *(number(sent[domain, to], 0) for to in columns)] for domain in domains
    ]
    return Table(caption, (f"{kind} of", *columns.values()), body)
