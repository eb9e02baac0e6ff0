"""Whether the numbers may be read: what became of every cell, and of every check."""

from __future__ import annotations

from classay.evidence.instrument import Check
from classay.reports.blocks import Code, Mark, Stack, Table
from classay.reports.readings import without_paths
from classay.study import Study


def cells(study: Study) -> Table:
    """What became of every cell."""
    rows = []
    for record in study.records:
        end, done = record.end, record.state == "done"
        failure = end.failure if end and end.failure else ""
        error = without_paths(end.error or "") if end else ""
        state = Mark("good" if done else "bad", record.state)
        rows.append((Code(record.cell.name), state, failure or "–", error or "–"))
    return Table(
        "Every cell: method, order and seed",
        ("Cell", "State", "Kind of failure", "What it said"),
        rows,
        "Not every cell is done. Every number that lacks one is labelled incomplete.",
        prose=True,
    )


def checks(found: list[Check]) -> Table:
    """What became of every check of the instrument."""
    marks = {
        True: Mark("good", "passed"),
        False: Mark("bad", "FAILED"),
        None: Mark("unknown", "not made"),
    }
    rows = [
        (Stack(check.name, check.meaning), Stack(marks[check.passed], check.found))
        for check in found
    ]
    return Table(
        "Is the instrument sound?",
        ("Check, and what it means", "Result, and what was found"),
        rows,
        "Each check compares two measurements that were really made. One failure, and every "
        "verdict is “instrument failed”.",
        prose=True,
    )
