"""Every check of the instrument passes on a whole run and fails when its own thing is broken."""

import math

import pytest

from classay import registry, study
from classay.evidence.instrument import checks, complete, sound
from classay.ledger import Ledger
from classay.records import digest

pytestmark = pytest.mark.torchless

FROZEN = "FROZEN does not drift"
FRESH = "The last domain, again, from disk"
TWICE = "The same training twice (A/A)"
UNMOVED = "The base never moved"
OFFERED = "All methods were offered the same"
PROMISED = "What methods promise of themselves"
UNSEEN = "The hold-out is unseen"
ALL = [FROZEN, FRESH, TWICE, UNMOVED, OFFERED, PROMISED, UNSEEN]

REPEATED = "{} training(s) of a first phase repeated over {} steps, {} equal to the bit"


def examined(path):
    return {check.name: check for check in checks(study.load(path))}


def only_failure(path):
    """The one check that failed, after making sure that the others passed."""
    found = examined(path)
    failed = [check for check in found.values() if check.passed is not True]
    assert len(failed) == 1, failed
    assert not sound(list(found.values()))
    return failed[0]


def again(row, after, domain):
    return row.kind == "eval" and (row.after, row.domain, row.split) == (after, domain, "holdout")


def test_every_check_passes_on_a_whole_run(good):
    found = checks(study.load(good))
    assert [check.name for check in found] == ALL
    assert [check.passed for check in found] == [True] * 7
    assert sound(found)


def test_measurements_that_were_compared_are_counted(good):
    found = {name: check.found for name, check in examined(good).items()}
    # 3 seeds × (2 + 1 + 0): river again after oven and clock, oven again after clock
    assert found[FROZEN] == ("9 re-evaluations, 9 of them equal to the bit, 0 not measured")
    assert found[FRESH] == "9 of 9 finished cells evaluated again, 9 equal to the bit"
    # 3 methods under the first seed × 4 steps of the first phase
    assert found[TWICE] == REPEATED.format(3, 12, 3)
    # 9 cells × (3 phases × 2, 1 at the beginning and 1 at the end)
    assert found[UNMOVED] == "digested 72 times, before and after every phase: all equal"
    assert found[OFFERED].startswith("27 phases of 256 tokens each, 0 of another size")
    # frozen: 3 seeds × the second and third phase × 4 steps
    assert found[PROMISED] == "24 measurements, 0 outside their tolerance"
    # 4 domains × 2 hold-out items and 2 probes
    assert found[UNSEEN].startswith("16 hold-out and probe items")


def test_re_evaluations_are_counted_for_every_order(record_ledgers, tmp_path):
    orders = [["river", "oven", "clock"], ["clock", "river", "oven"]]
    found = examined(record_ledgers(tmp_path / "run", suite={"orders": orders}))
    # 2 orders × 3 seeds × 3
    assert found[FROZEN].found.startswith("18 re-evaluations, 18")
    # 2 orders × 3 methods, against two different replays of the first phase
    assert found[TWICE].found == REPEATED.format(6, 24, 6)
    assert all(check.passed for check in found.values())


@pytest.mark.parametrize(("after", "domain"), [(1, "river"), (2, "river"), (2, "oven")])
def test_frozen_that_moves_by_one_ulp_is_seen(ledgers, rewrite, after, domain):
    def moved(row):
        if not again(row, after, domain):
            return row
        nats = math.nextafter(row.total.nats, math.inf)
        total = row.total.model_copy(update={"nats": nats})
        return row.model_copy(update={"total": total, "per_item": digest("other items")})

    rewrite(ledgers, "cells/frozen-o0-s1", moved)
    check = only_failure(ledgers)
    assert check.name == FROZEN
    assert check.found.startswith("9 re-evaluations, 8 of them equal to the bit, 0 not")


def test_frozen_whose_items_move_while_their_sum_does_not_is_seen(ledgers, rewrite):
    def moved(row):
        new = {"per_item": digest("two items that trade one nat")}
        return row.model_copy(update=new) if again(row, 2, "river") else row

    rewrite(ledgers, "cells/frozen-o0-s0", moved)
    assert only_failure(ledgers).name == FROZEN


def test_frozen_may_answer_otherwise_before_a_domain_is_learned(ledgers, rewrite):
    def other(row):
        new = {"per_item": digest("something else")}
        return row.model_copy(update=new) if again(row, 0, "oven") else row

    rewrite(ledgers, "cells/frozen-o0-s0", other)
    assert examined(ledgers)[FROZEN].passed


