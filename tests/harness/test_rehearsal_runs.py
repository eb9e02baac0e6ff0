"""Methods that rehearse through a whole run: stopped and gone on with, charged for all they do."""

from __future__ import annotations

import errno
import time

import pytest
import yaml

pytest.importorskip("torch")

from classay import cell as life
from classay import checkpoint, runner, study
from classay.layout import Cell, RunFolder
from classay.ledger import read
from classay.mechanism import promises
from classay.methods.naive_lora import NaiveLoRA
from classay.prepare import Options, prepare
from classay.provenance.verify import same_facts
from classay.records import PhaseRow, ResumeRow
from classay.suite_file import load

METHODS = {
    "a_gem": {"capacity": 8, "share": 0.5},
    "der_pp": {"capacity": 8, "share": 0.25, "logits": 8, "alpha": 0.5, "beta": 0.5},
    "replay": {"memory": "fixed_share", "share": 0.25},
    "sdft_rewrite": {"overlap": 0.1, "temperature": 1.0},
    "sdft_on_policy": {"divergence": "reverse", "rate": 0.01},
}


@pytest.fixture
def begun(suite_file, tiny_base, tmp_path):
    """A folder in which the tiny suite can be run, with these methods alone."""

    def made(out: str, methods: dict) -> tuple[RunFolder, Options]:
        path = suite_file.with_name("changed.yaml")
        path.write_text(yaml.safe_dump(yaml.safe_load(suite_file.read_text()) | methods))
        options = Options(suite_file.parent, tmp_path / out, "cpu", 1, 1, False)
        return prepare(load(path, {"base.path": str(tiny_base)}), options), options

    return made


@pytest.fixture
def straight(begun):
    folder, options = begun("straight", {"methods": METHODS})
    runner.execute(folder, options, lambda name, done: None, lambda name, words: None)
    return study.load(folder.path)


def test_stopped_in_mid_phase_and_gone_on_with_the_facts_are_equal(straight, begun, monkeypatch):
    assert all(promises(straight))
    original = checkpoint.write_atomically
    folder, options = begun("stopped", {"methods": METHODS})
    for name in METHODS:
        places = []

        def four(path, data, places=places):
            places.append(path)
            if len(places) > 4:  # the start, 2 steps, the first phase, 2 steps of the second
                raise OSError(errno.EIO, "the machine gave out")
            original(path, data)

        monkeypatch.setattr(checkpoint, "write_atomically", four)
        with pytest.raises(life.Interrupted):
            life.run(folder, Cell(name, 0, 0), False, 1, lambda share: None)
        monkeypatch.undo()
    runner.execute(folder, options, lambda name, done: None, lambda name, words: None)
    for name in METHODS:
        rows = read(folder.cell(Cell(name, 0, 0)) / "ledger.jsonl")
        (place,) = [row for row in rows if isinstance(row, ResumeRow)]
        assert (place.phase, place.step) == (1, 2)
    assert same_facts(straight.folder, folder) == []
    # 256 tokens are 16 rows of 16, in 4 steps of 4
    trained = {
        name: [row.tokens_trained // 16 for row in straight.phases(name)[0]] for name in METHODS
    }
    assert trained == {
        "a_gem": [16, 24, 24],
        "der_pp": [16, 24, 24],
        "replay": [16, 20, 24],
        "sdft_rewrite": [16, 16, 16],
        "sdft_on_policy": [16, 16, 16],
    }
    kept = {name: [row.stored_examples for row in straight.phases(name)[0]] for name in METHODS}
    assert kept == {
        "a_gem": [8, 8, 8],
        "der_pp": [8, 8, 8],
        "replay": [4, 8, 12],
        "sdft_rewrite": [0, 0, 0],
        "sdft_on_policy": [0, 0, 0],
    }


def test_what_is_done_before_the_first_step_is_charged_in_seconds(begun, monkeypatch):
    folder, _ = begun("runs", {"methods": {"naive_lora": {}}})
    begin = NaiveLoRA.begin_phase

    def slow(self, phase):
        begin(self, phase)
        time.sleep(3.0 if phase.index == 1 else 0.0)

    monkeypatch.setattr(NaiveLoRA, "begin_phase", slow)
    life.run(folder, Cell("naive_lora", 0, 0), False, 1, lambda share: None)
    rows = read(folder.cell(Cell("naive_lora", 0, 0)) / "ledger.jsonl")
    seconds = [row.seconds for row in rows if isinstance(row, PhaseRow)]
    assert seconds[1] >= 3.0
    assert seconds[1] > seconds[2] + 1.0
