"""Nothing in a run's folder can be changed without being named."""

import json
from hashlib import sha256

import pytest

from classay.errors import LedgerError
from classay.layout import RunFolder
from classay.ledger import Ledger, read
from classay.provenance import manifest
from classay.provenance.verify import same_facts, verify
from classay.records import canonical, digest

pytestmark = pytest.mark.torchless

SMALL = "checks/fresh-joint-o0-s0"  # one evaluation and the end
CELL = "cells/frozen-o0-s1"


def found(run):
    return verify(RunFolder(run))


def lines_of(run, name):
    return (run / name / "ledger.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(run, name, lines):
    (run / name / "ledger.jsonl").write_bytes(b"".join(lines))


def named(sentences, *words):
    """Whether one sentence holds all of these."""
    return any(all(word in sentence for word in words) for sentence in sentences)


def test_of_an_intact_run_nothing_is_said(good):
    assert found(good) == []


def test_of_an_incomplete_run_that_is_intact_nothing_is_said(record, tmp_path):
    states = {"joint-o0-s0": "pending", "joint-o0-s1": "failed"}
    assert found(record(tmp_path / "run", states=states)) == []


def test_a_row_that_was_removed_is_named_wherever_it_was(run):
    lines = lines_of(run, CELL)
    assert len(lines) > 50
    for row in range(len(lines) - 1):
        write_lines(run, CELL, lines[:row] + lines[row + 1 :])
        with pytest.raises(LedgerError, match=rf"ledger\.jsonl, row {row} "):
            read(run / CELL / "ledger.jsonl")


@pytest.mark.parametrize("row", [0, 1, 20, -2])
def test_a_removed_row_is_named_with_its_file(run, row):
    lines = lines_of(run, CELL)
    row %= len(lines)
    write_lines(run, CELL, lines[:row] + lines[row + 1 :])
    sentences = found(run)
    assert named(sentences, f"{CELL}/ledger.jsonl, row {row} ", "Restore the file")
    assert named(sentences, f"{CELL}/ledger.jsonl has SHA-256")


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_rows_cut_from_the_end_leave_a_chain_that_holds_and_are_named(run, cut):
    lines = lines_of(run, CELL)
    write_lines(run, CELL, lines[:-cut])
    left = len(lines) - cut
    assert len(read(run / CELL / "ledger.jsonl")) == left
    said = f"{CELL}/ledger.jsonl, row {left}: the ledger has {left} rows, and the manifest counts"
    assert named(found(run), said, f"counts {len(lines)}")


def test_a_ledger_that_was_emptied_is_named(run):
    write_lines(run, SMALL, [])
    assert named(found(run), f"{SMALL}/ledger.jsonl, row 0: the ledger has 0 rows")


@pytest.mark.parametrize("row", [0, 1, 20, -1])
def test_an_edited_row_is_named(run, row):
    lines = lines_of(run, CELL)
    row %= len(lines)
    body = json.loads(lines[row])
    key = next(k for k in ("correct", "dirty", "seconds", "tokens") if k in body)
    body[key] = 7 if body[key] != 7 else 8
    lines[row] = canonical(body) + b"\n"
    write_lines(run, CELL, lines)
    assert named(found(run), f"{CELL}/ledger.jsonl, row {row} does not follow")


def test_every_fact_and_every_circumstance_of_a_row_is_chained(run):
    lines = lines_of(run, SMALL)
    body = json.loads(lines[0])
    assert len(body) > 15
    for key in body:
        write_lines(run, SMALL, [canonical(body | {key: "other"}) + b"\n", *lines[1:]])
        with pytest.raises(LedgerError, match=r"ledger\.jsonl, row 0 "):
            read(run / SMALL / "ledger.jsonl")


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b'{"chain":"x","schema":2,"cell":"y"}',
        b'{"chain":"x","schema":2,"cell":5,"seq":0}',
        b'{"chain":"x","schema":2,"cell":"y","seq":0,"lr":NaN}',
        b'{"chain":"x","schema":2,"cell":"y","seq":0,"kind":"\\ud800"}',
        b'{"chain":"x","schema":3,"cell":"y","seq":0}',
    ],
)
def test_whatever_stands_in_place_of_a_row_is_named_and_never_a_traceback(run, row):
    lines = lines_of(run, SMALL)
    write_lines(run, SMALL, [row + b"\n", *lines[1:]])
    assert named(found(run), f"{SMALL}/ledger.jsonl, row 0 ")


