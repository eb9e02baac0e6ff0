"""What a mechanism was and did, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from classay import study
from classay.evidence.instrument import checks
from classay.mechanism import (
    Envelope,
    Reading,
    ablations,
    envelopes,
    gap,
    phase_ends,
    promises,
    readings,
    strength,
)
from classay.records import TraceRow

PROMISED = {"norm": (0.5, 1.0)}


def traced(phase: int, step: int, norm: list[float], gate: float) -> TraceRow:
    values = {"norm": norm, "gate": [gate, gate / 2]}
    return TraceRow(phase=phase, step=step, layers=["0", "1"], values=values, promised=PROMISED)


@pytest.fixture
def found(ledgers, rewrite):
    """joint traces a norm and a gate under every seed, and was scored without its mixing."""

    def edit(row):
        if row.kind == "phase":
            # two layers after the last step, and once more at the end of the phase
            return [
                traced(row.phase, 3, [0.75, 1.0], 0.25 * (row.phase + 1)),
                traced(row.phase, 4, [0.75, 0.5], 9.0),
                row,
            ]
        if row.kind == "eval" and row.split == "holdout" and row.after >= 0:
            order = ["river", "oven", "clock"]
            if row.domain in order[: row.after + 1]:
                nats = row.total.nats + row.total.tokens * (0.5 if row.domain == "oven" else -0.25)
                total = row.total.model_copy(update={"nats": nats})
                return [row, row.model_copy(update={"ablation": "mix", "total": total})]
        return row

    for seed in range(3):
        rewrite(ledgers, f"cells/joint-o0-s{seed}", edit)
    return study.load(ledgers)


def test_the_least_and_the_greatest_over_layers_steps_and_seeds(found):
    # 3 seeds × 3 phases × 2 rows × 2 layers
    norm, gate = readings(found, "joint")
    assert norm == Reading("norm", (0.5, 1.0), (0.5, 1.0), 36, 0)
    assert gate == Reading("gate", None, (0.125, 9.0), 36, 0)


def test_an_invariant_of_one_number_is_read_alike(found):
    (kept,) = readings(found, "frozen")
    assert kept == Reading("finished adapters, max |Δ|", (0.0, 0.0), (0.0, 0.0), 24, 0)
    assert readings(found, "naive_lora") == []


def test_a_row_for_each_of_several_mechanisms_is_read_as_one_row_is(ledgers, rewrite):
    def row(step, name, value, layers):
        values = {name: [value] * len(layers)}
        return TraceRow(phase=2, step=step, layers=layers, values=values, promised={})

    def edit(fact):
        if fact.kind == "phase" and fact.phase == 2:
            shown = [(step, name) for step in (3, 4) for name in ("one", "two")]
            return [
                *(row(s, n, 1.0 * s, ["all"] if n == "one" else ["0", "1"]) for s, n in shown),
                fact,
            ]
        return fact

    for seed in range(3):
        rewrite(ledgers, f"cells/joint-o0-s{seed}", edit)
    assert strength(study.load(ledgers), "joint") == {"one": (3.0, 3.0), "two": (3.0, 3.0)}


def test_what_is_only_shown_is_that_of_the_last_step(found):
    # the third phase ends with a gate of 0.75; what was measured at its end is not of a step
    assert strength(found, "joint") == {"gate": (0.375, 0.75)}
    assert strength(found, "frozen") == {}


def test_an_envelope_is_the_least_and_the_greatest_after_each_step_of_the_stream(found):
    norm, *_, gate = envelopes(found, "joint")
    assert norm == Envelope("norm", (0.5, 1.0), 0, [4], [0.5], [1.0], 12, 0)
    # the last step's 0.75 and 0.375, and what was measured at the end, in one place
    assert (gate.name, gate.promised, gate.phase) == ("gate", None, 2)
    assert (gate.least, gate.greatest) == ([0.375], [9.0])
    assert envelopes(found, "frozen") == []  # it promises one number, layer by layer it shows none


def test_a_phase_begins_where_the_one_before_it_ended(ledgers, rewrite):
    def edit(row):
        if row.kind == "phase":
            return [*(traced(row.phase, step, [1.0, 1.0], step / 4) for step in range(5)), row]
        return row

    for seed in range(3):
        rewrite(ledgers, f"cells/naive_lora-o0-s{seed}", edit)
    found = study.load(ledgers)
    assert phase_ends(found, "naive_lora") == [4, 8, 12]
    gates = [e for e in envelopes(found, "naive_lora") if e.name == "gate"]
    assert [e.steps for e in gates] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    # after the fourth step 0.75, at the phase's end 1; the second layer's gate is half of the first
    assert gates[1].least == [0.0, 0.125, 0.25, 0.375]
    assert gates[1].greatest == [0.0, 0.25, 0.5, 1.0]
    assert [e.measured for e in gates] == [30, 30, 30]


def test_an_envelope_counts_what_breaks_its_promise_in_its_own_phase(ledgers, found, rewrite):
    def missed(row):
        mine = row.kind == "trace" and (row.phase, row.step) == (1, 3)
        return traced(1, 3, [0.75, 1.5], 0.5) if mine else row

    rewrite(ledgers, "cells/joint-o0-s1", missed)
    norm = [e for e in envelopes(study.load(ledgers), "joint") if e.name == "norm"]
    assert [(e.phase, e.outside, max(e.greatest)) for e in norm] == [
        (0, 0, 1),
        (1, 1, 1.5),
        (2, 0, 1),
    ]


def test_the_gap_is_off_minus_on_for_what_was_learned(found):
    assert ablations(found, "joint") == ["mix"]
    assert ablations(found, "frozen") == []
    hole = math.nan
    by_hand = [[-0.25, hole, hole], [-0.25, 0.5, hole], [-0.25, 0.5, -0.25]]
    np.testing.assert_allclose(gap(found, "joint", "mix"), [by_hand] * 3, atol=1e-12)


@pytest.mark.parametrize("value", [0.4999999, 1.0000001])
def test_a_promise_missed_in_one_layer_at_one_step_is_seen(ledgers, found, rewrite, value):
    def missed(row):
        mine = row.kind == "trace" and (row.phase, row.step) == (1, 3)
        return traced(1, 3, [0.75, value], 0.5) if mine else row

    assert all(promises(found))
    rewrite(ledgers, "cells/joint-o0-s1", missed)
    broken = study.load(ledgers)
    assert promises(broken).count(False) == 1
    assert [reading.outside for reading in readings(broken, "joint")] == [1, 0]
    check = next(c for c in checks(broken) if c.name == "What methods promise of themselves")
    assert check.passed is False
    # frozen's 3 × 8, joint's 36 of the norm
    assert check.found == "60 measurements, 1 outside their tolerance"
