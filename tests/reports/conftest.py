"""A small study made by hand: no model, no clock, every loss chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classay.layout import Cell, RunFolder
from classay.recorded import CellRecord
from classay.records import (
    AnswerRow,
    CellRow,
    EndRow,
    EvalRow,
    InvariantRow,
    PhaseRow,
    RepresentationRow,
    Row,
    StepRow,
    Sums,
    TraceRow,
    digest,
)
from classay.study import Study
from classay.suite import Suite

DOMAINS = ("first", "second", "third")
TOKENS = 1000
Build = Callable[..., Study]


def _file(name: str) -> dict[str, str]:
    return {"kind": "jsonl", "path": f"{name}.jsonl"}


def _suite(changes: Mapping[str, Any]) -> Suite:
    plain: dict[str, Any] = {
        "name": "by_hand",
        "title": "Three domains by hand",
        "intended_use": "Shows the report of a run to a test.",
        "stream": {
            "domains": [
                {"name": name, "source": _file(name), "licence": "CC0"} for name in DOMAINS
            ],
            "general": {"name": "plain", "source": _file("plain"), "licence": "CC0"},
        },
        "training": {"tokens_per_domain": 2048, "batch": 8, "learning_rate": 0.01},
        "methods": {"naive_lora": None, "frozen": None},
        "seeds": [0, 1, 2],
    }
    for dotted, value in changes.items():
        at = plain
        *parents, last = dotted.split(".")
        for parent in parents:
            at = at[int(parent)] if isinstance(at, list) else at.setdefault(parent, {})
        at[last] = value
    return Suite.model_validate(plain)


def _loss(method: str, seed: int, after: int, column: int) -> float:
    """Learned from 4 to 2 nats; naive then rises by a tenth a phase, more in later seeds."""
    if after < column:
        return 4.0
    later = after - column
    still = {"frozen": 2.1, "joint": 1.9, "lazy": 3.2, "half": 3.0}
    return still.get(method, 2.0 + later * (0.2 + 0.01 * seed))


def _head(suite: Suite, setting: Mapping[str, Any], cell: Cell) -> CellRow:
    return CellRow(
        suite=setting["identity"],
        method=cell.method,
        config={},
        bound=cell.method == "joint",
        seed=cell.seed,
        order=suite.all_orders()[cell.order],
        stream=digest(["stream", cell.seed, cell.order]),
        base="b" * 64,
        budget=2048,
        dtype="fp32",
        device="cpu",
        threads=1,
        code="c" * 64,
        attempt=1,
        started="2026-01-01T00:00:00+00:00",
        versions={"classay": "0.1.0"},
        hardware={"processor": "a processor"},
        commit="d" * 40,
        dirty=False,
    )


def _sums(nats: float, items: int = 8) -> Sums:
    return Sums(nats=nats, tokens=TOKENS, bytes=4000, items=items)


def _rows(suite: Suite, setting: Mapping[str, Any], cell: Cell) -> list[Row]:
    order = suite.all_orders()[cell.order]
    rows: list[Row] = [_head(suite, setting, cell)]
    for after in range(-1, len(order)):
        for column, domain in enumerate([*order, "plain"]):
            loss = _loss(cell.method, cell.seed, after, column) if domain != "plain" else 3.0
            rows.append(
                EvalRow(
                    after=after,
                    domain=domain,
                    split="holdout",
                    route="oracle",
                    process="cell",
                    total=_sums(loss * TOKENS),
                    by_source={},
                    by_subject={},
                    plan="p",
                    per_item=digest([domain, loss]),
                    seconds=0.5,
                )
            )
            rows += [
                AnswerRow(
                    after=after,
                    domain=domain,
                    item=f"{domain}-{i}",
                    source="all",
                    prompt="q",
                    expected="a",
                    correct=i <= after,
                    choices=4,
                    rater="least summed nats over the choices",
                )
                for i in range(4)
            ]
        if after < 0:
            continue
        rows += [
            StepRow(
                phase=after,
                step=step,
                terms={"lm": 3.0},
                gradient_norm=1.0,
                layer_gradient_norms={"0": 1.0},
                lr=0.01,
                tokens=1024,
                batch=f"batch-{step}",
                seconds=0.5 + cell.seed / 20,
                shared="shared/first" if after == 0 else None,
            )
            for step in range(2)
        ]
        rows.append(
            PhaseRow(
                phase=after,
                domain=order[after],
                steps=2,
                offered=digest([f"batch-{step}" for step in range(2)]),
                tokens_offered=2048,
                tokens_trained=2048,
                trainable=1200,
                stored_bytes=0,
                stored_examples=0,
                adapters={},
                state={},
                base_before="b" * 64,
                base_after="b" * 64,
                seconds=1.0 + cell.seed / 10,
                peak_bytes=2**28,
                shared="shared/first" if after == 0 else None,
            )
        )
        rows += [
            RepresentationRow(after=after, domain=earlier, layers=[0.0, 0.25])
            for earlier in order[:after]
        ]
        rows.append(
            InvariantRow(
                phase=after,
                step=0,
                name="norm",
                layer="all",
                value=1.0,
                promised=1.0,
                tolerance=0.0,
            )
        )
    rows.append(EndRow(status="done", base="b" * 64, rows=len(rows), head="h", seconds=9.0))
    return rows


def _record(suite: Suite, setting: Mapping[str, Any], cell: Cell, error: str | None) -> CellRecord:
    rows = _rows(suite, setting, cell)
    if error is None:
        return CellRecord(cell, "done", tuple(rows))
    end = EndRow(
        status="failed",
        failure="diverged",
        error=error,
        base="b" * 64,
        rows=1,
        head="h",
        seconds=1.0,
    )
    return CellRecord(cell, "failed", (rows[0], end))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Make a study.

    changes  dotted key of the suite -> value
    failed   name of a cell -> what it said
    """

    def make(
        changes: Mapping[str, Any] | None = None, failed: Mapping[str, str] | None = None
    ) -> Study:
        suite, failed = _suite(changes or {}), failed or {}
        names = [*DOMAINS, "plain"]
        setting = {
            "identity": "1" * 64,
            "code": "c" * 64,
            "parameters": 123456,
            "content": {key: digest(key) for key in ("base", *(f"domain {n}" for n in names))},
            "overlap": [
                {"domain": n, "items": 8, "exact": [], "shared": [], "largest": 0.125}
                for n in names
            ],
            "leak": [{"domain": n, "prompts": 8, "own": 1, "others": 0} for n in names],
        }
        cells = [
            Cell(method, seed, order)
            for order in range(len(suite.all_orders()))
            for method in suite.methods
            for seed in suite.seeds
        ]
        records = [_record(suite, setting, cell, failed.get(cell.name)) for cell in cells]
        about = {"domains": {name: {"train_records": 77} for name in names}}
        (tmp_path / "stream").mkdir(exist_ok=True)
        (tmp_path / "stream" / "stream.json").write_text(json.dumps(about), "utf-8")
        return Study(RunFolder(tmp_path), setting, suite, tuple(records))

    return make


