"""A run's folder written by hand, without torch: every number in it can be worked out on paper.

::

    own       6.25 nats/token on every domain just after it was learned, by every method
    naive     its two earlier domains end 8 and 12 % above that under seed 0, 10 and 14 % under
              seed 1, 12 and 16 % under seed 2: a drift of 10, 12 and 14 %
    frozen    stays where it was; what it has not learned is the base's
    joint     falls by 0.5 nats/token with every further phase
    noise     FROZEN under other draws is (seed + 1) / 16 nats/token above itself once a domain is
              learned; in another batch layout its first domain is 3/64 above itself

All of these are multiples of 1/64 nat and of powers of two, so the arithmetic on them is exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from classay import circumstances
from classay import stream as streams
from classay.layout import Cell, RunFolder, cells, write_atomically
from classay.ledger import Ledger, facts, read
from classay.packing import IGNORED, Batch, Items, Probe
from classay.provenance import manifest
from classay.records import (
    AnswerRow,
    AnyRow,
    CellRow,
    EndRow,
    EvalRow,
    InvariantRow,
    PhaseRow,
    RepresentationRow,
    StepRow,
    Sums,
    canonical,
    digest,
)
from classay.suite import Suite

TOKENS = 64  # of every evaluation: two items of 32
OWN = 6.25
BASE = {"river": 8.0, "oven": 7.5, "clock": 9.0, "street": 8.5}
RISES = {0: (8, 12), 1: (10, 14), 2: (12, 16)}  # per cent, of the first and the second domain
BASE_TENSORS = digest("the base's tensors")
CODE = circumstances.code()  # of what is installed: a run of another program is not gone on with


def suite_of(**changes: Any) -> Suite:
    """Three domains, a general one, three methods, three seeds, four steps a domain."""

    def domain(name: str) -> dict[str, Any]:
        source = {"kind": "jsonl", "path": f"{name}.jsonl"}
        return {"name": name, "source": source, "licence": "none"}

    plain: dict[str, Any] = {
        "name": "recorded",
        "title": "A run written by hand",
        "intended_use": "Tests of what judges; no model was ever trained.",
        "stream": {
            "domains": [domain(name) for name in ("river", "oven", "clock")],
            "general": domain("street"),
            "block": 16,
        },
        "training": {"tokens_per_domain": 256, "batch": 4, "learning_rate": 0.02},
        "methods": {"naive_lora": {}, "frozen": {}, "joint": {}},
        "seeds": [0, 1, 2],
        "evaluation": {"items_per_domain": 2, "batch_items": 4, "probes_per_domain": 2},
        "statistics": {"accept": ["frozen"]},
    } | changes
    # one cell a method, seed and order, unless a test asks for more
    plain["statistics"] = {"noise_draws": 0} | plain["statistics"]
    return Suite.model_validate(plain)


class _Pen:
    """Writes one run."""

    def __init__(
        self,
        path: Path,
        suite: Suite,
        rises: Mapping[int, tuple[float, float]],
        base: Mapping[str, float],
        bare: bool,
    ) -> None:
        self.folder, self.suite, self.rises, self.base = RunFolder(path), suite, rises, base
        self.bare = bare
        names = [domain.name for domain in suite.evaluated()]
        self.stream = streams.Stream(
            {name: _tokens(name) for name in names}, suite.training.batch, suite.steps
        )
        if not bare:
            streams.save(self.stream, self.folder.stream)
        content = {"base": digest("the base's files")}
        content |= {f"domain {name}": self.stream.domains[name].records for name in names}
        self.identity = digest([suite.identity(content), "cpu", 1])
        about = {
            "schema": 1,
            "identity": self.identity,
            "content": content,
            "suite": suite.model_dump(mode="json"),
            "base": "/nowhere/base",
            "parameters": 1000,
            "device": "cpu",
            "threads": 1,
            "code": CODE,
            "libraries": circumstances.libraries(),
            "overlap": [
                {"domain": n, "items": 4, "exact": [], "shared": [], "largest": 0.25} for n in names
            ],
            "leak": [{"domain": n, "prompts": 2, "own": 0, "others": 0} for n in names],
        }
        # not sorted: the order of the methods is the suite's
        write_atomically(self.folder.about, json.dumps(about).encode())

    def base_alone(self) -> None:
        ledger = Ledger(self.folder.shared("base") / "ledger.jsonl", "shared/base")
        order = self.suite.all_orders()[0]
        ledger.append(self._measured(Cell("joint", 0, 0), order, -1))
        ledger.end(status="done", base=BASE_TENSORS, seconds=0.5)

    def cell(self, cell: Cell, state: str) -> None:
        order = self.suite.all_orders()[cell.order]
        ledger = Ledger(self.folder.cell(cell) / "ledger.jsonl", cell.name)
        shared = {"shared": "shared/base"}
        rows: list[AnyRow] = [self._head(cell, order)]
        rows += [row.model_copy(update=shared) for row in self._measured(cell, order, -1)]
        for index in range(len(order) if state == "done" else 1):
            rows += self._learned(cell, order, index)
            rows += self._measured(cell, order, index)
            rows.append(self._evaluated(order[index], index, OWN, "validation"))
            for earlier in order[:index]:
                rows.append(RepresentationRow(after=index, domain=earlier, layers=[0.0, 0.125]))
        ledger.append(rows)
        if state == "done":
            ledger.end(status="done", base=BASE_TENSORS, seconds=4.0)
        elif state == "failed":
            ledger.end(
                status="failed",
                failure="diverged",
                error="phase 1 (oven), step 0: lm = nan",
                base=BASE_TENSORS,
                seconds=2.0,
            )

    def fresh(self, cell: Cell) -> None:
        order = self.suite.all_orders()[cell.order]
        name = f"fresh-{cell.name}"
        ledger = Ledger(self.folder.check(name) / "ledger.jsonl", f"checks/{name}")
        loss = self._loss(cell, order, len(order) - 1, order[-1])
        ledger.append([self._evaluated(order[-1], len(order) - 1, loss, process="fresh")])
        ledger.end(status="done", base=BASE_TENSORS, seconds=0.5)

    def layout(self, cell: Cell) -> None:
        order, name = self.suite.all_orders()[cell.order], f"layout-{cell.name}"
        ledger = Ledger(self.folder.check(name) / "ledger.jsonl", f"checks/{name}")
        losses = [self._loss(cell, order, len(order) - 1, domain) for domain in order]
        losses[0] += 3 / 64
        ledger.append(
            [
                self._evaluated(domain, len(order) - 1, loss, process="fresh")
                for domain, loss in zip(order, losses, strict=True)
            ]
        )
        ledger.end(status="done", base=BASE_TENSORS, seconds=0.5)

    def replay(self, order: Sequence[str]) -> None:
        seed = self.suite.seeds[0]
        name = f"replay-{order[0]}-s{seed}"
        if not self.folder.check(name).exists():
            ledger = Ledger(self.folder.check(name) / "ledger.jsonl", f"checks/{name}")
            ledger.append(self._learned(Cell("naive_lora", seed, 0), order, 0))
            ledger.end(status="done", base=BASE_TENSORS, seconds=1.0)

    def _loss(self, cell: Cell, order: Sequence[str], after: int, domain: str) -> float:
        """Nats per token; see the docstring of the module."""
        place = list(order).index(domain) if domain in order else len(order)
        phases = 0 if cell.method == "frozen" else after + 1
        if domain not in order:
            return self.base[domain] + {"naive_lora": 0.25, "joint": 0.125}.get(
                cell.method, 0.0
            ) * (after + 1)
        if after < place:
            return self.base[domain] - 0.125 * phases
        if cell.method == "naive_lora" and after > place:
            rise = OWN * self.rises[cell.seed][place] / 100
            return OWN + rise * (after - place) / (len(order) - 1 - place)
        if cell.draw:
            return OWN + (cell.seed + 1) / 16
        return OWN - (0.5 * (after - place) if cell.method == "joint" else 0.0)

    def _measured(self, cell: Cell, order: Sequence[str], after: int) -> list[AnyRow]:
        rows: list[AnyRow] = []
        for domain in self.stream.domains:
            rows.append(self._evaluated(domain, after, self._loss(cell, order, after, domain)))
            place = list(order).index(domain) if domain in order else len(order)
            knows = after == place or (after > place and cell.method != "naive_lora")
            rows += [
                AnswerRow(
                    after=after,
                    domain=domain,
                    item=probe.name,
                    source=probe.source,
                    prompt=probe.prompt,
                    expected=probe.expected,
                    correct=right,
                    choices=2,
                    rater="least summed nats over the choices",
                )
                for probe, right in zip(
                    self.stream.domains[domain].probes, (True, knows), strict=True
                )
            ]
        return rows

    def _evaluated(
        self, domain: str, after: int, loss: float, split: str = "holdout", process: str = "cell"
    ) -> EvalRow:
        nats = loss * TOKENS
        data, name = _two_items(nats)
        self._once(self.folder.items(name), data)
        half = Sums(nats=nats / 2, tokens=TOKENS // 2, bytes=100, items=1)
        return EvalRow(
            after=after,
            domain=domain,
            split=split,
            route="oracle",
            process=process,
            total=Sums(nats=nats, tokens=TOKENS, bytes=200, items=2),
            by_source={"even": half, "odd": half},
            by_subject={},
            plan=digest([getattr(self.stream.domains[domain], split).digest, 4]),
            per_item=name,
            seconds=0.25,
        )

    def _learned(self, cell: Cell, order: Sequence[str], index: int) -> list[AnyRow]:
        domain, training = order[index], self.suite.training
        offered = self.stream.offered(domain, cell.seed)
        rows: list[AnyRow] = []
        for step, batch in enumerate(offered):
            norm = 0.5 + cell.seed + index * len(cell.method)  # all begin alike, then part
            rows.append(
                StepRow(
                    phase=index,
                    step=step,
                    terms={"lm": 8.0 - 0.25 * step},
                    gradient_norm=norm,
                    layer_gradient_norms={"0": norm},
                    lr=0.02,
                    tokens=batch.ids.size,
                    batch=batch.digest,
                    seconds=0.125,
                )
            )
            if cell.method == "frozen" and index:
                rows.append(
                    InvariantRow(
                        phase=index,
                        step=step,
                        name="finished adapters, max |Δ|",
                        layer="all",
                        value=0.0,
                        promised=0.0,
                        tolerance=0.0,
                    )
                )
        adapters = {"shared": self._adapter(cell, domain, index)}
        if cell.method == "frozen":
            adapters = {
                f"domain_{name}": self._adapter(cell, name, place)
                for place, name in enumerate(order[: index + 1])
            }
        trained = training.tokens_per_domain * (index + 1 if cell.method == "joint" else 1)
        rows.append(
            PhaseRow(
                phase=index,
                domain=domain,
                steps=len(offered),
                offered=streams.offered_digest(offered),
                tokens_offered=sum(batch.ids.size for batch in offered),
                tokens_trained=trained,
                trainable=128,
                stored_bytes=512 * index if cell.method == "frozen" else 0,
                stored_examples=16 * (index + 1) if cell.method == "joint" else 0,
                adapters=adapters,
                state={"active": list(adapters)[-1], "beside": []},
                base_before=BASE_TENSORS,
                base_after=BASE_TENSORS,
                seconds=1.0,
                peak_bytes=2**30,
            )
        )
        return rows

    def _adapter(self, cell: Cell, domain: str, index: int) -> str:
        method = len(cell.method) if index else 0  # the first phase is the same for all
        data = save({"lora_A": np.array([cell.seed, index, method, len(domain)], np.float32)})
        name = sha256(data).hexdigest()
        self._once(self.folder.adapter(name) / "adapter_config.json", canonical({"r": 8}))
        self._once(self.folder.adapter(name) / "adapter_model.safetensors", data)
        return name

    def _once(self, path: Path, data: bytes) -> None:
        if not self.bare and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def _head(self, cell: Cell, order: list[str]) -> CellRow:
        return CellRow(
            suite=self.identity,
            method=cell.method,
            config={},
            bound=cell.method == "joint",
            seed=cell.seed,
            draw=cell.draw,
            order=order,
            stream=self.stream.digest(order, cell.seed),
            base=BASE_TENSORS,
            budget=self.suite.training.tokens_per_domain,
            dtype="fp32",
            device="cpu",
            threads=1,
            code=CODE,
            attempt=1,
            started="2025-01-02T03:04:05+00:00",
            versions={"classay": "0.1.0"},
            hardware={"machine": "paper"},
            commit=None,
            dirty=None,
        )


@cache
def _two_items(nats: float) -> tuple[bytes, str]:
    """A side file, and its digest."""
    items = {
        "nats": np.array([nats / 2, nats / 2]),
        "tokens": np.array([TOKENS // 2] * 2),
        "bytes": np.array([100, 100]),
    }
    data = save(items)
    return data, sha256(data).hexdigest()


@cache
def _tokens(name: str) -> streams.Tokens:
    """A domain of 16 blocks, two hold-out items, one for validation and two probes."""
    first = 100 * list(BASE).index(name)
    blocks = np.arange(first, first + 256, dtype=np.int32).reshape(16, 16)
    probes = tuple(
        Probe(
            name=f"{name}-probe-{i}",
            source="even",
            prompt=digest([name, i]),
            expected=digest([name, i, "answer"]),
            rows=(2 * i, 2 * i + 2),
            right=0,
            cut=False,
        )
        for i in range(2)
    )
    return streams.Tokens(
        name=name,
        records=digest(["records", name]),
        train=Batch(blocks, blocks),
        train_records=40,
        holdout=_items(f"{name}-holdout", 2, first),
        validation=_items(f"{name}-validation", 1, first),
        probe_rows=_items(f"{name}-choice", 4, first),
        probes=probes,
    )


def _items(name: str, count: int, first: int) -> Items:
    ids = np.arange(first, first + 33 * count, dtype=np.int32).reshape(count, 33)
    labels = ids.copy()
    labels[:, 0] = IGNORED
    return Items(
        names=tuple(f"{name}-{i}" for i in range(count)),
        sources=("even", "odd", "even", "odd")[:count],
        subjects=("",) * count,
        bytes=(100,) * count,
        ids=ids,
        labels=labels,
        lengths=np.full(count, 33, dtype=np.int32),
    )


def record(
    path: Path,
    *,
    suite: Mapping[str, Any] | None = None,
    rises: Mapping[int, tuple[float, float]] = RISES,
    base: Mapping[str, float] = BASE,
    states: Mapping[str, str] | None = None,
    bare: bool = False,
) -> Path:
    """Write a run.

    suite    keys of the suite that are to be others
    rises    seed -> by how many per cent naive_lora's first and second domain rise
    base     domain -> the base's loss
    states   cell -> pending, running or failed; every other cell is done
    bare     only what is judged: run.json and the ledgers
    returns  its folder
    """
    pen = _Pen(path, suite_of(**(suite or {})), rises, base, bare)
    if not bare:
        pen.base_alone()
    for cell in cells(pen.suite):
        state = (states or {}).get(cell.name, "done")
        if state != "pending":
            pen.cell(cell, state)
        if state == "done" and not cell.draw:
            pen.fresh(cell)
            if cell.method == pen.suite.redrawn:
                pen.layout(cell)
    for order in pen.suite.all_orders():
        pen.replay(order)
    if not bare:
        manifest.write(pen.folder)
    return path


def rewrite(run: Path, name: str, edit: Callable[[AnyRow], AnyRow | list[AnyRow] | None]) -> None:
    """Replace a ledger by another valid one; an edit that changes no row is a mistake."""
    path = run / name / "ledger.jsonl"
    root = name.removeprefix("cells/")
    old = read(path, root)
    edited = [new for row in old if (new := edit(row)) is not None]
    rows = [row for new in edited for row in (new if isinstance(new, list) else [new])]
    if facts(rows) == facts(old) and rows == old:
        raise AssertionError(f"the edit of {name} changed nothing")
    path.unlink()
    ledger = Ledger(path, root)
    ledger.append([row for row in rows if not isinstance(row, EndRow)])
    for end in rows:
        if isinstance(end, EndRow):
            ledger.end(**end.model_dump(exclude={"kind", "rows", "head"}))
