"""Which adapters hold-out items and probes were sent to, under each router."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from classay import registry
from classay.records import BASE_ALONE, RouteRow
from classay.reports.blocks import Cell, Details, Paragraph, Table, number
from classay.study import Study

Sent = Mapping[str, int]  # domain of the adapter -> how many


def confusions(study: Study, methods: Sequence[str], order: int) -> list[Details]:
    """The confusion of every router, a method at a time, all seeds together.

    choices  a router that looks at the base alone sends the same for every method: a table that
             equals the first method's is named and not shown again
    """
    found = {method: _tables(study, method, order) for method in methods}
    first = methods[0]
    blocks = []
    for method, tables in found.items():
        again = [t for t in tables if method != first and t in found[first]]
        own: list[Table | Paragraph] = [table for table in tables if table not in again]
        if again:
            said = "; ".join(table.caption for table in again)
            own.append(Paragraph(f"As under {first}: {said}."))
        blocks.append(
            Details(f"{method}: which adapters items and probes were sent to, all seeds", own)
        )
    return blocks


def _tables(study: Study, method: str, order: int) -> list[Table]:
    """Of items, then of probes if any."""
    rows = [row for run in study.routes(method, order) for row in run]
    tables = []
    for kind, sent in (("items", _items), ("probes", _probes)):
        for router in study.suite.evaluation.routers:
            found = [(row.domain, sent(row)) for row in rows if row.router == router]
            if any(sum(counts.values()) for _, counts in found):
                title = registry.load("router", router).TITLE
                tables.append(_table(title, kind, found, study.orders[order]))
    return tables


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
