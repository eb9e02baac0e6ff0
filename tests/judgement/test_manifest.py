"""The manifest lists what is in a run's folder, and nothing beside the record."""

import json
from hashlib import sha256

import pytest

from classay.errors import LedgerError
from classay.layout import RunFolder
from classay.provenance import manifest


def written(run):
    return json.loads((run / "manifest.json").read_bytes())


def test_its_digest_is_that_of_the_file(run):
    digest = manifest.write(RunFolder(run))
    assert digest == sha256((run / "manifest.json").read_bytes()).hexdigest()


def test_the_same_folder_gives_the_same_digest(run):
    assert manifest.write(RunFolder(run)) == manifest.write(RunFolder(run))


def test_every_ledger_is_listed_with_its_rows_and_its_head(good):
    listed = written(good)["ledgers"]
    # 9 cells, 9 fresh evaluations, 1 replay, 1 evaluation of the base
    assert len(listed) == 20
    lines = (good / "checks" / "fresh-joint-o0-s0" / "ledger.jsonl").read_bytes().splitlines()
    assert listed["checks/fresh-joint-o0-s0/ledger.jsonl"] == {
        "rows": 2,
        "head": json.loads(lines[-1])["chain"],
        "ended": True,
    }


def test_every_file_is_listed_with_its_size_and_its_digest(good):
    listed = written(good)["files"]
    data = (good / "stream" / "oven.safetensors").read_bytes()
    assert listed["stream/oven.safetensors"] == {
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }


def test_it_lists_the_record_and_nothing_else(good):
    there = {p.relative_to(good).as_posix() for p in good.rglob("*") if p.is_file()}
    record = {name for name in there if not name.rpartition("/")[2].startswith(".")}
    # locks come and go with their writers
    assert set(written(good)["files"]) == record - {"manifest.json"}


@pytest.mark.parametrize("name", [".lock", "cells/joint-o0-s0/stderr.txt", "notes/mine.txt"])
def test_what_is_not_part_of_the_record_is_left_out(run, name):
    before = manifest.write(RunFolder(run))
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("for people")
    assert manifest.write(RunFolder(run)) == before


@pytest.mark.parametrize("name", ["failed/joint-o0-s0-1/ledger.jsonl", "items/more.safetensors"])
def test_what_is_part_of_the_record_is_listed(run, name):
    before = manifest.write(RunFolder(run))
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes((run / "cells" / "joint-o0-s0" / "ledger.jsonl").read_bytes())
    assert manifest.write(RunFolder(run)) != before
    assert name in written(run)["files"]
    assert (name in written(run)["ledgers"]) == name.endswith("ledger.jsonl")


def test_the_report_is_kept_by_its_digest_and_is_not_part_of_the_record(run):
    assert written(run)["report"] is None
    (run / "report.html").write_text("<p>")
    manifest.write(RunFolder(run))
    assert written(run)["report"] == sha256(b"<p>").hexdigest()
    assert "report.html" not in written(run)["files"]


def test_without_a_manifest_nobody_can_say(run):
    (run / "manifest.json").unlink()
    with pytest.raises(LedgerError, match=r"(?s)manifest\.json cannot be read.*give the run comm"):
        manifest.load(RunFolder(run))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"ledgers": {}}', '{"files": []}', "7"])
def test_a_damaged_manifest_is_as_good_as_none(run, text):
    (run / "manifest.json").write_text(text)
    with pytest.raises(LedgerError, match=r"manifest\.json"):
        manifest.load(RunFolder(run))
