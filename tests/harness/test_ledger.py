import errno
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from classay import ledger
from classay.errors import Interrupted, LedgerError
from classay.ledger import Ledger, check_end, facts, head_of, last, read
from classay.records import (
    EndRow,
    EvalRow,
    RepresentationRow,
    ResumeRow,
    StepRow,
    Sums,
    canonical,
)

CELL = "naive_lora-o0-s0"


def step(number, lm=3.25, seconds=0.5):
    return StepRow(
        phase=0,
        step=number,
        terms={"lm": lm},
        gradient_norm=0.1 + 0.2,
        layer_gradient_norms={"ümlaut\u2028\n": 1e-300},
        lr=0.01,
        tokens=64,
        batch="b" * 64,
        seconds=seconds,
    )


def evaluation(nats=12.5, seconds=0.25):
    sums = Sums(nats=nats, tokens=7, bytes=30, items=2)
    return EvalRow(
        after=-1,
        domain="river",
        split="holdout",
        route="shared",
        process="cell",
        total=sums,
        by_source={"even": sums},
        by_subject={},
        plan="e" * 64,
        per_item="f" * 64,
        seconds=seconds,
    )


def resume(number=1):
    return ResumeRow(
        phase=0, step=number, torn_bytes=0, started="2026-01-01", versions={}, hardware={}
    )


ROWS = [
    evaluation(),
    step(1),
    step(2, lm=3.125),
    RepresentationRow(after=0, domain="river", layers=[0.0, 0.5]),
]
LENGTH = len(ROWS) + 1  # with the end row


@pytest.fixture
def path(tmp_path):
    """A ledger that has ended."""
    path = tmp_path / "cells" / CELL / "ledger.jsonl"
    ours = Ledger(path, CELL)
    ours.append(ROWS[:1])
    ours.append(ROWS[1:])
    ours.end(status="done", base="c" * 64, seconds=9.5)
    return path


def chained(bodies, cell=CELL):
    """Lines whose chain is right whatever is in them: what a writer of ledgers could have made."""
    head, lines = sha256(cell.encode()).hexdigest(), []
    for body in bodies:
        plain = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        head = sha256(head.encode() + plain.encode()).hexdigest()
        lines.append(canonical({**body, "chain": head}) + b"\n")
    return b"".join(lines)


def body(seq, row, cell=CELL):
    return {"schema": 2, "cell": cell, "seq": seq, **row.model_dump(mode="json")}


# --- what is written


def test_the_chain_by_hand(path):
    head = sha256(CELL.encode()).hexdigest()
    for seq, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
        row = json.loads(line)
        stated = row.pop("chain")
        assert (row["schema"], row["cell"], row["seq"]) == (2, CELL, seq)
        plain = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        head = sha256(head.encode() + plain.encode()).hexdigest()
        assert stated == head
    assert head_of(path) == (LENGTH, head)


def test_rows_are_read_back_as_what_they_were(path):
    rows = read(path)
    assert rows[:-1] == ROWS
    assert [type(row) for row in rows] == [*(type(row) for row in ROWS), EndRow]
    assert read(path, CELL) == rows
    check_end(path, rows)


def test_the_end_row_counts_and_seals_what_came_before(path):
    end = read(path)[-1]
    lines = path.read_bytes().splitlines()
    assert (end.rows, end.head) == (len(ROWS), json.loads(lines[-2])["chain"])
    assert (end.status, end.failure, end.error) == ("done", None, None)


def test_nothing_that_is_written_is_ever_written_again(tmp_path):
    ours, before = Ledger(tmp_path / "ledger.jsonl", CELL), b""
    for row in ROWS:
        ours.append([row])
        now = ours.path.read_bytes()
        assert now.startswith(before)
        assert len(now) > len(before)
        before = now


def test_how_rows_are_grouped_does_not_matter(tmp_path, path):
    ours = Ledger(tmp_path / "other.jsonl", CELL)
    ours.append([])
    ours.append(ROWS)
    ours.end(status="done", base="c" * 64, seconds=9.5)
    assert ours.path.read_bytes() == path.read_bytes()


def test_a_ledger_that_is_opened_again_goes_on(tmp_path, path):
    other = tmp_path / "other.jsonl"
    for row in ROWS:
        Ledger(other, CELL).append([row])
    ours = Ledger(other, CELL)
    assert ours.rows == ROWS
    assert ours.ended is None
    ours.end(status="done", base="c" * 64, seconds=9.5)
    assert other.read_bytes() == path.read_bytes()
    assert ours.ended == read(path)[-1]


def test_rows_are_on_the_disk_before_append_returns(tmp_path, monkeypatch):
    ours, synced = Ledger(tmp_path / "ledger.jsonl", CELL), []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    ours.append(ROWS)
    assert synced == [ours.path.stat().st_size]