@pytest.mark.parametrize("derived", [{"shared": "shared/first-river-s0"}, {"seconds": 0.0}])
def test_a_re_evaluation_that_was_copied_is_not_one(ledgers, rewrite, derived):
    def copied(row):
        return row.model_copy(update=derived) if again(row, 1, "river") else row

    rewrite(ledgers, "cells/frozen-o0-s2", copied)
    check = only_failure(ledgers)
    assert check.name == FROZEN
    assert check.found == "9 re-evaluations, 9 of them equal to the bit, 1 not measured"


def test_another_method_may_drift(good):
    naive = study.load(good).loss("naive_lora")
    assert (naive[:, 3, 0] > naive[:, 1, 0]).all()
    assert examined(good)[FROZEN].passed


def test_without_frozen_nothing_is_said_of_it(record_ledgers, tmp_path):
    changes = {"methods": {"naive_lora": {}, "joint": {}}, "statistics": {}}
    found = examined(record_ledgers(tmp_path / "run", suite=changes))
    assert found[FROZEN].passed is None
    assert found[FROZEN].found == "the suite has no finished cell of the method frozen"
    # only frozen states an invariant
    assert found[PROMISED].passed is None
    assert found[PROMISED].found == "no method of the suite states an invariant"
    assert sound(list(found.values()))


def test_only_finished_cells_of_frozen_count(record_ledgers, tmp_path):
    path = record_ledgers(tmp_path / "run", states={"frozen-o0-s1": "failed"})
    # 2 seeds × 3
    assert examined(path)[FROZEN].found.startswith("6 re-evaluations, 6")


@pytest.mark.parametrize("field", ["per_item", "plan"])
def test_other_bits_from_disk_are_seen(ledgers, rewrite, field):
    def other(row):
        return row.model_copy(update={field: "0" * 64}) if row.kind == "eval" else row

    rewrite(ledgers, "checks/fresh-joint-o0-s1", other)
    check = only_failure(ledgers)
    assert check.name == FRESH
    assert check.found == "9 of 9 finished cells evaluated again, 8 equal to the bit"


def test_one_cell_that_was_not_evaluated_again_is_seen_and_is_no_failure_of_the_instrument(ledgers):
    """A run that was killed between two checks; what it says is shown, and is not accepted."""
    (ledgers / "checks" / "fresh-joint-o0-s1" / "ledger.jsonl").unlink()
    found = examined(ledgers)
    assert found[FRESH].passed is None
    assert found[FRESH].found == "8 of 9 finished cells evaluated again, 8 equal to the bit"
    assert sound(list(found.values()))
    assert not complete(list(found.values()))


def test_a_difference_is_a_failure_also_while_cells_wait_for_their_check(ledgers, rewrite):
    def other(row):
        if row.kind != "eval":
            return row
        return row.model_copy(update={"per_item": "0" * 64})

    (ledgers / "checks" / "fresh-joint-o0-s1" / "ledger.jsonl").unlink()
    rewrite(ledgers, "checks/fresh-joint-o0-s0", other)
    assert (
        only_failure(ledgers).found == "8 of 9 finished cells evaluated again, 7 equal to the bit"
    )


def test_a_row_of_the_cell_itself_is_not_a_fresh_evaluation(ledgers, rewrite):
    """A copy of the cell's own row would be equal to the bit, and would show nothing."""

    def own(row):
        return row.model_copy(update={"process": "cell"}) if row.kind == "eval" else row

    rewrite(ledgers, "checks/fresh-joint-o0-s1", own)
    assert only_failure(ledgers).name == FRESH


def test_without_fresh_evaluations_nothing_is_said_of_the_disk(ledgers):
    for path in ledgers.glob("checks/fresh-*/ledger.jsonl"):
        path.unlink()
    found = examined(ledgers)
    assert found[FRESH].passed is None
    assert found[FRESH].found == "no finished cell was evaluated again"
    assert sound(list(found.values()))


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_one_gradient_norm_of_the_replay_is_seen(ledgers, rewrite, step):
    def other(row):
        if row.kind != "step" or row.step != step:
            return row
        norm = math.nextafter(row.gradient_norm, math.inf)
        return row.model_copy(update={"gradient_norm": norm})

    rewrite(ledgers, "checks/replay-river-s0", other)
    check = only_failure(ledgers)
    assert check.name == TWICE
    assert check.found == REPEATED.format(3, 12, 0)


def test_one_cell_that_does_not_repeat_is_seen(ledgers, rewrite):
    def other(row):
        if row.kind != "step" or (row.phase, row.step) != (0, 2):
            return row
        return row.model_copy(update={"terms": {"lm": 7.0}})

    rewrite(ledgers, "cells/joint-o0-s0", other)
    check = only_failure(ledgers)
    assert check.name == TWICE
    assert check.found.endswith("2 equal to the bit")


