"""Work that is the same for several cells, and the instrument's checks: each with its own ledger.

Sharing is exact. The base is evaluated once for all cells; the first phase of methods that begin as
plain LoRA is trained once a seed. Each cell copies the rows, marked as shared, and is charged as if
it had done the work. ``--no-share`` does everything in every cell and gives the same facts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from classay import evaluate
from classay.bench import Bench
from classay.cell import Tell, first_phase_name
from classay.determinism import attention
from classay.errors import Diverged
from classay.layout import Cell, RunFolder
from classay.ledger import Ledger, read
from classay.method import Method
from classay.records import AnyRow, PhaseRow
from classay.trainer import PhaseTraining


def evaluate_base(folder: RunFolder, tell: Tell) -> None:
    """Every domain under the base alone: row 0 of every cell's matrix."""
    ledger = _new(folder, "shared", "base")
    started = time.perf_counter()
    bench = Bench(folder, 0)
    with attention(bench.device):
        ledger.append(bench.evaluated(None, -1))
    _end(ledger, bench, started)
    tell(1.0)


def first_phase(folder: RunFolder, seed: int, domain: str, tell: Tell) -> None:
    """Plain LoRA on the first domain, for every method that begins so."""
    _first_phase(folder, "shared", first_phase_name(seed, domain), seed, domain, tell)


def replay(folder: RunFolder, seed: int, domain: str, tell: Tell) -> None:
    """A/A: the first phase once more, in a fresh process, to be compared bit for bit."""
    _first_phase(folder, "checks", f"replay-{domain}-s{seed}", seed, domain, tell)


def reevaluate(folder: RunFolder, cell: Cell, tell: Tell) -> None:
    """The last domain once more, in a fresh process, from the adapters on disk."""
    _, suite = folder.read()
    last = suite.all_orders()[cell.order][-1:]
    _from_disk(folder, cell, "fresh", last, suite.evaluation.batch_items)
    tell(1.0)


def other_layout(folder: RunFolder, cell: Cell, tell: Tell) -> None:
    """Every domain once more after the last phase, from disk, in batches of half the size.

    Other batches are padded otherwise, and a sum over another width rounds otherwise: this is how
    much of a difference between two losses the evaluation alone can make.
    """
    _, suite = folder.read()
    batch = suite.evaluation.batch_items // 2 or 2
    _from_disk(folder, cell, "layout", suite.all_orders()[cell.order], batch)
    tell(1.0)


def _from_disk(
    folder: RunFolder, cell: Cell, kind: str, domains: Sequence[str], batch: int
) -> None:
    ledger, started = _new(folder, "checks", f"{kind}-{cell.name}"), time.perf_counter()
    bench = Bench(folder, cell.seed)
    rows = read(folder.cell(cell) / "ledger.jsonl", cell.name)
    last = [row for row in rows if isinstance(row, PhaseRow)][-1]
    method = bench.method(cell.method)
    method.restore(bench.saved(last))
    scorer = bench.scorer._replace(batch=batch)
    with attention(bench.device):
        ledger.append(
            [
                evaluate.holdout(scorer, method, tokens, last.phase, "holdout", "fresh")
                for tokens in map(bench.stream.domains.__getitem__, domains)
            ]
        )
    _end(ledger, bench, started)


def _first_phase(
    folder: RunFolder, room: str, work: str, seed: int, domain: str, tell: Tell
) -> None:
    ledger, started = _new(folder, room, work), time.perf_counter()
    bench = Bench(folder, seed)
    # the defaults of the interface are naive sequential LoRA, which is what a plain phase is
    method = Method(bench.adapters, None, bench.seeds)
    phase, offered = bench.phase(0, domain)
    base_before = bench.base.digest()
    method.begin_phase(phase)
    training = PhaseTraining(method, phase, bench.suite.training, bench.seeds)
    began, rows = time.perf_counter(), list[AnyRow]()
    with attention(bench.device):
        while training.step < training.steps:
            try:
                rows += training.advance()
            except Diverged as error:
                ledger.append(rows)
                _end(ledger, bench, started, str(error))
                return
            tell(training.step / training.steps)
    seconds = time.perf_counter() - began
    state, cost = method.state(), method.cost()
    tokens = sum(batch["input_ids"].numel() for batch in phase.batches)
    rows.append(
        PhaseRow(
            phase=0,
            domain=domain,
            steps=training.steps,
            offered=offered,
            tokens_offered=tokens,
            tokens_trained=tokens,
            trainable=cost.trainable,
            stored_bytes=0,
            stored_examples=0,
            adapters=bench.save_adapters(state),
            state=state.about,
            base_before=base_before,
            base_after=bench.base.digest(),
            seconds=seconds,
            peak_bytes=bench.peak_bytes(),
        )
    )
    ledger.append(rows)
    _end(ledger, bench, started)


def _new(folder: RunFolder, room: str, work: str) -> Ledger:
    path = folder.path / room / work / "ledger.jsonl"
    # half-done shared work is done again: it is short, and nothing has been built on it
    path.unlink(missing_ok=True)
    return Ledger(path, f"{room}/{work}")


def _end(ledger: Ledger, bench: Bench, started: float, diverged: str | None = None) -> None:
    ledger.end(
        status="failed" if diverged else "done",
        failure="diverged" if diverged else None,
        error=diverged,
        base=bench.base.digest(),
        seconds=time.perf_counter() - started,
    )
    ledger.close()
