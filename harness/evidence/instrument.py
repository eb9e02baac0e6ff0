"""Is the instrument sound? Checked before any verdict is printed.

None of these can be true by subtracting a number from itself: each compares two measurements that
were really made, in two places of a ledger or in two processes, and counts them.
"""

from __future__ import annotations

from typing import NamedTuple

from classay import registry
from classay.ledger import facts
from classay.records import EvalRow, InvariantRow, PhaseRow, StepRow
from classay.study import CellRecord, Study


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
    """No check failed."""
    return all(check.passed is not False for check in found)


def _frozen_is_still(study: Study) -> Check:
    name, meaning = (
        "FROZEN does not drift",
        "nothing that answers for an earlier domain is trained again, so any drift would be the "
        "instrument's own; every evaluation was made anew, none was derived",
    )
    repeated = moved = derived = 0
    for order, domains in enumerate(study.orders):
        for run in study.runs("frozen", order) if "frozen" in study.methods else []:
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
    made = equal = 0
    done = [record for record in study.cells if record.state == "done"]
    for record in done:
        rows = [r for r in study.check(f"fresh-{record.cell.name}") if isinstance(r, EvalRow)]
        if rows:
            there = record.evaluation(rows[0].after, rows[0].domain)
            made += 1
            same = (there.per_item, there.plan) == (rows[0].per_item, rows[0].plan)
            equal += same and rows[0].process == "fresh"
    if not made:
        return Check(name, None, "no finished cell was evaluated again", meaning)
    return Check(
        name,
        equal == made == len(done),
        f"{made} of {len(done)} finished cells evaluated again, {equal} equal to the bit",
        meaning,
    )


def _same_twice(study: Study) -> Check:
    name, meaning = (
        "The same training twice (A/A)",
        "the first phase, trained again in a fresh process, must give the same losses, gradients "
        "and adapter bytes; if it did not, no difference between methods could be read",
    )
    compared = equal = steps = 0
    for order, domains in enumerate(study.orders):
        seed = study.suite.seeds[0]
        again = study.check(f"replay-{domains[0]}-s{seed}")
        phases = [row for row in again if isinstance(row, PhaseRow)]
        for record in study.cells if phases else ():
            if record.state != "done" or (record.cell.seed, record.cell.order) != (seed, order):
                continue
            if not registry.load("method", record.cell.method).METHOD.plain_first_phase:
                continue
            first = record.of(PhaseRow)[0]
            compared += 1
            mine, theirs = _steps(record), [r for r in again if isinstance(r, StepRow)]
            steps += len(mine)
            equal += facts(mine) == facts(theirs) and set(first.adapters.values()) == set(
                phases[0].adapters.values()
            )
    if not compared:
        return Check(name, None, "no first phase was trained twice", meaning)
    return Check(
        name,
        equal == compared,
        f"{compared} cells compared over {steps} steps, {equal} equal to the bit",
        meaning,
    )


def _steps(record: CellRecord) -> list[StepRow]:
    return [row for row in record.of(StepRow) if row.phase == 0]


def _base_unmoved(study: Study) -> Check:
    digests = [
        digest
        for record in study.cells
        if record.state == "done"
        for row in record.of(PhaseRow)
        for digest in (row.base_before, row.base_after, record.head.base)
    ] + [r.end.base for r in study.cells if r.state == "done" and r.end]
    kinds = len(set(digests))
    return Check(
        "The base never moved",
        kinds == 1 if digests else None,
        f"digested {len(digests):,} times, before and after every phase: "
        + ("all equal" if kinds == 1 else f"{kinds} different values"),
        "every method starts from, and adds to, the same frozen weights",
    )


def _same_offer(study: Study) -> Check:
    offered = [
        (record.cell.seed, row)
        for record in study.cells
        if record.state == "done"
        for row in record.of(PhaseRow)
    ]
    budget = study.suite.training.tokens_per_domain
    off = sum(row.tokens_offered != budget for _, row in offered)
    batches = {(seed, row.domain, row.offered) for seed, row in offered}
    lots = {(seed, row.domain) for seed, row in offered}
    streams = {(r.cell.seed, r.cell.order, r.head.stream) for r in study.cells if r.state == "done"}
    expected = {(r.cell.seed, r.cell.order) for r in study.cells if r.state == "done"}
    return Check(
        "All methods were offered the same",
        (off == 0 and len(batches) == len(lots) and len(streams) == len(expected))
        if offered
        else None,
        f"{len(offered)} phases of {budget:,} tokens each, {off} of another size; {len(batches)} "
        f"digest(s) of batches for {len(lots)} pair(s) of seed and domain; {len(streams)} "
        f"stream digest(s) for {len(expected)} pair(s) of seed and order",
        "the same batches, in the same order; what a method trains on beyond them is charged to it",
    )


def _invariants_kept(study: Study) -> Check:
    rows = [row for record in study.cells for row in record.of(InvariantRow)]
    broken = [row for row in rows if abs(row.value - row.promised) > row.tolerance]
    return Check(
        "What methods promise of themselves",
        not broken if rows else None,
        f"{len(rows)} measurements, {len(broken)} outside their tolerance"
        if rows
        else "no method of the suite states an invariant",
        "measured after every optimizer step",
    )


def _holdout_unseen(study: Study) -> Check:
    rows = study.setting["overlap"]
    exact = sum(len(row["exact"]) for row in rows)
    largest = max((row["largest"] for row in rows), default=0.0)
    items = sum(row["items"] for row in rows)
    return Check(
        "The hold-out is unseen",
        exact == 0,
        f"{items:,} hold-out and probe items against all training text: {exact} equal; the largest "
        f"share of an item's 13-grams found in training text is {largest:.0%}",
        "a test that was trained on measures memory",
    )
