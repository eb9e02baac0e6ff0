"""`classay report`: where it may be written, and what `classay verify` says of it."""

import json
from hashlib import sha256

import pytest

pytestmark = pytest.mark.torchless


def test_a_report_is_written_into_the_run_and_verified_with_it(run, command):
    code, out, err = command("report", run)
    assert (code, out.strip(), err) == (0, str(run / "report.html"), "")
    html = (run / "report.html").read_text("utf-8")
    assert html.startswith("<!doctype html>") or html.startswith("<!DOCTYPE html>")
    assert "A run written by hand" in html
    assert "16.97" in html
    assert command("verify", run)[0] == 0


def test_a_report_that_was_edited_is_named(run, command):
    (run / "report.html").write_text("<p>[0.70, 1.70] %, says somebody")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


def test_a_report_of_another_version_is_known_by_its_digest(run, command, here, monkeypatch):
    command("retry", run)
    monkeypatch.setattr("classay.reports.render.render", lambda *parts: "<p>drawn otherwise")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err
    monkeypatch.setattr("classay.ending.drawing", lambda: {"matplotlib": "4.0"})
    code, out, err = command("verify", run)
    assert (code, err) == (0, "")
    assert "other versions drew it than are installed here, so it could not be drawn again" in out
    assert json.loads(command("verify", run, "--json")[1])["report_compared"] is False
    (run / "report.html").write_text("<p>mine")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


def test_a_forged_report_is_named_though_its_digest_was_put_into_the_manifest(run, command):
    command("report", run)
    report, kept = run / "report.html", run / "manifest.json"
    forged = report.read_text("utf-8").replace("retain", "RETAIN")
    assert forged != report.read_text("utf-8")
    report.write_text(forged, "utf-8")
    content = json.loads(kept.read_text("utf-8"))
    kept.write_text(json.dumps(content | {"report": sha256(forged.encode()).hexdigest()}), "utf-8")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


@pytest.mark.parametrize("profile", ["printed", "logged"])
def test_a_profile_of_something_else_is_refused(run, command, profile):
    code, _, err = command("report", run, "--profile", profile)
    assert code == 2
    assert f"no profile is called {profile!r}" in err
    assert "known: comparison, run, search" in err


def test_a_report_goes_where_it_is_told_and_is_the_same_there(run, command, tmp_path):
    command("report", run)
    code, out, _ = command("report", run, "--output", tmp_path / "there" / "r.html")
    assert (code, out.strip()) == (0, str(tmp_path / "there" / "r.html"))
    there = (tmp_path / "there" / "r.html").read_bytes()
    assert there == (run / "report.html").read_bytes()


def test_a_report_of_an_incomplete_run_is_written(record, tmp_path, command):
    states = {"naive_lora-o0-s0": "failed", "joint-o0-s0": "pending", "frozen-o0-s2": "running"}
    path = record(tmp_path / "run", states=states)
    assert command("report", path)[0] == 0
    assert "incomplete" in (path / "report.html").read_text("utf-8")
    assert command("status", path)[0] == 3


def test_an_unknown_profile_is_exit_code_2(run, command):
    code, _, err = command("report", run, "--profile", "runn")
    assert code == 2
    assert "no profile is called 'runn'. Did you mean 'run'?" in err


@pytest.mark.parametrize("folder", [".", "there"])
def test_a_folder_in_the_place_of_a_run_s_report_is_named_as_it_was_given(
    run, tmp_path, command, monkeypatch, folder
):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = command("report", run, "--output", folder)
    assert code == 2
    assert f"--output {folder} is a folder, and a page is a file.\n  Name a file in it." in err


@pytest.mark.parametrize("name", ["cells/frozen-o0-s0/ledger.jsonl", "report2.html", "new/r.html"])
def test_a_report_is_written_beside_a_run_and_not_into_it(run, command, name):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    code, out, err = command("report", run, "--output", run / name)
    assert (code, out) == (2, "")
    assert f"--output {run / name} is in the folder of the run, which holds its record" in err
    assert "\n  Name a file elsewhere." in err
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_link_to_what_a_run_recorded_is_refused_too(run, command, tmp_path):
    (tmp_path / "link.html").symlink_to(run / "run.json")
    code, _, err = command("report", run, "--output", tmp_path / "link.html")
    assert code == 2
    assert "link.html is in the folder of the run" in err


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--methods", "frozen,joint"], "a report on 2 methods, without 1 others, is not the repo"),
        (["--profile", "comparison"], "the profile comparison was asked for, and the report of th"),
    ],
)
def test_only_the_whole_report_is_written_where_the_report_of_the_run_is(
    run, command, tmp_path, flags, says, there
):
    own = run / "report.html"
    if there:
        assert command("report", run, "--output", own)[0] == 0
    before = own.read_bytes() if there else None
    for output in ([], ["--output", own]):
        code, out, err = command("report", run, *flags, *output)
        assert (code, out) == (2, "")
        assert says in err
        assert "\n  Say where else to write it: --output FILE." in err
    assert (own.read_bytes() if own.exists() else None) == before
    assert command("report", run, *flags, "--output", tmp_path / "there.html")[0] == 0


def test_a_report_that_is_gone_is_named(run, command):
    command("report", run)
    command("retry", run)  # judges again and lists the report in the manifest
    (run / "report.html").unlink()
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is missing" in err
