"""Report section: where and with what the cells ran."""

from __future__ import annotations

from collections.abc import Iterator

from classay.evidence.rerun import Judged
from classay.records import CellRow, ResumeRow
from classay.reports.blocks import Block, Cell, Code, Definitions, Paragraph, Table
from classay.study import Study

TITLE = "Environment"


def build(study: Study, judged: Judged) -> list[Block]:
    """The blocks of this section."""
    begun = [record for record in study.cells if record.of(CellRow)]
    if not begun:
        return [Paragraph("No cell has begun.")]
    facts = [dict(_facts(record.head)) for record in begun]
    names = list(dict.fromkeys(name for fact in facts for name in fact))
    same: list[tuple[str, Cell]] = []
    rows: list[tuple[Cell, Cell, Cell]] = []
    for name in names:
        cells: dict[str, list[str]] = {}
        for record, fact in zip(begun, facts, strict=True):
            cells.setdefault(fact.get(name, "not recorded"), []).append(record.cell.name)
        if len(cells) == 1:
            value = next(iter(cells))
            same.append((name, Code(value) if name in ("commit", "code digest") else value))
        else:
            rows += [(name, Code(value), ", ".join(who)) for value, who in sorted(cells.items())]
    blocks: list[Block] = []
    if rows:
        note = (
            "Base, budget, number format, kind of device, threads and code are equal in all cells, "
            "or they would not be compared here. Another processor or GPU can change bits."
        )
        header = ("Circumstance", "Value", "Cells")
        blocks.append(Table("Cells differ in", header, rows, note, prose=True))
    else:
        blocks.append(Paragraph(f"All {len(begun)} cells ran under the same circumstances."))
    blocks.append(Definitions(same))
    if resumed := [r.cell.name for r in study.cells if r.of(ResumeRow)]:
        blocks.append(
            Paragraph(f"Interrupted, and continued from a checkpoint: {', '.join(resumed)}.")
        )
    return blocks


def _facts(head: CellRow) -> Iterator[tuple[str, str]]:
    yield "commit", head.commit or "not recorded"
    yield (
        "working tree",
        {True: "changed since the commit", False: "as committed"}.get(bool(head.dirty), "")
        if head.dirty is not None
        else "not recorded",
    )
    yield "code digest", head.code
    yield "device", head.device
    yield "threads", str(head.threads)
    yield "number format", head.dtype
    if head.attempt > 1:
        yield "attempt", str(head.attempt)
    yield from sorted(head.hardware.items())
    yield from sorted((f"version of {name}", value) for name, value in head.versions.items())
