"""What a run says of each method, and in which words."""

from math import sqrt

import pytest
from scipy import stats

from classay import study
from classay.claims.verdict import Verdict
from classay.evidence.rerun import accepted, judge

pytestmark = pytest.mark.torchless

MARGIN = 5  # per cent, of the recorded suite


def judged(path):
    found = judge(study.load(path))
    return {(j.method, j.order): j for j in found.judgements}


def naive(path):
    return judged(path)["naive_lora", 0]


def rising(*means):
    """Rises of the two earlier domains whose mean is a drift of so many per cent under each seed.

    25 and its multiples by 1/100 are exact in 6.25 · 64 nats; so is the mean of x − 2 and x + 2.
    """
    return {seed: (mean - 2, mean + 2) for seed, mean in enumerate(means)}


def test_drift_interval_and_gain_by_hand(good):
    ours = naive(good)
    # (8 + 12) / 2, (10 + 14) / 2, (12 + 16) / 2 per cent
    assert ours.drift == (10.0, 12.0, 14.0)
    # 12 ± 4.3027 · 2 / √3
    assert ours.interval[:3] == pytest.approx((12, 7.0317, 16.9683), abs=5e-5)
    # oven: from 7.5 to 6.25
    assert ours.gain == 1.25
    assert (ours.verdict, ours.words) == (Verdict.CONTRADICTED, "[7.03, 16.97] % lies above 5")


@pytest.mark.parametrize("drifts", [(10, 12, 14), (2, 4, 8), (4, 4, 10)])
def test_the_interval_is_students(record_ledgers, tmp_path, drifts):
    ours = naive(record_ledgers(tmp_path / "run", rises=rising(*drifts)))
    assert ours.drift == pytest.approx(drifts)
    half = stats.t.ppf(0.975, 2) * stats.tstd(drifts) / sqrt(3)
    mean = sum(drifts) / 3
    assert ours.interval[:3] == pytest.approx((mean, mean - half, mean + half))


def test_the_level_is_the_plans(record_ledgers, tmp_path):
    ours = naive(record_ledgers(tmp_path / "run", suite={"statistics": {"level": 0.8}}))
    # 12 ± 1.8856 · 2 / √3
    assert ours.interval[1:4] == pytest.approx((9.8226, 14.1774, 0.8), abs=1e-4)


def test_frozen_retains_without_any_spread(good):
    ours = judged(good)["frozen", 0]
    assert ours.drift == (0.0, 0.0, 0.0)
    assert ours.verdict is Verdict.SUPPORTED
    assert ours.words == "0.00 %, the same to the bit in every seed, lies at or below 5"


def test_an_interval_below_the_margin_supports(record_ledgers, tmp_path):
    # 2 ± 4.3027 · 0.5 / √3 = 2 ± 1.2421
    ours = naive(record_ledgers(tmp_path / "run", rises=rising(1.5, 2, 2.5)))
    assert ours.verdict is Verdict.SUPPORTED
    assert ours.words == "[0.76, 3.24] % lies at or below 5"


def test_an_interval_around_the_margin_leaves_it_open(record_ledgers, tmp_path):
    # 4 ± 4.3027 · 2 / √3 = 4 ± 4.9683: its mean alone would have been below
    ours = naive(record_ledgers(tmp_path / "run", rises=rising(2, 4, 6)))
    assert ours.verdict is Verdict.UNDERPOWERED
    assert ours.words == "[−0.97, 8.97] % contains 5"