def test_interruptions_are_no_facts(tmp_path):
    ours = Ledger(tmp_path / "ledger.jsonl", CELL)
    ours.append([ROWS[0], resume(), ROWS[1], resume(2)])
    assert (len(ours.rows), ours.facts) == (4, 2)


def test_an_empty_ledger_has_no_rows_and_no_head(tmp_path):
    (tmp_path / "ledger.jsonl").touch()
    assert read(tmp_path / "ledger.jsonl") == []
    assert head_of(tmp_path / "ledger.jsonl") == (0, "")
    ours = Ledger(tmp_path / "ledger.jsonl", CELL)
    assert (ours.rows, ours.ended, ours.facts) == ([], None, 0)
    assert ours.head == sha256(CELL.encode()).hexdigest()


# --- what is changed afterwards


@pytest.mark.parametrize(
    ("seq", "old", "new"),
    [
        (0, '"nats":12.5', '"nats":12.4'),
        (0, '"tokens":7', '"tokens":8'),
        (1, '"lm":3.25', '"lm":3.25000000000000044'),
        (2, '"step":2', '"step":3'),
        (3, "[0.0,0.5]", "[0.5,0.0]"),
        (4, '"status":"done"', '"status":"failed"'),
        (4, '"seconds":9.5', '"seconds":9.25'),
        (2, '"chain":"', '"chain":"0'),
        (1, '"lm":3.25', '"lm":NaN'),
        (1, '"lm":3.25', '"lm":"\\ud800"'),
        (1, '"seq":1,', ""),
        (1, '"schema":2', '"schema":true'),
        # the same values in other bytes are not what was recorded either
        (1, '"step":1', '"step":9,"step":1'),
        (1, '"step":1', '"step": 1'),
        (1, '"lm":3.25', '"lm":3.250'),
    ],
)
def test_a_row_that_was_edited_breaks_the_chain_there(path, seq, old, new):
    lines = path.read_text("utf-8").split("\n")
    assert old in lines[seq]
    lines[seq] = lines[seq].replace(old, new, 1)
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(LedgerError, match=rf"ledger\.jsonl, row {seq} ") as caught:
        read(path, CELL)
    assert "Needed: " in str(caught.value)
    assert "Restore the file, or run the cell again" in str(caught.value)


def test_the_last_row_is_read_without_the_others(path, tmp_path):
    assert last(path) == read(path)[-1]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"{}\n", *lines[1:]]))  # a broken chain is not its business
    assert last(path) is not None
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert last(empty) is None


@pytest.mark.parametrize("line", [b"{}", b"[]", b"not JSON", b'{"kind": "end"}'])
def test_a_last_row_that_is_none_is_named(path, line):
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(LedgerError, match=r"row \d+ is not a row of a ledger"):
        last(path)


def test_the_message_of_a_broken_chain(path):
    path.write_bytes(path.read_bytes().replace(b'"nats":12.5', b'"nats":12.4'))
    with pytest.raises(
        LedgerError,
        match=r"row 0 does not follow from the rows before it\.\n  Needed: the bytes that were "
        r"recorded; .*\n  Nothing that rests on this ledger can be trusted\. Restore the file",
    ):
        read(path)


@pytest.mark.parametrize("position", range(LENGTH))
def test_a_row_that_was_removed_is_missed(path, position):
    counted = head_of(path)
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[position]
    path.write_bytes(b"".join(lines))
    assert head_of(path) != counted
    if position < LENGTH - 1:
        with pytest.raises(LedgerError, match=rf"row {position} says it is row {position + 1} of"):
            read(path)
    else:
        # the chain cannot show it: the missing end row does
        with pytest.raises(
            LedgerError, match=rf"row {position} is missing: the ledger has no end row\.\n  Needed"
        ):
            check_end(path, read(path))


@pytest.mark.parametrize("kept", range(LENGTH))
def test_rows_that_were_cut_off_at_the_end_are_missed(path, kept):
    counted = head_of(path)
    lines = path.read_bytes().splitlines(keepends=True)[:kept]
    path.write_bytes(b"".join(lines))
    assert head_of(path) != counted
    with pytest.raises(LedgerError, match=rf"row {kept} is missing"):
        check_end(path, read(path))


@pytest.mark.parametrize("position", range(LENGTH - 1))
def test_rows_that_changed_places_are_noticed(path, position):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[position], lines[position + 1] = lines[position + 1], lines[position]
    path.write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=rf"row {position} says it is row {position + 1} of"):
        read(path)


@pytest.mark.parametrize("position", range(LENGTH))
def test_a_row_that_stands_twice_is_noticed(path, position):
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(position, lines[position])
    path.write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=rf"row {position + 1} says it is row {position} of"):
        read(path)


