"""One cell as its ledger tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from classay.layout import Cell, RunFolder
from classay.ledger import read
from classay.records import AnyRow, CellRow, EndRow, EvalRow, Row

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class CellRecord:
    """One cell as its ledger tells it."""

    cell: Cell
    state: Literal["pending", "running", "done", "failed"]
    rows: tuple[AnyRow, ...]

    def of(self, kind: type[R]) -> list[R]:
        """Its rows of one kind, in order."""
        return [row for row in self.rows if isinstance(row, kind)]

    @property
    def head(self) -> CellRow:
        """What was in force when it began; a cell that died before its first row has none."""
        return self.of(CellRow)[0]

    @property
    def end(self) -> EndRow | None:
        """How it ended."""
        ends = self.of(EndRow)
        return ends[0] if ends else None

    def evaluation(self, after: int, domain: str, split: str = "holdout") -> EvalRow:
        """One evaluation of a cell that is done."""
        return next(
            row
            for row in self.of(EvalRow)
            if (row.after, row.domain, row.split, row.ablation) == (after, domain, split, None)
        )


def recorded(folder: RunFolder, cell: Cell) -> CellRecord:
    """What has become of a cell.

    raises  LedgerError   when its ledger does not chain
    """
    path = folder.cell(cell) / "ledger.jsonl"
    if not path.exists():
        return CellRecord(cell, "pending", ())
    if not path.read_bytes().endswith(b"\n"):
        return CellRecord(cell, "running", ())
    rows = tuple(read(path, cell.name))
    last = rows[-1] if rows else None
    if not isinstance(last, EndRow):
        return CellRecord(cell, "running", rows)
    return CellRecord(cell, last.status, rows)