@pytest.mark.parametrize(
    ("margin", "verdict"), [(12, Verdict.SUPPORTED), (11.99, Verdict.CONTRADICTED)]
)
def test_exactly_the_margin_is_still_retained(record_ledgers, tmp_path, margin, verdict):
    suite = {"statistics": {"margin": margin}}
    ours = naive(record_ledgers(tmp_path / "run", suite=suite, rises=rising(12, 12, 12)))
    assert (ours.interval.low, ours.interval.high) == (12.0, 12.0)
    assert ours.verdict is verdict


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_fewer_than_three_seeds_are_no_test(record_ledgers, tmp_path, seeds):
    found = judged(record_ledgers(tmp_path / "run", suite={"seeds": seeds}))
    for ours in found.values():
        assert ours.verdict is Verdict.NOT_TESTED
        assert ours.words == f"{len(seeds)} seed(s); a verdict needs 3"
    assert (found["naive_lora", 0].interval is None) == (len(seeds) == 1)


@pytest.mark.parametrize("state", ["pending", "running", "failed"])
def test_a_missing_cell_is_no_test(record_ledgers, tmp_path, state):
    suite = {"seeds": [0, 1, 2, 3]}
    rises = rising(12, 12, 12, 12)
    path = record_ledgers(
        tmp_path / "run", suite=suite, rises=rises, states={"naive_lora-o0-s3": state}
    )
    ours = naive(path)
    assert ours.verdict is Verdict.NOT_TESTED  # although three seeds are there
    assert ours.words == f"incomplete: naive_lora-o0-s3 is {state}"
    assert len(ours.drift) == 3
    assert judged(path)["frozen", 0].verdict is Verdict.SUPPORTED


def test_a_method_none_of_whose_cells_is_done_has_no_numbers(record_ledgers, tmp_path):
    states = {f"naive_lora-o0-s{seed}": "pending" for seed in range(3)}
    ours = naive(record_ledgers(tmp_path / "run", states=states))
    assert (ours.drift, ours.interval, ours.gain) == ((), None, None)
    assert ours.verdict is Verdict.NOT_TESTED


def test_who_learned_nothing_has_nothing_to_forget(record_ledgers, tmp_path):
    # oven: from 6.28125 to 6.25 is 0.03125, and 0.05 was needed
    base = {"river": 8.0, "oven": 6.28125, "clock": 9.0, "street": 8.5}
    found = judged(record_ledgers(tmp_path / "run", base=base))
    for ours in found.values():
        assert ours.gain == 0.03125
        assert ours.verdict is Verdict.NOT_TESTED
        assert ours.words.startswith(
            "not learned: its least gain over the base is 0.031 nats/token and 0.05 was needed "
            "(oven)"
        )
        assert ours.unlearned == ("oven",)


def test_exactly_the_floor_is_learned(record_ledgers, tmp_path):
    suite = {"statistics": {"learning_floor": 1.25}}
    assert naive(record_ledgers(tmp_path / "run", suite=suite)).verdict is Verdict.CONTRADICTED


def test_after_a_failed_check_nothing_is_concluded(ledgers, change_about):
    change_about(ledgers, lambda about: about["overlap"][0].update(exact=["river-41"]))
    found = judge(study.load(ledgers))
    assert not found.sound
    for ours in found.judgements:
        assert ours.verdict is Verdict.INSTRUMENT_FAILED
        assert ours.words == "a check of the instrument failed; nothing is concluded"
        assert len(ours.drift) == 3  # shown, not judged
    assert not accepted(study.load(ledgers), found)


def test_bounds_are_not_judged(good):
    assert list(judged(good)) == [("naive_lora", 0), ("frozen", 0)]


def test_a_bound_that_has_not_begun_is_a_bound_all_the_same(record_ledgers, tmp_path):
    states = {f"joint-o0-s{seed}": "pending" for seed in range(3)}
    assert ("joint", 0) not in judged(record_ledgers(tmp_path / "run", states=states))


def test_each_order_is_judged_by_itself(record_ledgers, tmp_path):
    orders = [["river", "oven", "clock"], ["clock", "river", "oven"]]
    path = record_ledgers(
        tmp_path / "run", suite={"orders": orders}, states={"naive_lora-o1-s0": "failed"}
    )
    found = judged(path)
    assert set(found) == {(m, o) for m in ("naive_lora", "frozen") for o in (0, 1)}
    assert found["naive_lora", 0].verdict is Verdict.CONTRADICTED
    assert found["naive_lora", 1].verdict is Verdict.NOT_TESTED
    assert found["naive_lora", 1].drift == (12.0, 14.0)


