"""What a user sees when something goes wrong: a sentence, the right exit code, and no traceback."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from classay import cli
from classay.ledger import read
from classay.records import ResumeRow

NAN = '''
"""A method whose loss is no number in its second phase.

source      none
departures  none
"""
from dataclasses import dataclass
from classay.method import Method

@dataclass(frozen=True, kw_only=True)
class Config:
    pass

class NotANumber(Method):
    def begin_phase(self, phase):
        super().begin_phase(phase)
        self.broken = phase.index == 1

    def loss(self, batch):
        terms = super().loss(batch)
        return {"lm": terms["lm"] * float("nan")} if self.broken else terms

METHOD, EXAMPLE = NotANumber, Config()
'''


@pytest.fixture
def command(suite_file, tiny_base, tmp_path, monkeypatch, capfd):
    """Run ``classay run`` on the tiny suite; in a process of its own where a file may not grow."""

    def go(*flags: object, changes=None, base=tiny_base, limit=None):
        path = suite_file.with_name("changed.yaml")
        path.write_text(yaml.safe_dump(yaml.safe_load(suite_file.read_text()) | (changes or {})))
        words = ["classay", "run", path, "--base", base, "--out", tmp_path / "runs", *flags]
        if limit is not None:
            return apart(list(map(str, words)), limit)
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        try:
            code = cli.main()
        except SystemExit as exit_:
            code = exit_.code
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(words, int(code or 0), out, err)

    return go


def apart(words: list[str], limit: int) -> subprocess.CompletedProcess[str]:
    """The same in a process in which no file can grow beyond ``limit`` bytes."""
    code = (
        f"import sys\nsys.argv = {words!r}\n"
        "from classay.cli import main\nif __name__ == '__main__': sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)
        ),
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr + done.stdout
    return done


def test_an_unknown_key_is_named(command):
    done = command(changes={"traning": {}})
    assert done.returncode == 2
    assert "traning: no such key" in done.stderr


def test_an_unknown_method_is_answered_with_the_nearest(command):
    done = command(changes={"methods": {"naive_lore": {}}})
    assert done.returncode == 2
    assert "Did you mean 'naive_lora'?" in done.stderr


@pytest.mark.parametrize(("split", "part"), [("train", "train"), ("holdout", "hold-out")])
def test_a_domain_without_records_is_named(command, suite_file, split, part):
    path = suite_file.parent / "oven.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows if r["split"] != split))
    done = command()
    assert done.returncode == 2
    assert f"domain 'oven' has no {part} records" in done.stderr


def test_a_base_with_pickled_weights_is_refused(command, tiny_base, tmp_path):
    base = tmp_path / "pickled"
    shutil.copytree(tiny_base, base)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    done = command(base=base)
    assert done.returncode == 2
    assert "pytorch_model.bin and no *.safetensors" in done.stderr
    assert "unpickling weights runs code" in done.stderr


def test_a_cell_that_diverges_is_named_and_the_others_finish(command, tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "classay_nan-1.dist-info"
    info.mkdir(parents=True)
    (site / "classay_nan.py").write_text(NAN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: classay-nan\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[classay.methods]\nnot_a_number = classay_nan\n")
    methods = {"not_a_number": {}, "frozen": {}}
    monkeypatch.syspath_prepend(str(site))
    done = command("--jobs", 2, changes={"methods": methods})
    assert done.returncode == 3
    assert "phase 1 (oven), step 0: lm = nan" in done.stdout
    assert "Lower the learning rate" in done.stdout
    report = next((tmp_path / "runs").glob("*/report.html")).read_text("utf-8")
    assert "incomplete" in report
    assert "lm = nan" in report
    states = [
        read(p)[-1].status for p in sorted((tmp_path / "runs").glob("*/cells/*/ledger.jsonl"))
    ]
    assert states == ["done", "failed"]


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(command, tmp_path):
    methods = {"methods": {"naive_lora": {}}}
    straight = command("--no-share", changes=methods)
    assert straight.returncode == 0, straight.stderr
    first = next((tmp_path / "runs").glob("*"))
    path = first / "cells" / "naive_lora-o0-s0" / "ledger.jsonl"
    expected = [row.fact() for row in read(path)]
    limit = path.stat().st_size * 6 // 7  # the system lets no file grow beyond this
    shutil.rmtree(first)
    full = command("--no-share", changes=methods, limit=limit)
    assert full.returncode == 3
    assert "the disk refused" in full.stdout
    assert "free some space" in full.stdout.lower()
    recorded = [row.fact() for row in read(path)]
    assert 0 < len(recorded) < len(expected)
    assert recorded == expected[: len(recorded)]
    resumed = command("--no-share", changes=methods)
    assert resumed.returncode == 0, resumed.stderr
    assert [r.fact() for r in read(path) if not isinstance(r, ResumeRow)] == expected


def test_a_second_run_beside_the_first_is_refused(command, tmp_path):
    assert command("--methods", "frozen").returncode == 0
    import fcntl

    with (next((tmp_path / "runs").glob("*")) / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = command("--methods", "frozen")
    assert done.returncode == 2
    assert "is being run by another process" in done.stderr


def test_the_paths_of_this_run_are_not_in_its_report(command, tmp_path):
    assert command("--methods", "frozen").returncode == 0
    report = next((tmp_path / "runs").glob("*/report.html")).read_text("utf-8")
    assert str(Path(tmp_path)) not in report
