"""The road on real text: the shipped suite on a real model, with what must be seen at its end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from classay import registry, study
from classay.ledger import facts
from classay.records import EvalRow

pytestmark = pytest.mark.slow

DOMAINS = ("medical", "legal", "financial", "code")


def classay(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "classay", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def audit(shared, tmp_path_factory):
    """Train as the shipped suite does on its first domains, and score fewer items.

    returns  the process and the study
    """
    plain = yaml.safe_load(registry.suite_path("five_domains_small").read_text("utf-8"))
    plain["stream"]["domains"] = plain["stream"]["domains"][: len(DOMAINS)]
    plain["evaluation"] |= {"items_per_domain": 8, "probes_per_domain": 2}
    plain["statistics"]["noise_draws"] = 0

    def go(*flags: object, base: str = "stories260K", tokens: int | None = None):
        out = tmp_path_factory.mktemp("runs")
        training = plain["training"] | ({"tokens_per_domain": tokens} if tokens else {})
        suite = out / "suite.yaml"
        suite.write_text(yaml.safe_dump(plain | {"training": training}, sort_keys=False), "utf-8")
        done = classay(
            *("run", suite, "--out", out, "--json"),
            *("--base", shared / "models" / base, "--data", shared / "data" / "domains"),
            *flags,
        )
        assert done.returncode in (0, 1), done.stderr
        return done, study.load(Path(json.loads(done.stdout)["run"]))

    return go


@pytest.fixture(scope="module")
def run(audit):
    # the bound takes as long as all the rest, and is seen on a smaller budget below
    return audit("--jobs", 2, "--seeds", "0,1,2", "--methods", "naive_lora,frozen")


def test_the_budget_is_not_a_toys(run):
    _, found = run
    losses = found.loss("naive_lora")
    gain = losses[:, 0] - np.diagonal(losses, offset=-1, axis1=1, axis2=2)
    assert losses.shape == (3, 5, 4)
    assert (gain >= 1.0).all(), gain  # nats a token, every domain, every seed
    drift = registry.load("metric", "drift_prior_vs_own").compute
    assert min(map(drift, losses)) >= 15.0


def test_frozen_does_not_drift_to_the_bit_and_was_measured_again(run):
    _, found = run
    for record in found.runs("frozen"):
        again = 0
        for learned, domain in enumerate(record.head.order):
            first = record.evaluation(learned, domain)
            for after in range(learned + 1, len(DOMAINS)):
                row = record.evaluation(after, domain)
                assert (row.per_item, row.total.nats) == (first.per_item, first.total.nats)
                assert row.seconds > 0
                assert row.shared is None
                again += 1
        assert again == 3 + 2 + 1


def test_the_run_ends_in_a_report_and_a_verdict(run):
    done, found = run
    assert done.returncode == 0
    summary = json.loads(done.stdout)
    assert summary["sound"] is True
    assert {check["passed"] for check in summary["checks"]} == {True}
    verdicts = {j["method"]: j["verdict"] for j in summary["judgements"]}
    assert verdicts == {"frozen": "supported", "naive_lora": "contradicted"}
    html = Path(summary["report"]).read_text("utf-8")
    assert "FROZEN retains best" in html
    assert classay("verify", found.folder.path).returncode == 0


def test_general_text_is_measured_and_never_trained_on(run):
    _, found = run
    general = found.general("naive_lora")
    assert np.isfinite(general).all()
    assert len(set(general[0].tolist())) == 1 + len(DOMAINS)
    frozen = found.general("frozen")
    assert (frozen == frozen[:, :1]).all()  # answered by the base alone


def test_sources_are_kept_apart(run):
    _, found = run
    row = next(r for r in found.runs("naive_lora")[0].of(EvalRow) if r.domain == "medical")
    assert set(row.by_source) == {"pubmedqa", "medquad"}


def test_one_byte_of_an_adapter_is_named(run, tmp_path):
    _, found = run
    copy = tmp_path / "copy"
    shutil.copytree(found.folder.path, copy)
    path = next(copy.glob("adapters/*/adapter_model.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = classay("verify", copy)
    assert done.returncode == 4
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_alone_and_without_sharing_a_cell_has_the_same_facts(run, audit):
    _, together = run
    _, alone = audit("--no-share", "--seeds", "0", "--methods", "naive_lora,frozen", "--jobs", 2)
    for method in ("naive_lora", "frozen"):
        theirs = together.runs(method)[0].rows[1:]  # the first row names the suite, which differs
        mine = alone.runs(method)[0].rows[1:]
        assert facts(mine) == facts(theirs)
        assert any(getattr(row, "shared", None) for row in theirs)
        assert not any(getattr(row, "shared", None) for row in mine)


def test_another_base_in_another_order(audit):
    done, found = audit(
        *("--seeds", "0", "--jobs", 2),
        *("--order", "code,financial,medical,legal"),
        base="general-base-3M",
        tokens=8192,  # a larger base, so a smaller budget
    )
    assert json.loads(done.stdout)["sound"] is True
    assert found.orders == [["code", "financial", "medical", "legal"]]
    assert found.bounds == {"joint"}
    losses = found.loss("naive_lora")[0]
    learned = losses[0] - np.diagonal(losses, offset=-1)
    assert (learned > found.suite.statistics.learning_floor).all(), learned
