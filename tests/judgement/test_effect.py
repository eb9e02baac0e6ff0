"""A penalty that was not felt earns its method no verdict."""

import json
from math import isnan

import pytest

from classay import ending, study
from classay.claims.verdict import Verdict
from classay.evidence.effect import Effect, effects
from classay.evidence.rerun import accepted, judge

pytestmark = pytest.mark.torchless


@pytest.fixture
def penalised(ledgers, rewrite):
    """Give naive_lora's cells a penalty.

    ratios   seed -> the penalty's gradient over the language model's, at steps 1 and 3 of the
             second and the third phase
    """

    def changed(ratios, term="ewc", phases=(1, 2), measured=(1, 3)):
        for seed, found in ratios.items():
            values = dict(zip([(p, s) for p in phases for s in measured], found, strict=True))

            def with_penalty(row, values=values):
                if row.kind != "step" or row.phase not in phases:
                    return row
                norms = {}
                if (row.phase, row.step) in values:
                    norms = {"lm": 2.0, term: 2.0 * values[row.phase, row.step]}
                terms = {**row.terms, term: 0.5}
                return row.model_copy(update={"terms": terms, "term_gradient_norms": norms})

            rewrite(ledgers, f"cells/naive_lora-o0-s{seed}", with_penalty)
        return ledgers

    return changed


def naive(path):
    return next(j for j in judge(study.load(path)).judgements if j.method == "naive_lora")


FELT = [0.5, 0.25, 0.125, 1.0]


def test_the_ratio_by_hand(penalised):
    # seed 0: the median of 1/2, 1/4, 1/8 and 1 is 3/8; the others are as large at every step
    path = penalised({0: FELT, 1: [2.0] * 4, 2: [1.0] * 4})
    assert effects(study.load(path), "naive_lora", 0) == [Effect("ewc", (0.375, 2.0, 1.0))]
    assert naive(path).effects[0].least == 0.375


def test_a_method_without_a_penalty_has_no_effect_to_measure(good):
    assert effects(study.load(good), "naive_lora", 0) == []
    assert naive(good).verdict is Verdict.CONTRADICTED


def test_a_penalty_that_was_felt_is_judged(penalised):
    path = penalised({0: FELT, 1: FELT, 2: FELT})
    assert naive(path).verdict is Verdict.CONTRADICTED


@pytest.mark.parametrize(("ratio", "judged"), [(1e-3, True), (0.00099, False), (0.0, False)])
def test_a_thousandth_is_needed(penalised, ratio, judged):
    found = naive(penalised({seed: [ratio] * 4 for seed in range(3)}))
    assert (found.verdict is not Verdict.NOT_TESTED) == judged
    assert found.words.startswith("strength without effect: ") != judged


def test_it_is_said_in_these_words(penalised):
    path = penalised({seed: [2e-4] * 4 for seed in range(3)})
    found = naive(path)
    assert found.verdict is Verdict.NOT_TESTED
    assert found.words == (
        "strength without effect: of the language model's gradient, ewc's was 2.0e-04 (median over "
        "steps, the least seed) and 0.001 was needed; this is its parent under another name. Raise "
        "its strength"
    )
    assert found.drift == (10.0, 12.0, 14.0)  # shown, not judged


def test_one_seed_in_which_it_was_not_felt_is_enough(penalised):
    found = naive(penalised({0: FELT, 1: [1e-6] * 4, 2: FELT}))
    assert found.verdict is Verdict.NOT_TESTED


def test_the_first_phase_does_not_count(penalised):
    path = penalised({seed: FELT for seed in range(3)}, phases=(0, 1))
    # steps 1 and 3 of the second phase: 1/8 and 1
    assert naive(path).effects[0].ratios == (0.5625,) * 3
    path = penalised({seed: [1.0, 1.0] for seed in range(3)}, term="early", phases=(0,))
    assert [effect.term for effect in naive(path).effects] == ["ewc"]


def test_what_was_never_measured_is_no_number_of_json(penalised):
    run = study.load(penalised({seed: [] for seed in range(3)}, measured=()))
    end = ending.End(judge(run), "", 0)
    said = json.loads(json.dumps(ending.summary(run, end), allow_nan=False))
    (found,) = (j for j in said["judgements"] if j["method"] == "naive_lora")
    assert found["effects"] == [{"term": "ewc", "ratios": [None] * 3}]


def test_a_penalty_that_was_never_measured_was_not_felt(penalised):
    path = penalised({seed: [] for seed in range(3)}, measured=())
    (effect,) = naive(path).effects
    assert isnan(effect.least)
    assert naive(path).words == (
        "strength without effect: the gradient of ewc was never measured; a phase of two steps is "
        "needed"
    )


def test_a_seed_without_the_penalty_was_not_measured(penalised):
    (effect,) = naive(penalised({0: FELT})).effects
    assert effect.ratios[0] == 0.375
    assert all(isnan(ratio) for ratio in effect.ratios[1:])
    assert not effect.felt


def test_every_penalty_must_be_felt(penalised):
    penalised({seed: FELT for seed in range(3)}, term="orthogonality")
    # the second penalty takes the place of the first at the steps that are measured
    path = penalised({seed: [1e-9] * 4 for seed in range(3)}, term="norm")
    found = naive(path)
    assert [effect.term for effect in found.effects] == ["norm", "orthogonality"]
    assert "norm's was 1.0e-09" in found.words


def test_a_step_on_which_nothing_was_learned_is_left_out(penalised, rewrite):
    path = penalised({seed: FELT for seed in range(3)})

    def idle(row):
        if row.kind != "step" or (row.phase, row.step) != (2, 3):
            return row
        return row.model_copy(update={"term_gradient_norms": {"lm": 0.0, "ewc": 1.0}})

    rewrite(path, "cells/naive_lora-o0-s0", idle)
    # the median of 1/2, 1/4 and 1/8
    assert naive(path).effects[0].ratios == (0.25, 0.375, 0.375)


def test_who_was_not_felt_is_not_found_to_retain(penalised, change_about):
    path = penalised({seed: [0.0] * 4 for seed in range(3)})
    change_about(path, lambda about: about["suite"]["statistics"].update(margin=90.0))
    found = study.load(path)
    judged = judge(found)
    assert judged.sound
    assert accepted(found, judged)  # the plan asks frozen alone
    change_about(path, lambda about: about["suite"]["statistics"].update(accept=["naive_lora"]))
    assert not accepted(study.load(path), judge(study.load(path)))