def test_the_metric_is_the_plans(record_ledgers, tmp_path):
    suite = {"statistics": {"retention": "drift_worst", "margin": 10}}
    ours = naive(record_ledgers(tmp_path / "run", suite=suite))
    # the larger of 8 and 12, 10 and 14, 12 and 16 per cent; 14 ± 4.3027 · 2 / √3
    assert ours.drift == (12.0, 14.0, 16.0)
    assert ours.words == "[9.03, 18.97] % contains 10"


def acceptance(path):
    found = study.load(path)
    return accepted(found, judge(found))


def test_a_run_is_accepted_when_those_that_must_retain_do(good):
    assert acceptance(good)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [([], True), (["frozen"], True), (["naive_lora"], False), (["frozen", "naive_lora"], False)],
)
def test_every_method_that_must_retain_is_asked_for(record_ledgers, tmp_path, accept, expected):
    path = record_ledgers(tmp_path / "run", suite={"statistics": {"accept": accept}})
    assert acceptance(path) is expected


@pytest.mark.parametrize("drift", [(2, 4, 6), (10, 12, 14)])
def test_underpowered_is_not_accepted_and_neither_is_contradicted(record_ledgers, tmp_path, drift):
    suite = {"statistics": {"accept": ["naive_lora"]}}
    assert not acceptance(record_ledgers(tmp_path / "run", suite=suite, rises=rising(*drift)))


def test_an_incomplete_method_is_not_accepted(record_ledgers, tmp_path):
    assert not acceptance(record_ledgers(tmp_path / "run", states={"frozen-o0-s1": "failed"}))


def test_a_bound_that_must_retain_is_never_found_to(record_ledgers, tmp_path):
    """It is not judged, and what is not judged was not found to retain."""
    suite = {"statistics": {"accept": ["joint"]}}
    assert not acceptance(record_ledgers(tmp_path / "run", suite=suite))


# --- an excerpt


def test_an_excerpt_is_judged_with_its_run(record_ledgers, tmp_path, rewrite):
    """What is left out may be what failed, or what the rest is measured by."""

    def moved(row):
        if (row.kind, getattr(row, "after", 0), getattr(row, "domain", "")) != ("eval", 2, "river"):
            return row
        return row.model_copy(update={"per_item": "0" * 64})

    path = record_ledgers(tmp_path / "run")
    rewrite(path, "cells/frozen-o0-s1", moved)
    run = study.load(path)
    part = judge(run.only(["naive_lora"]))
    assert not judge(run).sound
    assert not part.sound
    assert [(j.method, j.verdict) for j in part.judgements] == [
        ("naive_lora", Verdict.INSTRUMENT_FAILED)
    ]


def test_an_excerpt_without_naive_is_measured_by_the_runs(good):
    run = study.load(good)
    whole = {j.method: j for j in judge(run).judgements}
    part = {j.method: j for j in judge(run.only(["frozen"])).judgements}
    assert part == {"frozen": whole["frozen"]}
    assert part["frozen"].naive.naive == "naive_lora"
    assert part["frozen"].naive.share is not None


# --- digits


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        # the two earlier domains 5 % and 5.0064 % higher: a mean of 5.0032 %, which is above 5
        ((5.0032, 5.0032, 5.0032), "5.003 %, the same to the bit in every seed, lies above 5"),
        ((5.0, 5.0, 5.0), "5.00 %, the same to the bit in every seed, lies at or below 5"),
    ],
)
def test_a_number_is_not_rounded_onto_the_other_side_of_the_margin(
    record_ledgers, tmp_path, mean, words
):
    rises = {seed: (value, value) for seed, value in enumerate(mean)}
    assert naive(record_ledgers(tmp_path / "run", rises=rises)).words == words
