"""Runs that are killed in the middle of a phase: resumed, they have the facts of one that was not.

A kill that waits for a run to be far enough comes too late on a busy machine. The methods here are
therefore held up: they stop in the second phase by themselves, and stay there until they die.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("torch")

from classay import registry, runner, study
from classay.layout import Cell, RunFolder
from classay.ledger import read
from classay.provenance.verify import same_facts, verify
from classay.records import SCHEMA, ResumeRow

STEPS, SAVED, LAST = 40, 5, 7  # steps of a phase; the checkpoint in it; the last before the hold
LONG = {"tokens_per_domain": 2560, "batch": 4, "learning_rate": 0.02, "checkpoint_steps": SAVED}

HELD = f'''
"""{{name}}, held up in its second phase for as long as a file lies beside it.

source      none
departures  none
"""
import time
from pathlib import Path
from classay.methods import {{name}} as parent

HOLD = Path(__file__).with_name("hold")
Config, EXAMPLE = parent.Config, parent.EXAMPLE

class Held(parent.METHOD):
    """Its parent, until somebody kills it."""

    def begin_phase(self, phase):
        super().begin_phase(phase)
        self.place = [phase.index, 0]

    def restore(self, state):
        super().restore(state)
        self.place = [-1, 0]

    def loss(self, batch):
        terms = super().loss(batch)
        self.place[1] += 1
        if HOLD.exists() and self.place == [1, {LAST}]:
            time.sleep(0.3)  # so long that this step is told of
        if HOLD.exists() and self.place == [1, {LAST + 1}]:
            time.sleep(300)
        return terms

METHOD = Held
'''


@pytest.fixture
def held(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Plug in a held method, as pip would leave it; returns the file that holds it up."""
    site = tmp_path / "site"

    def plugged(name: str) -> Path:
        info = site / "classay_held-1.dist-info"
        info.mkdir(parents=True)
        (site / f"classay_held_{name}.py").write_text(HELD.format(name=name))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: classay-held\nVersion: 1\n")
        (info / "entry_points.txt").write_text(
            f"[classay.methods]\nheld_{name} = classay_held_{name}\n"
        )
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", str(site))  # for who is started anew
        return site / "hold"

    return plugged


@pytest.mark.parametrize("whole_group", [True, False], ids=["all processes", "the parent alone"])
def test_killed_in_mid_phase_and_resumed_the_facts_are_equal(
    run, held, whole_group, suite_file, tiny_base, tmp_path
):
    hold, cell = held("naive_lora"), Cell("held_naive_lora", 0, 0)
    changes = {"training": LONG, "methods": {cell.method: {}, "frozen": {}}}
    straight, _ = run("straight", **changes)
    hold.touch()
    changed = suite_file.with_name("changed.yaml")
    command = [sys.executable, "-P", "-m", "classay", "run", str(changed), "--jobs", "2"]
    command += ["--base", str(tiny_base), "--data", str(suite_file.parent)]
    command += ["--out", str(tmp_path / "killed")]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    path = tmp_path / "killed" / straight.folder.path.name / "cells" / cell.name / "ledger.jsonl"
    begun = f'"phase":1,"schema":{SCHEMA},"seconds"'.encode()  # a step of the second phase
    patience = time.monotonic() + 300
    while not (path.exists() and begun in path.read_bytes()) and time.monotonic() < patience:
        time.sleep(0.005)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    hold.unlink()
    resumed = gone_on_with(run, straight, cell, changes)
    assert same_facts(straight.folder, resumed.folder) == []


@pytest.mark.parametrize(
    ("method", "dtype"),
    [("crma", "nf4"), ("ewc", "nf4"), ("replay", "fp32"), ("o_lora", "nf4")],
    ids=["crma", "ewc", "replay", "o_lora"],
)
def test_a_cell_that_is_killed_in_mid_phase_and_resumed_has_equal_facts(
    run, begun, held, method, dtype
):
    hold, cell = held(method), Cell(f"held_{method}", 0, 0)
    settings = asdict(registry.load("method", method).EXAMPLE)
    changes = {"training": LONG, "base": {"dtype": dtype}}
    changes["methods"] = {cell.method: settings, "frozen": {}}
    straight, _ = run("straight", **changes)
    hold.touch()
    folder, options = begun("killed", jobs=2, **changes)

    class Gone(Exception):
        """Who ran the cell has no time left to say that it was killed."""

    def kill(name: str, done: float) -> None:
        if name == cell.name and done > (1 + (LAST - 0.5) / STEPS) / 3:
            for process in multiprocessing.active_children():
                process.kill()
            raise Gone

    with pytest.raises(Gone):
        runner.execute(folder, options, kill, lambda name, words: None)
    hold.unlink()
    resumed = gone_on_with(run, straight, cell, changes)
    assert same_facts(straight.folder, resumed.folder) == []


def gone_on_with(run, straight: study.Study, cell: Cell, changes) -> study.Study:
    """Go on with what was killed, once it is seen that the kill came in mid-phase."""
    folder = RunFolder(straight.folder.path.parents[1] / "killed" / straight.folder.path.name)
    path = folder.cell(cell) / "ledger.jsonl"
    assert len(read(path)) > 0, "the cell had begun"
    assert runner.state(folder, cell)[0] == "running", "the cell had not ended"
    resumed, _ = run("killed", **changes)
    (place,) = [row for row in read(path) if isinstance(row, ResumeRow)]
    assert (place.phase, place.step) == (1, SAVED)
    assert verify(resumed.folder) == []
    return resumed