@pytest.fixture
def mixing() -> Callable[[Study], Study]:
    """Make a study whose methods named crma… trace a mechanism and were scored without it."""

    def mix(study: Study) -> Study:
        cells = [
            replace(record, rows=tuple(new for row in record.rows for new in _mixed(row)))
            if record.cell.method.startswith("crma")
            else record
            for record in study.cells
        ]
        return replace(study, cells=tuple(cells))

    def _mixed(row: Row) -> list[Row]:
        if isinstance(row, PhaseRow):
            values = {"row sums": [0.0, 1e-7], "α": [0.5, 0.4], "‖g − I‖": [0.25, 0.2]}
            promised = {"row sums": (0.0, 2e-6)}
            traced = [
                TraceRow(
                    phase=row.phase,
                    step=step,
                    layers=["0", "1"],
                    values=values,
                    promised=promised,
                )
                for step in (1, 2)
            ]
            return [*traced, row]
        if isinstance(row, EvalRow) and row.domain in DOMAINS[: row.after + 1]:
            total = row.total.model_copy(update={"nats": row.total.nats + 0.125 * TOKENS})
            return [row, row.model_copy(update={"ablation": "crma", "total": total})]
        return [row]

    return mix


@pytest.fixture
def moved() -> Callable[[Study], Study]:
    """Make a study whose FROZEN drifted, which only a broken instrument can measure."""

    def move(study: Study) -> Study:
        cells: Sequence[CellRecord] = [
            replace(record, rows=tuple(map(_move, record.rows)))
            if record.cell.method == "frozen"
            else record
            for record in study.cells
        ]
        return replace(study, cells=tuple(cells))

    def _move(row: Row) -> Row:
        if isinstance(row, EvalRow) and (row.after, row.domain) == (2, "first"):
            return row.model_copy(update={"per_item": "other"})
        return row

    return move