def test_rows_that_changed_places_are_named(run):
    lines = lines_of(run, CELL)
    lines[10], lines[11] = lines[11], lines[10]
    write_lines(run, CELL, lines)
    assert named(found(run), f"{CELL}/ledger.jsonl, row 10 says it is row 11")


def test_a_row_that_was_repeated_is_named(run):
    lines = lines_of(run, CELL)
    write_lines(run, CELL, [*lines[:11], *lines[10:]])
    assert named(found(run), f"{CELL}/ledger.jsonl, row 11 says it is row 10")


def test_rows_that_were_added_properly_are_named_by_the_manifest(run):
    before = len(lines_of(run, SMALL))
    ledger = Ledger(run / SMALL / "ledger.jsonl", SMALL)
    ledger.end(status="done", base=None, seconds=0.0)
    said = f"{SMALL}/ledger.jsonl, row {before}: the ledger has {before + 1} rows"
    assert named(found(run), said)


def test_a_half_written_row_is_named(run):
    with (run / CELL / "ledger.jsonl").open("ab") as file:
        file.write(b'{"kind":')
    assert named(found(run), f"{CELL}/ledger.jsonl, row", "is half written")


def test_a_row_written_in_other_bytes_with_the_same_meaning_is_named(run):
    lines = lines_of(run, SMALL)
    lines[0] = lines[0].replace(b'","', b'", "', 1)
    write_lines(run, SMALL, lines)
    with pytest.raises(LedgerError, match="row 0 is not a row of a ledger"):
        read(run / SMALL / "ledger.jsonl")
    assert named(found(run), f"{SMALL}/ledger.jsonl has SHA-256")


def test_a_ledger_written_anew_with_a_chain_that_holds_is_named(run, rewrite):
    before = len(lines_of(run, CELL))

    def better(row):
        if row.kind != "eval" or row.after < 0:
            return row
        total = row.total.model_copy(update={"nats": row.total.nats - 1})
        return row.model_copy(update={"total": total})

    rewrite(run, CELL, better)
    assert len(read(run / CELL / "ledger.jsonl")) == before
    assert named(found(run), f"{CELL}/ledger.jsonl, row {before - 1}: the chain ends in", "anew")


def test_an_end_row_that_counts_wrongly_is_named_whatever_the_manifest_says(run):
    path = run / SMALL / "ledger.jsonl"
    rows = read(path)
    path.unlink()
    Ledger(path, SMALL).append([rows[0], rows[1].model_copy(update={"rows": 5})])
    manifest.write(RunFolder(run))
    assert named(found(run), f"{SMALL}/ledger.jsonl, row 1 counts 5 rows, and 1 are there")


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()  # it may be linked from another run
    path.write_bytes(data)


def test_one_bit_of_an_adapter_is_named_with_the_row_that_recorded_it(run):
    path = next(run.glob("adapters/*/adapter_model.safetensors"))
    flip(path)
    sentences = found(run)
    assert named(sentences, f"{path} has SHA-256", "and the manifest says")
    assert named(sentences, f"{path} is not what cells/", "row ", "recorded")


def test_one_bit_of_a_side_file_is_named_with_the_row_that_recorded_it(run):
    row = read(run / SMALL / "ledger.jsonl")[0]
    path = run / "items" / f"{row.per_item}.safetensors"
    flip(path)
    sentences = found(run)
    assert named(sentences, f"{path} has SHA-256")
    assert named(sentences, f"{path} is not what {SMALL}/ledger.jsonl, row 0, recorded")