def test_renumbering_the_rows_does_not_hide_a_removed_one(path):
    lines = path.read_bytes().splitlines()[1:]
    rows = [json.loads(line) | {"seq": seq} for seq, line in enumerate(lines)]
    path.write_bytes(b"".join(canonical(row) + b"\n" for row in rows))
    with pytest.raises(LedgerError, match="row 0 does not follow from the rows before it"):
        read(path)


def test_a_row_of_another_cell_is_noticed(tmp_path, path):
    other = Ledger(tmp_path / "other.jsonl", "frozen-o0-s0")
    other.append(ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = other.path.read_bytes().splitlines(keepends=True)[2]
    path.write_bytes(b"".join(lines))
    with pytest.raises(
        LedgerError,
        match=rf"row 2 says it is row 2 of 'frozen-o0-s0'\.\n  Needed: row 2 of '{CELL}'",
    ):
        read(path)


def test_rows_that_chain_and_name_two_cells_are_noticed(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(chained([body(0, ROWS[0]), body(1, ROWS[1], "frozen-o0-s0")]))
    with pytest.raises(LedgerError, match="row 1 says it is row 1 of 'frozen-o0-s0'"):
        read(path)


def test_the_ledger_of_another_cell_is_not_taken_for_this_one(path):
    with pytest.raises(LedgerError, match=rf"row 0 says it is row 0 of '{CELL}'"):
        read(path, "frozen-o0-s0")
    with pytest.raises(LedgerError, match="row 0 says it is row 0 of"):
        Ledger(path, "frozen-o0-s0")


def test_a_cell_that_was_renamed_in_every_row_is_noticed(path):
    path.write_bytes(path.read_bytes().replace(CELL.encode(), b"ewc-o0-s0"))
    with pytest.raises(LedgerError, match="row 0 does not follow"):
        read(path)


def test_a_broken_ledger_is_not_gone_on_with(path):
    before = path.read_bytes().replace(b'"nats":12.5', b'"nats":12.4')
    path.write_bytes(before)
    with pytest.raises(LedgerError, match="row 0 does not follow"):
        Ledger(path, CELL)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"5", b'"row"', b"null", b"{}", b'{"chain":""}', b"\xff"]
)
def test_what_is_no_row_is_named(path, line):
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(
        LedgerError,
        match=rf"row {LENGTH} is not a row of a ledger\.\n  Needed: one JSON object a line\.",
    ):
        read(path)


