"""Is the instrument sound? Checked before any verdict is printed.

None of these can be true by subtracting a number from itself: each compares two measurements that
were really made, in two places of a ledger or in two processes, and counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from classay import registry
from classay.ledger import facts
from classay.mechanism import promises
from classay.recorded import CellRecord
from classay.records import AnyRow, EndRow, EvalRow, PhaseRow, StepRow, digest
from classay.study import Study


class Check(NamedTuple):
    """One check and what it found."""

    name: str
    passed: bool | None  # None: it could not be made
    found: str
    meaning: str


def checks(study: Study) -> list[Check]:
    """Every check, in the order in which they are printed."""
    return [
        _frozen_is_still(study),
        _last_domain_from_disk(study),
        _same_twice(study),
        _base_unmoved(study),
        _same_offer(study),
        _invariants_kept(study),
        _holdout_unseen(study),
    ]


def sound(found: list[Check]) -> bool:
    """No check failed; one that could not be made, for want of what it checks, is shown as such."""
    return all(check.passed is not False for check in found)


def complete(found: list[Check]) -> bool:
    """Every check that a finished run makes was made."""
    made = {check.name for check in found if check.passed is not None}
    return made >= {"The last domain, again, from disk", "The same training twice (A/A)"}


def _frozen_is_still(study: Study) -> Check:
    name, meaning = (
        "FROZEN does not drift",
        "nothing that answers for an earlier domain is trained again, so any drift would be the "
        "instrument's own; every evaluation was made anew, none was derived",
    )
    frozen = [method for method in study.methods if study.suite.method_of(method) == "frozen"]
    repeated = moved = derived = 0
    for order, domains in enumerate(study.orders):
        for run in (r for m in frozen for r in study.runs(m, order)):
            for learned, domain in enumerate(domains):
                first = run.evaluation(learned, domain)
                again = [run.evaluation(p, domain) for p in range(learned + 1, len(domains))]
                repeated += len(again)
                moved += sum((r.per_item, r.total) != (first.per_item, first.total) for r in again)
                derived += sum(row.shared is not None or row.seconds <= 0 for row in again)
    if not repeated:
        return Check(name, None, "the suite has no finished cell of the method frozen", meaning)
    return Check(
        name,
        moved == 0 and derived == 0,
        f"{repeated} re-evaluations, {repeated - moved} of them equal to the bit, {derived} not "
        f"measured",
        meaning,
    )


def _last_domain_from_disk(study: Study) -> Check:
    name, meaning = (
        "The last domain, again, from disk",
        "a fresh process loads the adapters that were saved and must find the same bits",
    )
    made = equal = failed = 0
    done = [record for record in study.cells if record.state == "done"]
    for record in done:
        rows = study.check(f"fresh-{record.cell.name}")
        failed += _failed(rows)
        last = len(record.head.order) - 1
        for row in rows:
            if isinstance(row, EvalRow):
                there = record.evaluation(last, record.head.order[last])
                same = (there.per_item, there.plan) == (row.per_item, row.plan)
                made += 1
                equal += same and row.process == "fresh" and row.after == last
    if not made and not failed:
        return Check(name, None, "no finished cell was evaluated again", meaning)
    # a run that was stopped has cells left to check, which is not a cell that was found to differ
    passed = None if made < len(done) else True
    return Check(
        name,
        False if failed or equal < made else passed,
        f"{made} of {len(done)} finished cells evaluated again, {equal} equal to the bit"
        + _attempts(failed),
        meaning,
    )


def _same_twice(study: Study) -> Check:
    name, meaning = (
        "The same training twice (A/A)",
        "the first phase, trained again in a fresh process, must give the same losses, gradients "
        "and adapter bytes; if it did not, no difference between methods could be read",
    )
    compared, different, steps, failed = set[str](), set[str](), 0, 0
    seed = study.suite.seeds[0]
    for order, domains in enumerate(study.orders):
        again = study.check(f"replay-{domains[0]}-s{seed}")
        failed += _failed(again)
        phases = [row for row in again if isinstance(row, PhaseRow)]
        for record in study.cells if phases else ():
            if record.state != "done" or (record.cell.seed, record.cell.order) != (seed, order):
                continue
            runs = study.suite.method_of(record.cell.method)
            if not registry.load("method", runs).METHOD.plain_first_phase:
                continue
            first, mine = record.of(PhaseRow)[0], _steps(record, 0)
            # cells that share their first phase hold copies of one training: it counts once
            training = f"{first.shared or record.cell.name}/{domains[0]}"
            steps += len(mine) if training not in compared else 0
            compared.add(training)
            theirs = [row for row in again if isinstance(row, StepRow)]
            adapters = set(phases[0].adapters.values())
            if facts(mine) != facts(theirs) or set(first.adapters.values()) != adapters:
                different.add(training)
    if not compared and not failed:
        return Check(name, None, "no first phase was trained twice", meaning)
    return Check(
        name,
        failed == 0 and not different,
        f"{len(compared)} training(s) of a first phase repeated over {steps} steps, "
        f"{len(compared) - len(different)} equal to the bit" + _attempts(failed),
        meaning,
    )


def _attempts(failed: int) -> str:
    return f"; {failed} attempt(s) failed" if failed else ""


def _failed(rows: Sequence[AnyRow]) -> int:
    """A check that was begun and did not come to its end is a failure, not an absence."""
    return sum(isinstance(row, EndRow) and row.status == "failed" for row in rows)


def _steps(record: CellRecord, phase: int) -> list[StepRow]:
    return [row for row in record.of(StepRow) if row.phase == phase]


def _base_unmoved(study: Study) -> Check:
    name, meaning = (
        "The base never moved",
        "every method starts from, and adds to, the same frozen weights; one that trains them says "
        "so, starts from them, and moves them in its phases and at no other time",
    )
    done = [record for record in study.cells if record.state == "done"]
    digests, strayed, movers = list[str](), 0, set[str]()
    for record in done:
        seen = _base_digests(record)
        runs = study.suite.method_of(record.cell.method)
        if registry.load("method", runs).METHOD.moves_base:
            movers.add(record.cell.method)
            # before | after, before | after, before …: equal in a pair, different across a phase
            still = all(a == b for a, b in zip(seen[::2], seen[1::2], strict=True))
            moved = all(a != b for a, b in zip(seen[1::2], seen[2::2], strict=False))
            strayed += not (still and moved)
            seen = seen[:1]
        digests += seen
    kinds = len(set(digests))
    found = f"digested {len(digests):,} times, before and after every phase: "
    found += "all equal" if kinds == 1 else f"{kinds} different values"
    if movers:
        found += f"; trained by {', '.join(sorted(movers))}, {strayed} of whose cells moved it "
        found += "outside a phase or not within one"
    return Check(name, kinds == 1 and not strayed if digests else None, found, meaning)


def _base_digests(record: CellRecord) -> list[str]:
    """At the beginning, before and after every phase, at the end."""
    phases = [d for row in record.of(PhaseRow) for d in (row.base_before, row.base_after)]
    return [record.head.base, *phases, *([record.end.base or ""] if record.end else [])]


def _same_offer(study: Study) -> Check:
    name, meaning = (
        "All methods were offered the same",
        "the same batches, in the same order; what a method trains on beyond them is charged to it",
    )
    phases = [
        (record, row)
        for record in study.cells
        if record.state == "done"
        for row in record.of(PhaseRow)
    ]
    if not phases:
        return Check(name, None, "no phase has ended", meaning)
    budget = study.suite.training.tokens_per_domain
    off = sum(row.tokens_offered != budget for _, row in phases)
    batches = {(record.cell.seed, row.domain, row.offered) for record, row in phases}
    lots = {(record.cell.seed, row.domain) for record, row in phases}
    # a phase that trained on no more than the offer must have trained on just that, step by step
    plain = [
        (record, row)
        for record, row in phases
        if row.tokens_trained == row.tokens_offered and not row.rewritten
    ]
    own = sorted({record.cell.method for record, row in phases if row.rewritten})
    words = f"; {', '.join(own)} learned from the model's own words in its place" if own else ""
    other = sum(
        digest([step.batch for step in _steps(record, row.phase)]) != row.offered
        for record, row in plain
    )
    return Check(
        name,
        off == 0 and len(batches) == len(lots) and other == 0,
        f"{len(phases)} phases of {budget:,} tokens each, {off} of another size; {len(batches)} "
        f"digest(s) of batches for {len(lots)} pair(s) of seed and domain; {len(plain)} phases "
        f"trained on the offer alone, {other} of them on something else{words}",
        meaning,
    )


def _invariants_kept(study: Study) -> Check:
    kept = promises(study)
    return Check(
        "What methods promise of themselves",
        all(kept) if kept else None,
        f"{len(kept):,} measurements, {len(kept) - sum(kept)} outside their tolerance"
        if kept
        else "no method of the suite states an invariant",
        "measured after every optimizer step",
    )


def _holdout_unseen(study: Study) -> Check:
    rows = study.setting["overlap"]
    exact = sum(len(row["exact"]) for row in rows)
    shared = sum(len(row["shared"]) for row in rows)
    largest = max((row["largest"] for row in rows), default=0.0)
    items = sum(row["items"] for row in rows)
    allowed = study.suite.stream.max_shared_ngrams
    return Check(
        "The hold-out is unseen",
        exact == 0 and shared == 0 and allowed < 1,
        f"{items:,} hold-out and probe items against all training text, before training: {exact} "
        f"stand in it, {shared} share more than {allowed:.0%} of their 13-grams with it; the "
        f"largest share is {largest:.0%}",
        "a test that was trained on measures memory; other data is refused before a run begins",
    )