def test_an_adapter_changed_together_with_the_manifest_is_named_by_its_rows(run):
    path = next(run.glob("adapters/*/adapter_model.safetensors"))
    flip(path)
    manifest.write(RunFolder(run))
    sentences = found(run)
    assert sentences
    assert all(str(path) in sentence and "recorded" in sentence for sentence in sentences)


def test_a_missing_adapter_is_named_with_the_row_that_needs_it(run):
    path = next(run.glob("adapters/*/adapter_model.safetensors"))
    path.unlink()
    sentences = found(run)
    assert named(sentences, f"{path} is missing, and the manifest lists it")
    assert named(sentences, "ledger.jsonl, row ", f"{path} is missing.")


@pytest.mark.parametrize("name", ["stream/river.safetensors", "stream/stream.json", "run.json"])
def test_one_byte_of_what_every_cell_read_is_named(run, name):
    path = run / name
    path.write_bytes(path.read_bytes() + b" ")
    sentences = found(run)
    assert sentences == [s for s in sentences if s.startswith(f"{path} has SHA-256")]
    assert len(sentences) == 1


@pytest.mark.parametrize(
    "name",
    ["run.json", "stream/oven.safetensors", f"{CELL}/ledger.jsonl", "shared/base/ledger.jsonl"],
)
def test_a_missing_file_is_named(run, name):
    (run / name).unlink()
    assert named(found(run), f"{run / name} is missing, and the manifest lists it")


