"""Every router at the end of a cell, on a tiny base."""

from __future__ import annotations

import sys

import pytest
import yaml

pytest.importorskip("torch")

from classay import cli, registry, runner, study
from classay import suite_file as suites
from classay.errors import UnknownName
from classay.evidence.rerun import judge
from classay.plan import plan
from classay.prepare import Options, prepare
from classay.provenance import manifest
from classay.provenance.verify import same_facts
from classay.records import AnswerRow, EvalRow, RouteRow
from classay.registry import check
from classay.reports.render import render
from classay.reports.sections import routing
from classay.stream import load
from classay.suite import Suite

TITLES = {
    "oracle": "Oracle",
    "nearest_centroid": "Nearest centroid",
    "likelihood": "Likelihood",
    "logistic_regression": "Logistic regression",
    "uniform": "Uniform",
    "none": "Base alone",
}
ROUTERS = list(TITLES)


SHY = '''
"""Asks the adapters, and leaves every other question to the base alone."""

import numpy as np

from classay.routers import BASE

TITLE, NEEDS, UNIT = "Shy", "nothing but the question", "nats/token"
USES_BASE_ALONE = True


def fit(rows):
    return (np.array([own.mean() for own in rows]),)


def scores(evidence):
    return -evidence.nats


def choose(evidence):
    best = np.argmax(scores(evidence), axis=1)
    best[::2] = BASE
    return best
'''


