"""Runs written by hand, whole or in part, and the command line called in this process."""

from __future__ import annotations

import importlib.abc
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from classay import cli, runner
from classay.suite import Suite

from . import recording

HEAVY = {"torch", "transformers", "peft", "datasets", "tokenizers", "triton", "bitsandbytes"}


class _Absent(importlib.abc.MetaPathFinder):
    """Makes heavy packages look as if they were not installed."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@pytest.fixture(scope="session")
def record() -> Callable[..., Path]:
    """Write a run into a folder; see ``recording.record``."""
    return recording.record


@pytest.fixture(scope="session")
def record_ledgers() -> Callable[..., Path]:
    """Write as much of a run as is judged: run.json and the ledgers."""
    return partial(recording.record, bare=True)


@pytest.fixture(scope="session")
def rewrite() -> Callable[..., None]:
    """Replace a ledger of a run by another valid one; see ``recording.rewrite``."""
    return recording.rewrite


@pytest.fixture(scope="session")
def make_suite() -> Callable[..., Suite]:
    """The suite of the recorded run, keys changed."""
    return recording.suite_of


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here crashes, and thousands of waits for the disk would take most of the time."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run; not to be changed."""
    return recording.record(tmp_path_factory.mktemp("good") / "run")


def _copy(source: str, target: str) -> None:
    """Files named after their digest are linked: whoever changes one must put a new one there."""
    copy = os.link if {"items", "adapters"} & {*Path(source).parts} else shutil.copyfile
    copy(source, target)


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    """A whole run of the test's own."""
    return Path(shutil.copytree(good, tmp_path / "run", copy_function=_copy))


@pytest.fixture
def ledgers(good: Path, tmp_path: Path) -> Path:
    """As much of a whole run of the test's own as is judged: run.json and the ledgers."""
    for room in ("cells", "checks"):
        shutil.copytree(good / room, tmp_path / "run" / room, copy_function=_copy)
    _copy(str(good / "run.json"), str(tmp_path / "run" / "run.json"))
    return tmp_path / "run"


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra ``run`` were not installed, whether it is or not."""
    for name in [n for n in sys.modules if n.partition(".")[0] in HEAVY]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])


@pytest.fixture
def change_about() -> Callable[[Path, Callable[[Any], Any]], None]:
    """Edit run.json in place, and leave the manifest as it was."""

    def change(run: Path, edit: Callable[[Any], Any]) -> None:
        path = run / "run.json"
        about = json.loads(path.read_text("utf-8"))
        edit(about)
        path.write_text(json.dumps(about), "utf-8")

    return change


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["classay", *map(str, words)])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run can be judged in this process: no environment is set, no report drawn."""
    monkeypatch.setattr(runner, "environment", lambda online: None)
    monkeypatch.setattr("classay.reports.render.render", lambda *parts: "<p>drawn")
