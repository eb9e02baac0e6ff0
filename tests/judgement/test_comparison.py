import json

import pytest
from typer.testing import CliRunner

from classay import study
from classay.claims.verdict import Verdict
from classay.cli import app
from classay.errors import ConfigError, UnknownName
from classay.evidence.comparison import compare
from classay.evidence.rerun import judge
from classay.reports.render import render


@pytest.fixture
def build(record_ledgers, tmp_path):
    def made(**more):
        name = f"run{len(list(tmp_path.iterdir()))}"
        return study.load(record_ledgers(tmp_path / name, **more))

    return made


# naive drifts by 10, 12 and 14 %, frozen by 0: the differences have the mean 12 and s = 2, and
# t(2) = 4.303 makes the half-width 4.303 · 2/√3 = 4.968; of 8 patterns of signs 2 are as far out
def test_a_paired_difference_by_hand(build):
    drift = compare(build(), "naive_lora", "frozen").compared[0]
    assert drift.a == pytest.approx((10, 12, 14))
    assert drift.b == (0, 0, 0)
    assert drift.difference.estimate == pytest.approx(12)
    assert drift.difference.low == pytest.approx(12 - 4.968, abs=1e-3)
    assert (drift.difference.p_exact, drift.difference.p_floor) == (0.25, 0.25)
    assert drift.ranges.disjoint


def test_the_other_way_round_every_sign_turns(build):
    study = build()
    there, back = compare(study, "naive_lora", "frozen"), compare(study, "frozen", "naive_lora")
    for one, other in zip(there.compared, back.compared, strict=True):
        assert one.difference.estimate == pytest.approx(-other.difference.estimate)
        assert one.a == other.b


def test_a_seed_that_only_one_method_finished_is_left_out_by_name(build):
    found = compare(build(states={"frozen-o0-s1": "failed"}), "naive_lora", "frozen")
    assert found.left_out == (1,)
    assert found.compared[0].seeds == (0, 2)
    assert found.compared[0].a == pytest.approx((10, 14))


def test_a_seed_that_neither_method_finished_is_named_too(build):
    states = {"frozen-o0-s1": "failed", "naive_lora-o0-s1": "failed"}
    assert compare(build(states=states), "naive_lora", "frozen").left_out == (1,)


def test_an_order_that_the_run_does_not_have_is_named(build):
    with pytest.raises(ConfigError, match="the order 7 was asked for, and the run has 1, counted"):
        compare(build(), "naive_lora", "frozen", 7)


def test_a_loss_of_nothing_leaves_one_quantity_out_and_not_the_comparison(build, rewrite):
    def learned_wholly(row):
        if (row.kind, getattr(row, "after", None), getattr(row, "domain", None)) != (
            "eval", 1, "oven",
        ) or row.split != "holdout":  # fmt: skip
            return row
        return row.model_copy(update={"total": row.total.model_copy(update={"nats": 0.0})})

    folder = build().folder.path
    rewrite(folder, "cells/naive_lora-o0-s1", learned_wholly)
    found = compare(study.load(folder), "naive_lora", "frozen")
    assert found.not_computable == ("Drift, prior domains, vs just learned",)
    assert len(found.compared) == 3
    (naive, *_) = (j for j in judge(study.load(folder)).judgements if j.method == "naive_lora")
    assert (naive.verdict, naive.drift) == (Verdict.NOT_TESTED, ())
    assert "is not computable: a reference is 0 and it needs one above 0" in naive.words
    html = render(study.load(folder), judge(study.load(folder)))
    assert "NAIVE_LORA is not ranked: " in html
    assert "not computable (what it divides by is 0)" in html


def test_a_comparison_says_that_the_instrument_failed(build, rewrite):
    def moved(row):
        if row.kind != "eval" or row.after != 2 or row.domain != "river":
            return row
        return row.model_copy(update={"per_item": "0" * 64})

    folder = build().folder.path
    rewrite(folder, "cells/frozen-o0-s1", moved)
    done = CliRunner().invoke(app, ["compare", str(folder), "naive_lora", "joint"])
    assert "The instrument failed a check, so nothing is concluded from these" in done.stdout
    done = CliRunner().invoke(app, ["compare", str(folder), "naive_lora", "joint", "--json"])
    assert json.loads(done.stdout)["sound"] is False


def test_one_seed_has_no_interval(build):
    found = compare(build(suite={"seeds": [0]}), "naive_lora", "frozen")
    assert found.compared[0].difference is None


def test_what_cannot_be_compared_is_said(build):
    with pytest.raises(UnknownName, match="no method of this run is called 'ewc'"):
        compare(build(), "naive_lora", "ewc")
    with pytest.raises(ConfigError, match="naive_lora was given twice, and two methods are needed"):
        compare(build(), "naive_lora", "naive_lora")
    failed = {f"frozen-o0-s{seed}": "failed" for seed in range(3)}
    with pytest.raises(ConfigError, match="have no seed in common that is done, and one is needed"):
        compare(build(states=failed), "naive_lora", "frozen")


def test_the_command_prints_the_difference_and_its_floor(build):
    folder = str(build().folder.path)
    done = CliRunner().invoke(app, ["compare", folder, "naive_lora", "frozen"])
    assert done.exit_code == 0, done.output
    assert "mean +12.0000, 95 % t interval +7.0317 to +16.9683" in done.stdout
    assert "exact p 0.25, and no data of 3 pairs can give less than 0.25" in done.stdout
    as_json = CliRunner().invoke(app, ["compare", folder, "naive_lora", "frozen", "--json"])
    found = json.loads(as_json.stdout)
    assert found["compared"][0]["difference"]["runs"] == 3
