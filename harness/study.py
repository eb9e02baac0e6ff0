"""Ledgers to arrays; refuses to compare what is not comparable.

Everything from here on is a pure function of the ledgers. Arrays have one row a seed, in the order
of the suite's seeds, and hold only cells that are done; what is missing is named by ``missing`` and
must be shown wherever an aggregate is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classay import registry
from classay.errors import ConfigError, StreamMismatch, UnknownName
from classay.layout import RunFolder, cells
from classay.ledger import read
from classay.recorded import CellRecord, recorded
from classay.records import (
    AnswerRow,
    AnyRow,
    CellRow,
    EvalRow,
    PhaseRow,
    RouteRow,
    Sums,
    TaskRow,
)
from classay.suite import Suite

Floats = NDArray[np.float64]
# What must be equal for two cells to be compared, and what to call it.
COMPARABLE = {
    "base": "base model",
    "budget": "token budget",
    "dtype": "number format",
    "device": "kind of device",
    "threads": "thread count",
    "code": "version of the code that trains and measures",
    "suite": "suite",
}


@dataclass(frozen=True)
class Study:
    """One run, ready to be judged.

    raises  StreamMismatch   when two cells under one seed and order were offered different data, or
                             any two started from another base or spent another budget
    """

    folder: RunFolder
    setting: dict[str, Any]
    suite: Suite
    cells: tuple[CellRecord, ...]
    redrawn: tuple[CellRecord, ...] = ()  # FROZEN under other draws; in no table of the methods
    excerpt_of: Study | None = None

    def __post_init__(self) -> None:
        begun = [record for record in self.records if record.of(CellRow)]
        for key, name in COMPARABLE.items():
            _same(begun, key, name, lambda r, key=key: getattr(r.head, key))
        for seed in self.suite.seeds:
            for order in range(len(self.orders)):
                pair = [r for r in begun if (r.cell.seed, r.cell.order) == (seed, order)]
                _same(pair, "stream", "stream of offered batches", lambda r: r.head.stream)

    @property
    def records(self) -> tuple[CellRecord, ...]:
        """Every cell of the run."""
        return (*self.cells, *self.redrawn)

    @cached_property
    def orders(self) -> list[list[str]]:
        """The orders of domains."""
        return self.suite.all_orders()

    @property
    def methods(self) -> list[str]:
        """Every method, in the suite's order."""
        return list(self.suite.methods)

    @property
    def whole(self) -> Study:
        """The run itself, which an excerpt is judged with: a fault is a fault of all of it."""
        return self.excerpt_of or self

    @property
    def left_out(self) -> list[str]:
        """Methods of the run that an excerpt is without."""
        return [name for name in self.whole.methods if name not in self.methods]

    @cached_property
    def bounds(self) -> set[str]:
        """Methods that are bounds, not competitors; one that has not begun is asked itself."""
        begun = {r.cell.method: r.head.bound for r in self.cells if r.of(CellRow)}
        named = self.suite.method_of
        return {m for m in self.methods if (begun[m] if m in begun else _is_bound(named(m)))}

    @property
    def competitors(self) -> list[str]:
        """Methods that are not bounds."""
        return [method for method in self.methods if method not in self.bounds]

    def only(self, methods: Sequence[str]) -> Study:
        """An excerpt: the same run, of which only these methods are shown.

        raises  UnknownName   when the run has no such method
        """
        for name in methods:
            if name not in self.methods:
                raise UnknownName("method", name, self.methods, "Ask for methods of this run.")
        kept = {name: self.suite.methods[name] for name in self.methods if name in methods}
        return replace(
            self,
            suite=self.suite.model_copy(update={"methods": kept, "candidates": {}}),
            cells=tuple(record for record in self.cells if record.cell.method in kept),
            excerpt_of=self.whole,
        )

    def runs(self, method: str, order: int = 0) -> list[CellRecord]:
        """A method's cells that are done, in the order of the seeds."""
        return [r for r in self._all(method, order) if r.state == "done"]

    def missing(self, method: str, order: int = 0) -> list[CellRecord]:
        """A method's cells that are not done: any mean without them is incomplete."""
        return [r for r in self._all(method, order) if r.state != "done"]

    def loss(self, method: str, order: int = 0) -> Floats:
        """Hold-out loss, (seeds, T + 1, T) in nats per token; row 0 before training.

        Columns are the domains in the order in which they were learned.
        """
        return self.losses(self.runs(method, order), order)

    def losses(self, runs: Sequence[CellRecord], order: int = 0) -> Floats:
        """Hold-out loss of some cells of one order, as ``loss``."""
        return self._table(runs, order, self.orders[order])

    def general(self, method: str, order: int = 0) -> Floats:
        """Hold-out loss on general text, never trained on: (seeds, T + 1) in nats per token."""
        runs, general = self.runs(method, order), self.suite.stream.general
        if general is None:
            return np.full((len(runs), len(self.orders[order]) + 1), np.nan)
        return self._table(runs, order, [general.name])[:, :, 0]

    def accuracy(self, method: str, order: int = 0) -> Floats:
        """Share of probes answered correctly, (seeds, T + 1, T); nan where there are no probes."""
        return self.accuracies(self.runs(method, order), order)

    def accuracies(self, runs: Sequence[CellRecord], order: int = 0) -> Floats:
        """Share of probes answered correctly by some cells of one order, as ``accuracy``."""
        domains = self.orders[order]
        table = np.full((len(runs), len(domains) + 1, len(domains)), np.nan)
        for i, run in enumerate(runs):
            for after in range(-1, len(domains)):
                for j, domain in enumerate(domains):
                    right, asked = self.answered(run, after, [domain])
                    if asked:
                        table[i, after + 1, j] = right / asked
        return table

    def answered(self, run: CellRecord, after: int, domains: Sequence[str]) -> tuple[int, int]:
        """Probes of some domains that one cell answered correctly, and how many it was asked."""
        rows = [r for r in run.of(AnswerRow) if r.after == after and r.domain in domains]
        return sum(row.correct for row in rows), len(rows)

    def task(self, name: str, method: str, order: int = 0) -> list[list[TaskRow]]:
        """How a task of lm-eval was answered, from before training on: one list a seed."""
        rows = (run.of(TaskRow) for run in self.runs(method, order))
        return [
            sorted((r for r in found if r.task == name), key=lambda r: r.after) for found in rows
        ]

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks of lm-eval that were asked, in the suite's order."""
        rows = [row for run in self.cells for row in run.of(TaskRow)]
        return list(dict.fromkeys(row.task for row in rows))

    def routes(self, method: str, order: int = 0) -> list[list[RouteRow]]:
        """How every router sent a method's hold-outs on, at the end: one list a seed."""
        return [run.of(RouteRow) for run in self.runs(method, order)]

    def phases(self, method: str, order: int = 0) -> list[list[PhaseRow]]:
        """The phase rows of a method's cells that are done: one list a seed."""
        return [run.of(PhaseRow) for run in self.runs(method, order)]

    @cached_property
    def tokens(self) -> dict[str, Any]:
        """What the stream's file says of every domain: records, items, probes; by domain."""
        path = self.folder.stream / "stream.json"
        if not path.exists():
            return {}
        domains: dict[str, Any] = json.loads(path.read_text("utf-8"))["domains"]
        return domains

    def check(self, name: str) -> list[AnyRow]:
        """The rows of an instrument check; none if it was not run, or was killed while writing."""
        path = self.folder.check(name) / "ledger.jsonl"
        return read(path) if path.exists() and path.read_bytes().endswith(b"\n") else []

    def _all(self, method: str, order: int) -> list[CellRecord]:
        return [r for r in self.cells if (r.cell.method, r.cell.order) == (method, order)]

    def _table(self, runs: Sequence[CellRecord], order: int, columns: Sequence[str]) -> Floats:
        table = np.full((len(runs), len(self.orders[order]) + 1, len(columns)), np.nan)
        for i, run in enumerate(runs):
            for row in run.of(EvalRow):
                if row.split == "holdout" and row.domain in columns and row.ablation is None:
                    table[i, row.after + 1, columns.index(row.domain)] = _nats_per_token(row.total)
        return table