def test_another_adapter_of_the_replay_is_seen(ledgers, rewrite):
    def other(row):
        new = {"adapters": {"shared": "0" * 64}}
        return row.model_copy(update=new) if row.kind == "phase" else row

    rewrite(ledgers, "checks/replay-river-s0", other)
    assert only_failure(ledgers).name == TWICE


def test_a_replay_that_lacks_a_step_is_seen(ledgers, rewrite):
    rewrite(
        ledgers,
        "checks/replay-river-s0",
        lambda row: None if row.kind == "step" and row.step == 3 else row,
    )
    assert only_failure(ledgers).name == TWICE


def test_the_clock_of_the_replay_may_differ(ledgers, rewrite):
    rewrite(
        ledgers,
        "checks/replay-river-s0",
        lambda row: row.model_copy(update={"seconds": 9.0}) if row.kind == "step" else row,
    )
    assert examined(ledgers)[TWICE].passed


def test_without_a_replay_nothing_is_said_of_it(ledgers):
    (ledgers / "checks" / "replay-river-s0" / "ledger.jsonl").unlink()
    found = examined(ledgers)
    assert found[TWICE].passed is None
    assert found[TWICE].found == "no first phase was trained twice"
    assert sound(list(found.values()))


def test_a_replay_of_another_seed_is_not_taken_for_this_one(ledgers):
    here = ledgers / "checks" / "replay-river-s0"
    here.rename(ledgers / "checks" / "replay-river-s1")
    assert examined(ledgers)[TWICE].passed is None


@pytest.mark.parametrize("field", ["base_before", "base_after"])
def test_a_base_that_moved_in_one_phase_is_seen(ledgers, rewrite, field):
    def moved(row):
        new = {field: "0" * 64}
        return row.model_copy(update=new) if row.kind == "phase" and row.phase == 1 else row

    rewrite(ledgers, "cells/naive_lora-o0-s2", moved)
    check = only_failure(ledgers)
    assert check.name == UNMOVED
    assert check.found.endswith("before and after every phase: 2 different values")


def test_a_base_that_moved_at_the_very_end_is_seen(ledgers, rewrite):
    def moved(row):
        return row.model_copy(update={"base": "0" * 64}) if row.kind == "end" else row

    rewrite(ledgers, "cells/naive_lora-o0-s2", moved)
    assert only_failure(ledgers).name == UNMOVED


@pytest.fixture
def moving(ledgers, rewrite, monkeypatch):
    """The run, with a naive method that trains the base's own weights and says so."""
    monkeypatch.setattr(registry.load("method", "naive_lora").METHOD, "moves_base", True)

    def run(**stray):
        """stray  ``phase_field`` or ``end`` -> another digest than the one that is due"""
        for seed in range(3):

            def move(row):
                if row.kind == "phase":
                    due = [*(f"{index}" * 64 for index in range(1, 4))]
                    before = row.base_before if row.phase == 0 else due[row.phase - 1]
                    new = {"base_before": before, "base_after": due[row.phase]}
                    if seed == 2:  # noqa: B023
                        new |= {f: stray.get(f"{row.phase}_{f}", d) for f, d in new.items()}
                    return row.model_copy(update=new)
                if row.kind == "end":
                    base = stray.get("end", "3" * 64) if seed == 2 else "3" * 64  # noqa: B023
                    return row.model_copy(update={"base": base})
                return row

            rewrite(ledgers, f"cells/naive_lora-o0-s{seed}", move)
        return ledgers

    return run


def test_a_method_that_says_so_may_move_the_base_in_its_phases(moving):
    check = examined(moving())[UNMOVED]
    assert check.passed
    # 6 cells of the others × 8, and where the 3 that move it began
    assert check.found == (
        "digested 51 times, before and after every phase: all equal; trained by naive_lora, 0 of "
        "whose cells moved it outside a phase or not within one"
    )


@pytest.mark.parametrize(
    "stray",
    [
        {"1_base_before": "0" * 64},  # between two phases
        {"1_base_after": "1" * 64, "2_base_before": "1" * 64},  # not within its second phase
        {"0_base_before": "0" * 64},  # before its first phase
        {"end": "0" * 64},  # after its last
    ],
)
def test_it_may_move_the_base_at_no_other_time(moving, stray):
    check = only_failure(moving(**stray))
    assert check.name == UNMOVED
    assert "trained by naive_lora, 1 of whose cells moved it outside" in check.found