@pytest.mark.parametrize(
    "name", ["stream/more.safetensors", "adapters/0/adapter_model.safetensors", "failed/x/a.txt"]
)
def test_an_added_file_is_named(run, name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("more")
    assert found(run) == [f"{run / name} is not in the manifest. It was added after the run ended."]


def test_an_added_cell_is_named(run):
    ledger = Ledger(run / "cells" / "ewc-o0-s0" / "ledger.jsonl", "ewc-o0-s0")
    ledger.end(status="done", base=None, seconds=0.0)
    assert named(found(run), "cells/ewc-o0-s0/ledger.jsonl is not in the manifest")


def test_a_report_may_be_added(run):
    (run / "report.html").write_text("<p>")
    (run / "cells" / "joint-o0-s0" / "stderr.txt").write_text("a warning")
    assert found(run) == []


def test_a_suite_that_was_changed_with_its_manifest_lacks_its_identity(run, change_about):
    change_about(run, lambda about: about["suite"]["statistics"].update(margin=50.0))
    manifest.write(RunFolder(run))
    (sentence,) = found(run)
    assert sentence.startswith(f"{run / 'run.json'}: the suite in it has the identity")
    assert sentence.endswith("The suite was changed after the run began.")


def test_a_suite_that_was_changed_with_its_identity_is_not_that_of_its_cells(run, change_about):
    def edit(about):
        about["suite"]["statistics"]["margin"] = 50.0
        suite = RunFolder(run).read()[1].model_validate(about["suite"])
        about["identity"] = digest(
            [suite.identity(about["content"]), about["device"], about["threads"]]
        )

    change_about(run, edit)
    manifest.write(RunFolder(run))
    sentences = found(run)
    assert len(sentences) == 9
    assert named(sentences, f"{CELL}/ledger.jsonl, row 0: the cell belongs to another suite")


@pytest.mark.parametrize("key", ["device", "threads"])
def test_the_setting_is_part_of_the_identity(run, change_about, key):
    change_about(run, lambda about: about.update({key: "other"}))
    manifest.write(RunFolder(run))
    assert named(found(run), "run.json", "identity")


@pytest.mark.parametrize(
    "edit",
    [
        lambda about: about["suite"].update(seeds=[0, 0]),
        lambda about: about["suite"]["stream"]["domains"][0].update(name="lake"),
        lambda about: about.pop("content"),
        lambda about: about.pop("identity"),
        lambda about: about.pop("suite"),
        lambda about: about["content"].pop("domain river"),
    ],
    ids=[
        "no suite any more",
        "another domain",
        "content",
        "identity",
        "suite",
        "a domain's digest",
    ],
)
def test_a_damaged_run_json_is_named_and_never_a_traceback(run, change_about, edit):
    change_about(run, edit)
    assert named(found(run), f"{run / 'run.json'}")


def test_everything_that_is_wrong_is_named_at_once(run):
    flip(run / "stream" / "river.safetensors")
    (run / "shared" / "base" / "ledger.jsonl").unlink()
    write_lines(run, CELL, lines_of(run, CELL)[:-1])
    sentences = found(run)
    assert named(sentences, "stream/river.safetensors")
    assert named(sentences, "shared/base/ledger.jsonl is missing")
    assert named(sentences, f"{CELL}/ledger.jsonl, row")
    assert len(sentences) == len(set(sentences))


def test_verifying_changes_nothing(run):
    def state():
        return {p: sha256(p.read_bytes()).digest() for p in run.rglob("*") if p.is_file()}

    before = state()
    found(run)
    assert state() == before


def compare(mine, theirs):
    return same_facts(RunFolder(mine), RunFolder(theirs))


def test_a_run_has_the_facts_of_its_copy(good, run):
    assert compare(good, run) == compare(run, good) == []


def test_circumstances_may_differ(good, run, rewrite):
    later = {"started": "2026-01-01T00:00:00+00:00", "attempt": 2, "commit": "c" * 40}

    def other(row):
        if row.kind == "cell":
            return row.model_copy(update=later)
        if row.kind in ("eval", "step", "phase", "end"):
            return row.model_copy(update={"seconds": 99.0})
        return row.model_copy(update={"shared": None}) if row.kind == "answer" else row

    rewrite(run, CELL, other)
    assert lines_of(run, CELL) != lines_of(good, CELL)
    assert compare(good, run) == compare(run, good) == []


def test_a_fact_that_differs_is_named_with_its_cell(good, run, rewrite):
    rewrite(
        run, CELL, lambda row: row.model_copy(update={"seed": 5}) if row.kind == "cell" else row
    )
    assert compare(good, run) == compare(run, good) == ["frozen-o0-s1: fact 0 differs"]


def test_the_first_of_several_facts_is_named(good, run, rewrite):
    rows = read(good / CELL / "ledger.jsonl")
    first = next(n for n, row in enumerate(rows) if row.kind == "step")

    def other(row):
        return row.model_copy(update={"lr": 0.5}) if row.kind == "step" else row

    rewrite(run, CELL, other)
    assert compare(good, run) == [f"frozen-o0-s1: fact {first} differs"]


def test_facts_that_are_missing_are_counted(good, run, rewrite):
    whole = len(lines_of(good, CELL))
    rewrite(run, CELL, lambda row: None if row.kind == "end" else row)
    assert compare(good, run) == [f"frozen-o0-s1: {whole} facts here, {whole - 1} there"]


def test_a_cell_that_the_other_run_lacks_is_named(record, good, tmp_path):
    other = record(tmp_path / "run", states={"joint-o0-s2": "pending"})
    assert compare(good, other) == [f"joint-o0-s2: {other} has no such cell"]


def test_a_cell_that_only_the_other_run_has_is_named(record, good, tmp_path):
    mine = record(tmp_path / "run", states={"joint-o0-s2": "pending"})
    (sentence,) = compare(mine, good)
    assert sentence.startswith("joint-o0-s2: ")


def test_a_broken_ledger_is_not_compared(good, run):
    write_lines(run, CELL, lines_of(run, CELL)[1:])
    with pytest.raises(LedgerError, match=rf"{CELL}/ledger\.jsonl, row 0 "):
        compare(good, run)