def load(path: Path) -> Study:
    """Read a run's folder.

    raises  ConfigError      when it is not one
            LedgerError      when a ledger does not chain
            StreamMismatch   when its cells are not comparable
    """
    folder = RunFolder(path)
    if not folder.about.exists():
        raise ConfigError(
            f"{path} has no run.json, so it is not the folder of a run.\n"
            f"  `classay run SUITE` makes one and prints where it lies."
        )
    setting, suite = folder.read()
    found = [recorded(folder, cell) for cell in cells(suite)]
    compared = tuple(record for record in found if not record.cell.draw)
    redrawn = tuple(record for record in found if record.cell.draw)
    return Study(folder, setting, suite, compared, redrawn)


def _is_bound(method: str) -> bool:
    return bool(registry.load("method", method).METHOD.bound)


def _nats_per_token(total: Sums) -> float:
    return total.nats / total.tokens


def _same(records: Sequence[CellRecord], key: str, name: str, value: Any) -> None:
    for record in records[1:]:
        if value(record) != value(records[0]):
            raise StreamMismatch(
                f"{record.cell.name} and {records[0].cell.name} differ in {key}: the {name} is "
                f"{value(record)} in one and {value(records[0])} in the other.\n"
                f"  Cells are compared only when both had the same. Run them again together."
            )