def test_a_method_that_moves_the_base_does_not_excuse_the_others(moving, rewrite):
    def moved(row):
        return row.model_copy(update={"base": "0" * 64}) if row.kind == "end" else row

    run = moving()
    rewrite(run, "cells/joint-o0-s1", moved)
    assert only_failure(run).name == UNMOVED


def test_one_phase_that_was_offered_more_is_seen(ledgers, rewrite):
    def more(row):
        new = {"tokens_offered": 320}
        return row.model_copy(update=new) if row.kind == "phase" and row.phase == 2 else row

    rewrite(ledgers, "cells/joint-o0-s0", more)
    check = only_failure(ledgers)
    assert check.name == OFFERED
    assert check.found.startswith("27 phases of 256 tokens each, 1 of another size")


def test_one_phase_that_was_offered_other_batches_is_seen(ledgers, rewrite):
    """As many tokens, but not the same ones: the digest of what was offered says so."""

    def other(row):
        new = {"offered": "0" * 64}
        return row.model_copy(update=new) if row.kind == "phase" and row.phase == 2 else row

    rewrite(ledgers, "cells/joint-o0-s0", other)
    assert only_failure(ledgers).name == OFFERED


def test_what_is_trained_on_beyond_the_offer_is_no_fault(good):
    trained = [row.tokens_trained for row in study.load(good).phases("joint")[0]]
    assert trained == [256, 512, 768]
    assert examined(good)[OFFERED].passed


def test_a_method_that_learns_from_its_own_words_must_declare_it(ledgers, rewrite):
    def reworded(declared):
        def new(row):
            if row.kind == "step" and row.phase == 1:
                return row.model_copy(update={"batch": "0" * 64})
            mine = row.kind == "phase" and row.phase == 1
            return row.model_copy(update={"rewritten": declared}) if mine else row

        return new

    rewrite(ledgers, "cells/naive_lora-o0-s0", reworded(declared=False))
    check = only_failure(ledgers)
    assert check.name == OFFERED
    assert check.found.endswith("1 of them on something else")
    rewrite(ledgers, "cells/naive_lora-o0-s0", reworded(declared=True))
    check = examined(ledgers)[OFFERED]
    assert check.passed
    assert check.found.endswith(
        "0 of them on something else; naive_lora learned from the model's own words in its place"
    )


@pytest.mark.parametrize("value", [5e-324, -5e-324, 1.0])
def test_a_promise_that_is_missed_at_one_step_is_seen(ledgers, rewrite, value):
    def missed(row):
        mine = row.kind == "invariant" and (row.phase, row.step) == (1, 3)
        return row.model_copy(update={"value": value}) if mine else row

    rewrite(ledgers, "cells/frozen-o0-s0", missed)
    check = only_failure(ledgers)
    assert check.name == PROMISED
    assert check.found == "24 measurements, 1 outside their tolerance"


def test_a_promise_is_kept_up_to_and_with_its_tolerance(ledgers, rewrite):
    def near(row):
        new = {"value": 1.25, "promised": 1.0, "tolerance": 0.25}
        return row.model_copy(update=new) if row.kind == "invariant" else row

    rewrite(ledgers, "cells/frozen-o0-s0", near)
    assert examined(ledgers)[PROMISED].passed


def test_a_hold_out_item_that_was_trained_on_is_seen(ledgers, change_about):
    change_about(ledgers, lambda about: about["overlap"][1].update(exact=["oven-41"], largest=1.0))
    check = only_failure(ledgers)
    assert check.name == UNSEEN
    assert (
        "1 stand in it, 0 share more than 50% of their 13-grams with it; the largest share is 100%"
        in (check.found)
    )


def test_before_any_cell_is_done_only_the_data_can_be_checked(record_ledgers, tmp_path):
    states = {
        f"{method}-o0-s{seed}": "pending"
        for method in ("naive_lora", "frozen", "joint")
        for seed in range(3)
    }
    found = examined(record_ledgers(tmp_path / "run", states=states))
    assert {name for name, check in found.items() if check.passed is None} == {*ALL} - {UNSEEN}
    assert found[UNSEEN].passed


def test_every_check_says_what_it_means(good):
    for check in checks(study.load(good)):
        assert len(check.meaning) > 20
        assert check.meaning != check.found


def test_a_replay_that_diverged_is_a_failure_and_no_absence(ledgers):
    path = ledgers / "checks" / "replay-river-s0" / "ledger.jsonl"
    path.unlink()
    ledger = Ledger(path, "checks/replay-river-s0")
    ledger.end(status="failed", failure="diverged", error="nan", base=None, seconds=0.0)
    assert examined(ledgers)[TWICE].passed is False
    assert "1 attempt(s) failed" in examined(ledgers)[TWICE].found
