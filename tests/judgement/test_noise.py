"""The noise floor: FROZEN against itself, by hand."""

from __future__ import annotations

import json
from html import unescape

import numpy as np
import pytest
from typer.testing import CliRunner

from classay import registry, study
from classay.cli import app
from classay.evidence.comparison import compare
from classay.evidence.noise import Floor, floors, largest, redrawn
from classay.evidence.rerun import judge
from classay.reports.readings import noise
from classay.reports.render import render

pytestmark = pytest.mark.torchless

DRIFT = registry.load("metric", "drift_prior_vs_own").TITLE
LOSS, GAIN = "Loss at the end", "Gain over the base just after learning"


def said(found) -> str:
    """The report as a line of text."""
    return " ".join(unescape(render(found, judge(found))).split())


@pytest.fixture
def build(record_ledgers, tmp_path):
    def made(draws=1, **more):
        suite = {"statistics": {"noise_draws": draws}} | more.pop("suite", {})
        name = f"run{len(list(tmp_path.iterdir()))}"
        return study.load(record_ledgers(tmp_path / name, suite=suite, **more))

    return made


# under seeds 0, 1, 2 every domain ends 1/16, 2/16, 3/16 nats higher, and is learned so much less;
# nothing of FROZEN's moves afterwards: its drift is 0 twice, and 0 − 0 says nothing of noise
def test_other_draws_by_hand(build):
    found = floors(build())
    assert found[LOSS].draws == (0.0625, 0.125, 0.1875)
    assert found[GAIN].draws == (-0.0625, -0.125, -0.1875)
    assert (found[DRIFT].draws, found[DRIFT].fixed) == ((), True)
    assert not found[LOSS].fixed
    assert largest(found[GAIN].draws) == 0.1875


# the first of three domains ends 3/64 higher: 1/64 in the mean; of its own 6.25 nats that is
# 0.75 %, and half of it in the mean over the two earlier domains
def test_another_layout_by_hand(build):
    found = floors(build())
    assert found[LOSS].layouts == (1 / 64,) * 3
    assert found[DRIFT].layouts == pytest.approx((0.375,) * 3)
    assert found[GAIN].layouts == ()  # only what stands at the end is measured again
    assert found["Accuracy at the end"].layouts == ()  # probes are not answered again


def test_every_draw_counts(build):
    found = build(draws=2)
    again, own = redrawn(found)
    assert [r.cell.name for r in again] == [
        f"frozen-o0-s{s}-d{d}" for s in range(3) for d in (1, 2)
    ]
    assert [r.cell.seed for r in own] == [r.cell.seed for r in again]
    assert len(floors(found)[LOSS].draws) == 6


def test_what_was_drawn_again_is_in_no_table_of_the_methods(build):
    plain, noisy = build(draws=0), build()
    for method in plain.methods:
        assert np.array_equal(plain.loss(method), noisy.loss(method))
        assert len(noisy.runs(method)) == 3
    verdicts = [
        [(j.method, j.verdict, j.drift) for j in judge(s).judgements] for s in (plain, noisy)
    ]
    assert verdicts[0] == verdicts[1]


def test_without_frozen_or_without_draws_there_is_no_floor(build):
    assert floors(build(draws=0)) == {}
    without = build(suite={"methods": {"naive_lora": {}, "joint": {}}})
    assert floors(without) == {}
    assert without.redrawn == ()
    (drift, *_) = compare(build(draws=0), "naive_lora", "frozen").compared
    assert drift.noise == Floor((), ())
    assert largest(()) is None


def test_frozen_under_another_name_is_drawn_again(build):
    methods = {"naive_lora": {}, "apart": {"method": "frozen"}, "frozen": {}}
    found = build(suite={"methods": methods})
    assert {r.cell.method for r in found.redrawn} == {"apart"}


def test_a_seed_that_was_not_drawn_again_is_left_out(build):
    found = build(states={"frozen-o0-s1-d1": "failed"})
    assert floors(found)[LOSS].draws == (0.0625, 0.1875)
    assert [r.cell.name for r in found.records if r.state != "done"] == ["frozen-o0-s1-d1"]


def test_a_run_without_its_second_draw_has_cells_missing(build, capsys):
    found = build(states={"frozen-o0-s1-d1": "pending"})
    done = CliRunner().invoke(app, ["status", str(found.folder.path), "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout)["frozen-o0-s1-d1"]["state"] == "pending"


def test_compare_prints_it_beside_every_difference(build):
    run = str(build().folder.path)
    done = CliRunner().invoke(app, ["compare", run, "naive_lora", "frozen"])
    lines = [line for line in done.stdout.splitlines() if line.startswith((LOSS, GAIN, DRIFT))]
    assert len(lines) == 3
    assert all("noise floor: FROZEN alone moves by up to" in line for line in lines)
    assert "0.19 nats/token under other random draws and 0.016 nats/token in another" in lines[1]
    assert "0.38 % in another batch layout, and other draws cannot move it: it is 0 by" in lines[0]
    done = CliRunner().invoke(app, ["compare", run, "naive_lora", "frozen", "--json"])
    found = json.loads(done.stdout)
    assert found["compared"][1]["noise"]["draws"] == [0.0625, 0.125, 0.1875]
    bare = str(build(draws=0).folder.path)
    done = CliRunner().invoke(app, ["compare", bare, "naive_lora", "frozen"])
    assert "noise floor not measured" in done.stdout


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ((0.0, 0.0), "by up to 0 % in another batch layout."),
        # of an order of sums; it is not 0, and 0.000000000 would say that it is
        ((0.0, 3e-11), "by up to less than 0.000000001 % in another batch layout."),
        ((0.0, 4.5e-8), "by up to 0.000000045 % in another batch layout."),
    ],
)
def test_a_floor_that_rounds_to_nothing_is_not_printed_as_none(moved, said):
    text = noise(Floor((), moved), "%").replace("\N{NO-BREAK SPACE}", " ")
    assert text == f"Noise floor: frozen alone moves {said}"


def test_the_report_prints_it_beside_every_difference(build):
    found = build()
    html = said(found)
    floor = "Noise floor: frozen alone moves by up to"
    section = html[html.index('id="differences"') :]
    section = section[: section.index("</section>")]
    assert section.count(floor) == 4  # one a quantity
    assert "0.188 nats/token under other random draws" in section
    assert "Other random draws cannot move it: it is 0 by construction." in section
    assert "0.00 % under other random draws" not in section
    # 3 pairs of signs: 2 of 8 patterns are as far out, and none can be further
    assert "0.2500" in section
    assert "no less than 0.2500" in section
    assert floor in html[html.index("Do the seeds of two competitors overlap?") :]
    assert floor in html[html.index("Single-task parity") :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"statistics": {"reference": "ewc"}},
            "The plan's reference is ewc, and it is not shown here",
        ),
        ({"methods": {"frozen": {}, "joint": {}}}, "and no other method is shown here"),
    ],
)
def test_a_run_in_which_nothing_can_be_set_against_the_reference_says_so(build, change, words):
    found = build(suite=change)
    assert words in said(found)


def test_no_word_that_the_design_cannot_carry(build):
    found = build()
    text = render(found, judge(found)).lower()
    for word in ("significan", "proven", "proved", "guarantee", "compliant", "fraud", "superior"):
        assert word not in text
