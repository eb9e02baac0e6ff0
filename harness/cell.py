"""The life of one cell, in a process of its own: from the base to the last domain.

Whatever happens, what was recorded stays recorded: a cell that cannot go on says so in its last
row, and a cell that was killed goes on from its checkpoint.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from classay import circumstances, evaluate
from classay.bench import Bench
from classay.checkpoint import Checkpoint, commit, resume
from classay.determinism import attention
from classay.errors import CellError, Interrupted, LedgerError
from classay.layout import Cell, RunFolder, write_atomically
from classay.ledger import Ledger, read
from classay.method import State
from classay.records import (
    AnyRow,
    CellRow,
    EndRow,
    PhaseRow,
    RepresentationRow,
    ResumeRow,
    StepRow,
)
from classay.routing import routed
from classay.trainer import PhaseTraining

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
Tell = Callable[[float], None]  # the share of the work that is done


def run(folder: RunFolder, cell: Cell, share: bool, attempt: int, tell: Tell) -> None:
    """Run a cell to its end, or go on with it.

    share   copy work from ``shared/`` where it has been done there
    raises  Interrupted   when the disk is full: the cell has not ended and can go on
    """
    started = time.perf_counter()
    bench = Bench(folder, cell.seed, cell.draw)
    path = folder.cell(cell) / "ledger.jsonl"
    with Ledger(path, cell.name) as ledger, attention(bench.device):
        if ledger.ended is not None:
            return  # by a run that was killed, whose last cell came to its end after all
        life = _Life(bench, cell, ledger, share, attempt, tell)

        def end(**fields: Any) -> None:
            base, seconds = bench.base.digest(), time.perf_counter() - started
            ledger.end(life.pending, base=base, seconds=seconds, **fields)

        try:
            life.live()
        except Interrupted:
            raise
        except (CellError, MemoryError, OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise Interrupted(
                    f"{error.filename}: the disk refused a file ({error.strerror}).\n"
                    f"  What was recorded before is whole. Free some space and give the same "
                    f"command again: the cell goes on from there."
                ) from error
            failure = failure_of(error)
            end(status="failed", failure=failure, error=str(error))
            if failure == "bug":
                raise
        else:
            end(status="done")
            life.tidy()


def failure_of(error: BaseException) -> str:
    """What kind of failure this is: oom, diverged, infrastructure or bug."""
    if isinstance(error, CellError):
        return error.failure
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    if isinstance(error, OSError):
        return "infrastructure"
    return "bug"


class _Life:
    """One cell on its bench."""

    def __init__(
        self, bench: Bench, cell: Cell, ledger: Ledger, share: bool, attempt: int, tell: Tell
    ) -> None:
        self.bench, self.cell, self.ledger = bench, cell, ledger
        self.share, self.attempt, self.tell = share, attempt, tell
        self.order = bench.suite.all_orders()[cell.order]
        self.method = bench.method(cell.method)
        self.pending: list[AnyRow] = []
        self.checkpoint_path = ledger.path.with_name("checkpoint.safetensors")
        self.states = ledger.path.with_name("states")

    def live(self) -> None:
        """From where it is to the last domain."""
        place = self._begin()
        for index in range(place.phase, len(self.order)):
            self._learn(index, place)
            place = Checkpoint(index + 1, 0, {}, {})

    def tidy(self) -> None:
        """Remove what only an unfinished cell needs."""
        self.checkpoint_path.unlink(missing_ok=True)
        shutil.rmtree(self.states, ignore_errors=True)

    def _begin(self) -> Checkpoint:
        place = resume(self.checkpoint_path, self.ledger)
        if place is None:
            place = Checkpoint(0, 0, {}, {})
            if len(self.ledger.rows) > 1:
                raise LedgerError(
                    f"{self.ledger.path} holds {len(self.ledger.rows)} rows, and "
                    f"{self.checkpoint_path.name}, from which the cell could go on, is gone.\n"
                    f"  Restore it, or remove the cell's folder: the cell is then run anew."
                )
            if not self.ledger.rows:
                self.ledger.append([self._cell_row()])
            self.pending += shared_rows(self.bench.folder, "base") if self.share else []
            self.pending = self.pending or self.bench.evaluated(None, -1)
            self._commit(place)
            return place
        self.ledger.append(
            [
                ResumeRow(
                    phase=place.phase,
                    step=place.step,
                    torn_bytes=self.ledger.torn_bytes,
                    started=circumstances.now(),
                    versions=circumstances.versions(),
                    hardware=circumstances.hardware(self.bench.device),
                )
            ]
        )
        if place.tensors:
            tensors = {k: t.to(self.bench.device) for k, t in place.tensors.items()}
            self.method.restore(State(tensors, place.about["method"]))
        return place

    def _learn(self, index: int, place: Checkpoint) -> None:
        domain = self.order[index]
        phase, offered = self.bench.phase(index, domain)
        self.bench.forget_peak()
        resumed = place.step > 0
        # what the phase began from, which is not what it is resumed from if it trains the base
        base_before = place.about["base"] if resumed else self.bench.base.digest()
        preparing = time.perf_counter()
        if not resumed:
            self.method.begin_phase(phase)
        training = PhaseTraining(self.method, phase, self.bench.suite.training, self.bench.seeds)
        prepared = time.perf_counter() - preparing
        shared = self._shared_phase(index, domain) if not resumed else None
        steps: list[StepRow] = []
        if shared is not None:
            steps, shared_phase = shared
            self.pending += steps
            seconds, peak = shared_phase.seconds, shared_phase.peak_bytes
        else:
            if resumed:
                training.restore(place.tensors, place.step)
            before = place.about["seconds"] if resumed else 0.0
            seconds = self._train(training, before + prepared, base_before)
            peak = self.bench.peak_bytes()
        cost = self.method.cost()
        self.method.model.eval()
        consolidating = time.perf_counter()
        self.method.end_phase(phase)
        seconds += time.perf_counter() - consolidating
        kept = self.method.cost()
        state = self.method.state()
        self.pending += training.trace(training.steps, ended=True)
        self.pending.append(
            PhaseRow(
                phase=index,
                domain=domain,
                steps=training.steps,
                offered=offered,
                tokens_offered=sum(b["input_ids"].numel() for b in phase.batches),
                tokens_trained=sum(b["input_ids"].numel() for b in training.batches),
                rewritten=type(self.method).rewrites,
                trainable=cost.trainable,
                stored_bytes=kept.stored_bytes,
                stored_examples=kept.stored_examples,
                adapters=self.bench.save_adapters(state),
                structures=self.bench.save_structures(state),
                state=state.about,
                base_before=base_before,
                base_after=self.bench.base.digest(),
                seconds=seconds,
                peak_bytes=peak,
                shared=steps[0].shared if steps else None,
            )
        )
        self._measure(index, domain)
        about = {"method": state.about}
        self._commit(Checkpoint(index + 1, 0, about, dict(state.tensors)))
        self.tell((index + 1) / len(self.order))

    def _train(self, training: PhaseTraining, before: float, base: str) -> float:
        started, every = time.perf_counter(), self.bench.suite.training.checkpoint_steps
        while training.step < training.steps:
            self.pending += training.advance()
            done = training.phase.index + training.step / training.steps
            self.tell(done / len(self.order))
            if training.step % every == 0 and training.step < training.steps:
                state = self.method.state()
                seconds = before + time.perf_counter() - started
                about = {"method": state.about, "seconds": seconds, "base": base}
                tensors = {**state.tensors, **training.state()}
                self._commit(Checkpoint(training.phase.index, training.step, about, tensors))
        return before + time.perf_counter() - started

    def _shared_phase(self, index: int, domain: str) -> tuple[list[StepRow], PhaseRow] | None:
        plain = type(self.method).plain_first_phase and not self.cell.draw
        if index > 0 or not self.share or not plain:
            return None
        work = first_phase_name(self.cell.seed, domain)
        rows = shared_rows(self.bench.folder, work)
        phases = [row for row in rows if isinstance(row, PhaseRow)]
        if not phases:
            return None
        from safetensors.torch import load_file

        (digest,) = phases[0].adapters.values()
        tensors = load_file(self.bench.folder.adapter(digest) / "adapter_model.safetensors")
        self.method.adapters.load(str(self.method.adapters.active), tensors)
        return [row for row in rows if isinstance(row, StepRow)], phases[0]

    def _measure(self, index: int, domain: str) -> None:
        self.pending += self.bench.evaluated(self.method, index)
        self.pending += self.bench.ablated(self.method, index, self.order[: index + 1])
        last = index == len(self.order) - 1
        if last and self.method.needs_domain and self.bench.suite.evaluation.routers:
            self.pending += routed(self.bench, self.method, index, self.order)
        tokens, scorer = self.bench.stream.domains[domain], self.bench.scorer
        if tokens.validation.names:
            self.pending.append(
                evaluate.holdout(scorer, self.method, tokens, index, "validation", "cell")
            )
        self._representation(index, domain)

    def _representation(self, index: int, domain: str) -> None:
        count = self.bench.suite.evaluation.representation_items
        if not count:
            return
        from safetensors.torch import load_file, save

        for earlier in self.order[: index + 1]:
            tokens = self.bench.stream.domains[earlier]
            now = evaluate.hidden_states(self.bench.scorer, self.method, tokens, count)
            path = self.states / f"{earlier}.safetensors"
            if earlier == domain:
                write_atomically(path, save({f"{i:04d}": h for i, h in enumerate(now)}))
                continue
            learned = [h for _, h in sorted(load_file(path).items())]
            layers = evaluate.drift(now, learned)
            self.pending.append(RepresentationRow(after=index, domain=earlier, layers=layers))

    def _commit(self, place: Checkpoint) -> None:
        commit(self.checkpoint_path, self.ledger, self.pending, place)
        self.pending = []

    def _cell_row(self) -> CellRow:
        bench, cell, setting = self.bench, self.cell, self.bench.setting
        return CellRow(
            suite=setting["identity"],
            method=cell.method,
            runs=None if (runs := bench.suite.method_of(cell.method)) == cell.method else runs,
            config=asdict(self.method.config),
            bound=type(self.method).bound,
            seed=cell.seed,
            draw=cell.draw,
            order=self.order,
            stream=bench.stream.digest(self.order, cell.seed),
            base=bench.base.digest(),
            budget=bench.suite.training.tokens_per_domain,
            dtype=bench.suite.base.dtype,
            device=bench.device,
            threads=bench.threads,
            code=bench.code,
            attempt=self.attempt,
            started=circumstances.now(),
            versions=circumstances.versions(),
            hardware=circumstances.hardware(bench.device),
            **circumstances.revision(),
        )


def first_phase_name(seed: int, domain: str) -> str:
    """The name of the plain first phase on one domain under one seed."""
    return f"first-{domain}-s{seed}"


def shared_rows(folder: RunFolder, work: str) -> list[AnyRow]:
    """The rows of finished shared work, marked with where they were measured.

    returns  none if that work has not been done, or failed
    """
    path = folder.shared(work) / "ledger.jsonl"
    rows = read(path) if path.exists() else []
    if not rows or not isinstance(rows[-1], EndRow) or rows[-1].status != "done":
        return []
    kept: Sequence[Any] = [row for row in rows if not isinstance(row, (CellRow, EndRow, ResumeRow))]
    return [row.model_copy(update={"shared": f"shared/{work}"}) for row in kept]
