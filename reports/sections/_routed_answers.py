"""Questions answered when a router chose the adapter."""

from __future__ import annotations

from classay import registry
from classay.records import RouteRow
from classay.reports.blocks import Block, Cell, Code, Paragraph, Stack, Table
from classay.reports.readings import named, right_of
from classay.study import Study


def routed_answers(study: Study, methods: list[str], order: int) -> Block:
    """Correct and asked of every method, router and seed; a sentence if nothing was asked."""
    seeds = study.suite.seeds
    rows: list[list[Cell]] = []
    for method in methods:
        of = {run.cell.seed: run.of(RouteRow) for run in study.runs(method, order)}
        if not any(row.answers for routes in of.values() for row in routes):
            continue
        for router in study.suite.evaluation.routers:
            title = Stack(registry.load("router", router).TITLE, Code(router).text)
            cells = [
                _right(study, of[seed], router) if seed in of else "no value" for seed in seeds
            ]
            rows.append([named(study, method, order), title, *cells])
    if not rows:
        return Paragraph("The ledgers hold no probe that was answered under a router.")
    return Table(
        "Probes answered under each router, after the last phase, all domains pooled",
        ("Method", "Router", *(f"Seed {seed}" for seed in seeds)),
        rows,
        f"Correct / asked, with Wilson's {100 * study.suite.statistics.level:g} % interval of the "
        "share, if questions are independent. Seeds answer the same questions and are therefore "
        "not pooled. A router sees the words before the choices, and not the choices. A question "
        "that was sent to another domain's adapter can still be answered correctly.",
    )


def _right(study: Study, routes: list[RouteRow], router: str) -> Cell:
    answers = [each for row in routes if row.router == router for each in row.answers]
    right = sum(each.correct for each in answers)
    return right_of(right, len(answers), study.suite.statistics.level)