@pytest.fixture
def plugged(tmp_path, monkeypatch) -> str:
    """A router of another package: a distribution with an entry point, as pip would leave it."""
    site = tmp_path / "site"
    info = site / "classay_shy-1.dist-info"
    info.mkdir(parents=True)
    (site / "classay_shy.py").write_text(SHY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: classay-shy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[classay.routers]\nshy = classay_shy\n")
    monkeypatch.syspath_prepend(str(site))
    yield "shy"
    sys.modules.pop("classay_shy", None)


@pytest.fixture
def run(suite_file, tiny_base, tmp_path):
    def go(out: str = "runs", routers=ROUTERS, **changes):
        plain = yaml.safe_load(suite_file.read_text()) | changes
        plain.setdefault("evaluation", {})["routers"] = routers
        path = suite_file.with_name("routed.yaml")
        path.write_text(yaml.safe_dump(plain))
        suite = suites.load(path, {"base.path": str(tiny_base)})
        options = Options(suite_file.parent, tmp_path / out, "cpu", 1, 1, True)
        folder = prepare(suite, options)
        runner.execute(folder, options, lambda name, done: None, lambda name, said: None)
        manifest.write(folder)
        return study.load(folder.path)

    return go


def test_routed_losses_are_those_of_the_adapters_that_answered(run):
    found = run()
    (rows,) = found.routes("frozen")
    domains = found.orders[0]
    assert {(row.router, row.domain) for row in rows} == {(r, d) for r in ROUTERS for d in domains}
    (cell,) = found.runs("frozen")
    by = {(row.router, row.domain): row for row in rows}
    for domain in domains:
        measured = cell.evaluation(len(domains) - 1, domain).total
        oracle = by["oracle", domain]
        assert oracle.sent == {name: measured.items * (name == domain) for name in domains}
        assert oracle.total.nats == pytest.approx(measured.nats)
        assert oracle.total.tokens == measured.tokens
        for router in ROUTERS:
            assert sum(by[router, domain].sent.values()) == measured.items
        # it takes the least of every item's losses
        assert by["likelihood", domain].total.nats <= oracle.total.nats + 1e-9


def test_the_bytes_that_a_router_keeps_are_charged_by_hand(run):
    found = run()
    blocks = [
        len(t.train.ids) for n, t in load(found.folder.stream).domains.items() if n != "street"
    ]
    rows, domains, d = sum(min(n, 64) for n in blocks), 3, 16
    kept = {row.router: row.kept_bytes for row in found.routes("frozen")[0]}
    assert kept == {
        "oracle": 0,
        "likelihood": 0,
        "uniform": 0,
        "none": 0,
        "nearest_centroid": 8 * domains * d,
        "logistic_regression": 8 * (rows + domains) * (d + 1),
    }


def test_the_oracle_gives_the_ordinary_answers_item_by_item(run):
    found = run()
    (rows,), (cell,) = found.routes("frozen"), found.runs("frozen")
    domains = found.orders[0]
    for domain in domains:
        ordinary = {
            row.item: row.correct
            for row in cell.of(AnswerRow)
            if (row.after, row.domain) == (len(domains) - 1, domain)
        }
        assert len(ordinary) == 3
        by = {row.router: row.answers for row in rows if row.domain == domain}
        assert {each.item: each.correct for each in by["oracle"]} == ordinary
        assert {each.to for each in by["oracle"]} == {domain}
        for router in ROUTERS:
            assert [each.item for each in by[router]] == [each.item for each in by["oracle"]]
            for each, told in zip(by[router], by["oracle"], strict=True):
                # the same adapter gives the same answer
                assert each.to != domain or each.correct == told.correct


def test_without_a_router_the_base_answers_as_before_training_to_the_bit(run):
    policies = ("live", "snapshot", "freeze_after_first")
    arms = {p: {"method": "crma", "preset": "strong", "policy": p} for p in policies}
    found = run(routers=["none"], methods={"frozen": {}, **arms})
    for method in found.methods:
        (rows,), (cell,) = found.routes(method), found.runs(method)
        assert [row.domain for row in rows] == found.orders[0]
        for row in rows:
            before = [
                e
                for e in cell.of(EvalRow)
                if (e.after, e.domain, e.split) == (-1, row.domain, "holdout")
            ]
            assert row.total == before[0].total
            assert row.sent == dict.fromkeys(found.orders[0], 0) | {
                "base alone": before[0].total.items
            }
            answers = {
                a.item: a.correct
                for a in cell.of(AnswerRow)
                if (a.after, a.domain) == (-1, row.domain)
            }
            assert {each.item: each.correct for each in row.answers} == answers
            assert {each.to for each in row.answers} == {"base alone"}


def test_a_method_with_one_adapter_is_not_routed_and_no_loss_matrix_changes(run):
    routed, plain = run("routed"), run("plain", [])
    assert routed.routes("naive_lora") == [[]]
    assert not any(cell.of(RouteRow) for cell in plain.cells)
    for method in routed.methods:
        assert (routed.loss(method) == plain.loss(method)).all()
        assert (routed.accuracy(method) == plain.accuracy(method)).all()


def test_the_same_run_routes_the_same(run):
    assert same_facts(run("first").folder, run("second").folder) == []


def test_the_report_counts_where_the_items_went(run):
    found = run()
    blocks = routing.build(found, judge(found))
    (confusion,) = [block for block in blocks if block.kind == "details"]
    titles = list(TITLES.values())
    assert [t.caption.split(":")[0] for t in confusion.blocks] == titles * 2
    for kind, table in (("items", confusion.blocks[0]), ("probes", confusion.blocks[len(titles)])):
        whole = table.caption.split()
        assert whole[1] == whole[3]  # the oracle never errs
        assert whole[4] == kind
    (sure,) = [b for b in blocks if b.kind == "table" and b.caption.startswith("How sure")]
    scoring = ("nearest_centroid", "likelihood", "logistic_regression")
    assert [row[1].second for row in sure.rows] == list(scoring)
    for router, row in zip(scoring, sure.rows, strict=True):
        assert row[2] == registry.load("router", router).UNIT
        counts = [cell.second.values[0] for cell in row[3:5] if cell != "none"]
        assert sum(counts) == 18  # three domains of six items
    # no adapter is a column of its own, of that router alone
    base = titles.index("Base alone")
    assert [t.header[-1] for t in confusion.blocks[base - 1 : base + 1]] == [
        "to clock",
        "base alone",
    ]
    assert confusion.blocks[base].caption.endswith("adapter, 18 to none")
    # three domains of three probes
    assert confusion.blocks[len(titles)].caption.startswith("Oracle: 9 of 9 probes")
    (said,) = routing.build(run("plain", []), judge(run("plain", [])))
    assert said.text.startswith("No method of this run was scored under a router")


def test_a_router_of_another_package_is_listed_runs_and_is_reported(run, plugged, capsys):
    cli.before.list_names("routers")
    assert capsys.readouterr().out.split() == registry.names("router")
    assert plugged in registry.names("router")
    found = run(routers=["likelihood", plugged], methods={"frozen": {}})
    (rows,) = found.routes("frozen")
    by = {(row.router, row.domain): row for row in rows}
    for domain in found.orders[0]:
        ours, asked = by[plugged, domain], by["likelihood", domain]
        assert ours.kept_bytes == 8 * 3  # what its fit gave back
        assert ours.sent["base alone"] == 3  # of six items
        assert sum(ours.sent.values()) == 6
        # of three questions the middle one, where the likelihood sends it
        assert [each.to for each in ours.answers] == [
            "base alone",
            asked.answers[1].to,
            "base alone",
        ]
        assert ours.answers[1] == asked.answers[1]
        assert ours.margins["items"].right.items + ours.margins["items"].wrong.items == 3
    judged = judge(found)
    blocks = routing.build(found, judged)
    assert "Shy: it is told nothing but the question." in blocks[0].text
    (confusion,) = [block for block in blocks if block.kind == "details"]
    captions = [table.caption for table in confusion.blocks if table.caption.startswith("Shy")]
    assert [caption.endswith(", 9 to none") for caption in captions] == [True, False]
    assert captions[1].endswith(", 6 to none")
    html = render(found, judged)
    assert captions[0].partition(":")[0] in html
    assert "nats/token" in html
    # its use of the base alone is counted: 3 domains × (6 items + 3 probes of 4 choices) × 24
    plain = found.suite.model_dump()
    plain["evaluation"]["routers"] = ["likelihood"]
    without = Suite.model_validate(plain)
    cost = [plan(suite, None, 15.0).methods[0].tokens_evaluated for suite in (found.suite, without)]
    assert cost[0] - cost[1] == 3 * (6 + 3 * 4) * 24


def test_a_router_that_nobody_knows_is_refused_before_any_work(suite_file):
    plain = yaml.safe_load(suite_file.read_text())
    plain.setdefault("evaluation", {})["routers"] = ["orakle"]
    suite = Suite.model_validate(plain)
    with pytest.raises(UnknownName, match=r"no router is called 'orakle'. Did you mean 'oracle'\?"):
        check(suite)