def test_another_schema_is_named(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(chained([body(0, ROWS[0]) | {"schema": 3}]))
    with pytest.raises(LedgerError, match=r"row 0 has schema 3\.\n  Needed: schema 1 or 2\."):
        read(path)


def test_a_step_of_schema_1_has_no_gradient_of_each_term(tmp_path):
    path, old = tmp_path / "ledger.jsonl", body(0, step(1)) | {"schema": 1}
    old.pop("term_gradient_norms")
    path.write_bytes(chained([old]))
    assert read(path) == [step(1)]


def test_a_row_that_chains_and_does_not_fit_the_schema_is_named(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(chained([body(0, ROWS[0]), body(1, ROWS[1]) | {"opinion": "good"}]))
    with pytest.raises(LedgerError, match=r"row 1 does not fit the schema(?s:.*)opinion"):
        read(path)


def test_a_cell_that_is_no_name_is_no_crash(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(chained([body(0, ROWS[0]) | {"cell": 5}]))
    with pytest.raises(LedgerError, match="row 0 "):
        read(path)


def test_an_end_row_that_miscounts_is_noticed(tmp_path):
    path = tmp_path / "ledger.jsonl"
    end = EndRow(status="done", base=None, rows=3, head="0" * 64, seconds=1.0)
    path.write_bytes(chained([body(0, ROWS[0]), body(1, end)]))
    with pytest.raises(
        LedgerError, match=r"row 1 counts 3 rows, and 1 are there\.\n  Needed: every row that was"
    ):
        check_end(path, read(path))


# --- crashes and full disks


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_half_written_row_is_dropped_when_the_cell_goes_on(tmp_path, cut):
    path = tmp_path / "ledger.jsonl"
    Ledger(path, CELL).append(ROWS)
    whole = path.read_bytes()
    torn = whole[:-cut]
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(torn)
    with pytest.raises(
        LedgerError, match=rf"row {len(ROWS) - 1} is half written\.\n  Needed: a wh"
    ):
        read(path)
    ours = Ledger(path, CELL)
    assert ours.torn_bytes == len(last) - cut
    assert ours.rows == ROWS[:-1]
    assert path.read_bytes() == whole[: -len(last)]
    ours.append(ROWS[-1:])
    assert path.read_bytes() == whole


def test_a_first_row_that_is_half_written_leaves_an_empty_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path, CELL).append(ROWS[:1])
    whole = path.read_bytes()
    path.write_bytes(whole[:30])
    ours = Ledger(path, CELL)
    assert (ours.torn_bytes, ours.rows) == (30, [])
    ours.append(ROWS[:1])
    assert path.read_bytes() == whole


def test_a_whole_ledger_has_nothing_torn(path):
    before = path.read_bytes()
    assert Ledger(path, CELL).torn_bytes == 0
    assert path.read_bytes() == before


class Full:
    """A file on a disk that has room for half of what is written next."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_ends_as_a_ledger_ends_it(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with Ledger(path, CELL) as ours:
        ours.append(ROWS)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(LedgerError, match=r"row 0 is not a row of a ledger"):
        read(path, CELL)


@pytest.mark.parametrize("at", ["write", "fsync"])
@pytest.mark.parametrize("recorded", [0, 2])
def test_a_full_disk_takes_all_rows_or_none(tmp_path, monkeypatch, at, recorded):
    ours = Ledger(tmp_path / "ledger.jsonl", CELL)
    if recorded:
        ours.append(ROWS[:recorded])
    before = ours.path.read_bytes() if recorded else None
    head, opened, once = ours.head, Path.open, [Full]

    def half(self, *args, **kwargs):
        file = opened(self, *args, **kwargs)
        return once.pop()(file) if once else file

    with monkeypatch.context() as patch:
        patch.setattr(*((Path, "open", half) if at == "write" else (os, "fsync", full)))
        with pytest.raises(
            Interrupted,
            match=rf"the disk refused 2 rows \(No space left on device\)\.\n  The {recorded} rows "
            r"recorded before are whole\. .*free some space and give the same command again",
        ):
            ours.append(ROWS[2:])
    assert (ours.path.read_bytes() if ours.path.exists() else None) == before
    assert (ours.head, len(ours.rows)) == (head, recorded)
    # and when there is room again, it goes on as if nothing had happened
    ours.append(ROWS[recorded:])
    assert read(ours.path, CELL) == ROWS


def test_a_disk_that_does_not_even_open_the_file_is_an_interruption(tmp_path, monkeypatch):
    ours = Ledger(tmp_path / "ledger.jsonl", CELL)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(Interrupted, match=r"the disk refused 4 rows \(No space left"):
            ours.append(ROWS)
    ours.append(ROWS)
    assert read(ours.path) == ROWS


def test_a_row_that_cannot_be_written_leaves_the_ledger_as_it_was(tmp_path):
    ours = Ledger(tmp_path / "ledger.jsonl", CELL)
    ours.append(ROWS[:1])
    before = ours.path.read_bytes()
    broken = RepresentationRow.model_construct(after=0, domain="river", layers=[float("nan")])
    with pytest.raises(ValueError, match="not JSON compliant"):
        ours.append([ROWS[1], broken])
    assert ours.path.read_bytes() == before
    ours.append(ROWS[1:])
    assert read(ours.path) == ROWS


# --- facts


def test_facts_by_hand():
    rows = [RepresentationRow(after=0, domain="river", layers=[0.5]), resume(), resume()]
    line = b'{"after":0,"domain":"river","kind":"representation","layers":[0.5]}'
    assert facts(rows) == line
    assert facts([rows[0], *rows]) == line + b"\n" + line
    assert facts([]) == b""


def test_facts_are_equal_under_other_circumstances():
    calm = [evaluation(seconds=1.0), step(1, seconds=1.0), step(2)]
    troubled = [evaluation(seconds=9.0), resume(), step(1, seconds=8.0), resume(2), step(2)]
    assert facts(calm) == facts(troubled)
    ends = [
        EndRow(status="done", base="c" * 64, rows=rows, head=head * 64, seconds=seconds)
        for rows, head, seconds in ((3, "0", 1.0), (5, "1", 2.0))
    ]
    assert facts([ends[0]]) == facts([ends[1]])


@pytest.mark.parametrize(
    "other",
    [
        [evaluation(nats=12.500000000000002), step(1), step(2)],
        [evaluation(), step(1, lm=3.2500000000000004), step(2)],
        [evaluation(), step(2), step(1)],
        [evaluation(), step(1)],
        [evaluation(), step(1), step(1), step(2)],
        [],
    ],
)
def test_other_facts_are_unequal(other):
    assert facts(other) != facts([evaluation(), step(1), step(2)])


def test_facts_survive_the_ledger(path):
    assert facts(read(path)[:-1]) == facts(ROWS)


def test_the_schema_of_this_version_is_written(path):
    assert ledger.SCHEMA == 2
    assert all(json.loads(line)["schema"] == 2 for line in path.read_bytes().splitlines())
