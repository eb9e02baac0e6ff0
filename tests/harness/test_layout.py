import errno
import json
import os
from pathlib import Path

import pytest

from classay.errors import LedgerError
from classay.layout import Cell, RunFolder, write_atomically
from classay.suite_file import load


def test_a_cell_is_named_after_what_makes_it():
    assert Cell("naive_lora", seed=3, order=1).name == "naive_lora-o1-s3"


def test_things_lie_where_the_drawing_says():
    folder = RunFolder(Path("run"))
    assert folder.cell(Cell("frozen", 0, 2)) == Path("run/cells/frozen-o2-s0")
    assert folder.shared("base") == Path("run/shared/base")
    assert folder.check("again") == Path("run/checks/again")
    assert folder.adapter("ab") == Path("run/adapters/ab")
    assert folder.structure("ab") == Path("run/structures/ab.safetensors")
    assert folder.items("ab") == Path("run/items/ab.safetensors")
    places = (folder.about, folder.stream, folder.manifest, folder.report)
    drawn = ("run.json", "stream", "manifest.json", "report.html")
    assert places == tuple(Path("run") / name for name in drawn)
    assert all(name in RunFolder.__doc__ for name in drawn)


def test_every_ledger_is_found_in_a_fixed_order(tmp_path):
    for name in ("shared/base", "cells/b", "cells/a", "checks/again", "cells/a/deeper"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "ledger.jsonl").touch()
    found = [str(path.parent.relative_to(tmp_path)) for path in RunFolder(tmp_path).ledgers()]
    assert found == ["cells/a", "cells/b", "checks/again", "shared/base"]
    assert RunFolder(tmp_path / "none").ledgers() == []


@pytest.fixture
def about(suite_file):
    suite = load(suite_file)
    content = {f"domain {domain.name}": "1" * 64 for domain in suite.evaluated()}
    return {
        "suite": suite.model_dump(mode="json"),
        "identity": suite.identity(content),
        "content": content,
        "device": "cpu",
        "threads": 1,
        "code": "2" * 64,
        "base": "3" * 64,
        "overlap": [],
        "leak": [],
        "libraries": {},
    }


def test_what_is_run_is_read_back(tmp_path, suite_file, about):
    (tmp_path / "run.json").write_text(json.dumps(about), "utf-8")
    assert RunFolder(tmp_path).read() == (about, load(suite_file))


@pytest.mark.parametrize(
    "key", ["suite", "identity", "content", "device", "threads", "code", "base", "overlap", "leak"]
)
def test_a_setting_that_lacks_something_is_refused(tmp_path, about, key):
    del about[key]
    (tmp_path / "run.json").write_text(json.dumps(about), "utf-8")
    with pytest.raises(
        LedgerError, match=rf"run\.json is not what a run wrote \(.*'{key}'.*\)\.(?s:.*)Restore"
    ):
        RunFolder(tmp_path).read()


@pytest.mark.parametrize("text", [None, "", "[]", "3", '{"suite": {}}', '{"suite": '])
def test_a_setting_that_is_none_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "run.json").write_text(text, "utf-8")
    with pytest.raises(LedgerError, match=r"run\.json is not what a run wrote"):
        RunFolder(tmp_path).read()


# --- write_atomically


def test_a_file_is_written_in_a_folder_that_is_made(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file", b"new")
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["file"]
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"new"


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "file").write_bytes(b"a longer old content")
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, step):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_bytes_are_on_the_disk_before_the_name_points_to_them(tmp_path, monkeypatch):
    events, replace, fsync = [], Path.replace, os.fsync

    def noted_fsync(number):
        events.append(("fsync", os.fstat(number).st_size))
        fsync(number)

    def noted_replace(self, target):
        events.append(("replace", target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_atomically(tmp_path / "file", b"new")
    assert events == [("fsync", 3), ("replace", "file")]
