"""Whole runs on a tiny base: the same facts however a run goes, and nothing lost if it fails."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from classay import circumstances, methods, registry, runner, study
from classay.ending import finish
from classay.errors import ConfigError, LedgerError, StreamError
from classay.evidence.instrument import checks
from classay.evidence.noise import floors, redrawn
from classay.layout import Cell
from classay.ledger import read
from classay.prepare import Options, prepare
from classay.provenance import manifest
from classay.provenance.verify import same_facts, verify
from classay.records import EvalRow, PhaseRow, ResumeRow, StepRow
from classay.suite_file import load

FAULTS = '''
"""Methods that fail on purpose.

source      none
departures  none
"""
import os, signal
from dataclasses import dataclass
import torch
from classay.method import Method

@dataclass(frozen=True, kw_only=True)
class Config:
    what: str
    once: str = ""

class Faulty(Method):
    """Naive LoRA until the third step of its second phase."""

    def begin_phase(self, phase):
        super().begin_phase(phase)
        self.index, self.step = phase.index, 0

    def restore(self, state):
        super().restore(state)
        self.index, self.step = 1, 99

    def loss(self, batch):
        terms = super().loss(batch)
        self.step += 1
        if self.index == 1 and self.step == 3:
            if self.config.once:
                if os.path.exists(self.config.once):
                    return terms
                open(self.config.once, "w").close()
            if self.config.what == "nan":
                return {"lm": terms["lm"] * float("nan")}
            if self.config.what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.config.what == "bug":
                raise ValueError("a mistake in the method")
            if self.config.what == "oom":
                raise MemoryError("no room for the attention matrix")
        return terms

METHOD, EXAMPLE = Faulty, Config(what="none")
'''


@pytest.fixture
def faults(tmp_path, monkeypatch) -> None:
    """A real plug-in: a distribution with an entry point, as pip would leave it."""
    site = tmp_path / "site"
    info = site / "classay_faults-1.dist-info"
    info.mkdir(parents=True)
    (site / "classay_faults.py").write_text(FAULTS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: classay-faults\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[classay.methods]\nfaulty = classay_faults\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def whole(run, begun, kept):
    """A finished run of these methods, of the test's own; where another test has run it, a copy."""

    def there(*methods: str, out: str = "runs") -> study.Study:
        changes = {"methods": {name: {} for name in methods}}
        saved = kept / " ".join(methods)
        if not saved.exists():
            shutil.copytree(run(out, **changes)[0].folder.path, saved)
        folder, _ = begun(out, **changes)
        return study.load(shutil.copytree(saved, folder.path, dirs_exist_ok=True))

    return there


TINY = ("naive_lora", "frozen", "joint")  # the tiny suite's own


def ledger(found: study.Study, cell: Cell) -> Path:
    return found.folder.cell(cell) / "ledger.jsonl"


def test_a_run_comes_to_its_end_and_the_instrument_is_sound(run):
    found, said = run(jobs=2)
    assert set(said.values()) == {""}
    assert [record.state for record in found.cells] == ["done"] * 3
    assert {check.name: check.passed for check in checks(found)} == {
        check.name: True for check in checks(found)
    }
    assert verify(found.folder) == []
    # T + 1 rows, T domains and the general one, nothing missing
    assert found.loss("naive_lora").shape == (1, 4, 3)
    assert found.general("frozen").shape == (1, 4)
    # naive learned something, and FROZEN's earlier domains are where they were, to the bit
    losses = found.loss("frozen")[0]
    assert (losses[0] > losses.diagonal(offset=-1)).all()
    assert (losses[1:, 0] == losses[1, 0]).all()


@pytest.mark.parametrize("dtype", ["fp32", "nf4"])
def test_twice_with_two_jobs_and_without_sharing_the_facts_are_equal(run, dtype):
    here = Path(methods.__file__).parent  # without what is plugged in
    names = sorted(p.stem for p in here.iterdir() if p.stem.isidentifier() and p.stem[0] != "_")
    modules = {name: registry.load("method", name) for name in names}
    fits = {n: m for n, m in modules.items() if dtype == "fp32" or not m.METHOD.moves_base}
    every = {name: asdict(module.EXAMPLE) for name, module in fits.items()}
    base = {"dtype": dtype}
    first, _ = run("first", jobs=2, base=base, methods=every)
    alone, _ = run("alone", share=False, base=base, methods=every)
    assert {record.state for record in first.cells} == {"done"}
    assert all(check.passed for check in checks(first))
    assert same_facts(first.folder, alone.folder) == []
    adapters = [sorted(p.name for p in s.folder.path.glob("adapters/*")) for s in (first, alone)]
    assert adapters[0] == adapters[1]
    # and sharing did happen in one and not in the other
    assert {"naive_lora", "crma", "o_lora"} <= every.keys()
    shared = [r.shared for r in first.runs("naive_lora")[0].of(StepRow) if r.phase == 0]
    assert shared == ["shared/first-river-s0"] * 4
    assert not any(r.shared for cell in alone.cells for r in (*cell.of(StepRow), *cell.of(EvalRow)))
    assert not (alone.folder.path / "shared").exists()


def test_shared_work_is_charged_in_full(whole):
    found = whole(*TINY)
    phases = [record.of(PhaseRow)[0] for record in found.cells]
    assert {phase.tokens_trained for phase in phases} == {256}
    assert all(phase.seconds > 0 for phase in phases)


def test_a_second_run_trains_nothing(whole, run):
    first = whole(*TINY)
    before = {p: p.read_bytes() for p in first.folder.path.rglob("ledger.jsonl")}
    _, said = run()
    assert said == {}
    assert {p: p.read_bytes() for p in first.folder.path.rglob("ledger.jsonl")} == before


def test_the_order_of_domains_changes_neither_batches_nor_first_bytes(run):
    found, _ = run(
        orders=[["river", "oven", "clock"], ["clock", "oven", "river"]],
        methods={"naive_lora": {}},
    )
    one, other = found.runs("naive_lora", 0)[0], found.runs("naive_lora", 1)[0]
    batches = [{r.batch for r in c.of(StepRow) if r.phase == i} for c, i in ((one, 2), (other, 0))]
    assert batches[0] == batches[1]
    assert one.head.stream != other.head.stream
    assert found.orders == [["river", "oven", "clock"], ["clock", "oven", "river"]]


CRMA = {
    "frozen": {},
    "live": {"method": "crma", "preset": "strong"},
    "snapshot": {"method": "crma", "preset": "strong", "policy": "snapshot"},
    "first": {"method": "crma", "preset": "strong", "policy": "freeze_after_first"},
    "placebo": {"method": "crma", "preset": "strong", "control": "identity"},
}


def test_a_method_under_several_settings_has_the_same_facts_however_it_runs(run):
    first, said = run("first", jobs=2, methods=CRMA)
    assert set(said.values()) == {""}
    assert {check.name for check in checks(first) if not check.passed} == set()
    assert verify(first.folder) == []
    alone, _ = run("alone", share=False, methods=CRMA)
    assert same_facts(first.folder, alone.folder) == []
    assert [first.runs(name)[0].head.runs for name in ("live", "frozen")] == ["crma", None]
    # the placebo is FROZEN, in losses and adapters
    assert (first.loss("placebo") == first.loss("frozen")).all()
    adapters = [
        [set(phase.adapters.values()) for phase in first.phases(name)[0]]
        for name in ("placebo", "frozen")
    ]
    assert adapters[0] == adapters[1]
    # every domain stays where it was where its structure does
    for name, still in (("live", False), ("snapshot", True), ("first", True)):
        losses = first.loss(name)[0]
        assert (losses[1:, 0] == losses[1, 0]).all() == still
    # the structure itself is kept beside the adapters, and its loss is a failure
    (place,) = set(first.phases("live")[0][-1].structures.values())
    first.folder.structure(place).unlink()
    assert any("is missing" in words for words in verify(first.folder))


MORE = CRMA | {"whole": {"method": "full_finetune", "rate": 0.1}, "none": {"method": "untrained"}}
BOUNDS = {
    "frozen": {},
    "joint": {},
    "isolated": {},
    "untrained": {},
    "full_finetune": {"rate": 0.1},
}


def test_bounds_come_to_their_end_and_the_instrument_is_sound(run):
    found, said = run(methods=BOUNDS)
    assert set(said.values()) == {""}
    assert {check.name: check.passed for check in checks(found)} == {
        check.name: True for check in checks(found)
    }
    assert found.competitors == ["frozen"]
    assert verify(found.folder) == []
    assert finish(found).exit_code in (0, 1)  # the report can be drawn
    whole = found.folder.report.read_text()
    assert all(name in whole for name in BOUNDS)

    # untrained: row 0 again and again, really measured, and nothing trained
    losses, rows = found.loss("untrained")[0], found.runs("untrained")[0]
    assert (losses == losses[0]).all()
    assert not [row for row in rows.of(EvalRow) if row.shared and row.after >= 0]
    price = {(p.steps, p.tokens_trained, p.trainable) for p in rows.of(PhaseRow)}
    assert price == {(0, 0, 0)}

    # isolated: the first domain is FROZEN's to the bit, the others are trained from other bytes
    mine, frozen = (found.phases(name)[0] for name in ("isolated", "frozen"))
    assert mine[0].adapters == frozen[0].adapters
    assert mine[1].adapters["domain_oven"] != frozen[1].adapters["domain_oven"]

    # full_finetune: each phase begins from what the last one left, and all of it is on disk
    phases = found.phases("full_finetune")[0]
    assert phases[0].base_before == found.runs("frozen")[0].head.base
    assert [p.base_before for p in phases[1:]] == [p.base_after for p in phases[:-1]]
    assert len({p.base_after for p in phases}) == 3
    sizes = [sum(t.nbytes for t in safetensors(found, p).values()) for p in phases]
    assert sizes == [p.stored_bytes for p in phases]
    assert all(p.stored_bytes == 4 * p.trainable and not p.adapters for p in phases)
    losses = found.loss("full_finetune")[0]
    assert (losses[0] > losses.diagonal(offset=-1)).all()
    # and what was copied to disk is what was measured: row 0 is everybody's
    assert (losses[0] == found.loss("frozen")[0][0]).all()


def safetensors(found: study.Study, phase: PhaseRow):
    from safetensors.numpy import load_file

    (place,) = phase.structures.values()
    return load_file(found.folder.structure(place))


def test_what_moves_the_base_is_refused_a_quantised_one_before_any_work(run, tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)methods.whole moves the base's own weights.*fp32"):
        run(base={"dtype": "nf4"}, methods={"whole": {"method": "full_finetune", "rate": 0.1}})
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "room", "stopped"),
    [
        # the start, 2 steps, the first phase, 2 steps of the second
        *((name, 4, (1, 2)) for name in ("live", "snapshot", "first", "whole")),
        # the start, and the first phase, which has no steps
        ("none", 2, (1, 0)),
    ],
)
def test_a_structure_goes_on_where_its_cell_was_stopped(
    run, begun, monkeypatch, name, room, stopped
):
    import errno

    from classay import cell as life
    from classay import checkpoint

    methods = {name: MORE[name]}
    straight, _ = run("straight", methods=methods)
    folder, _ = begun("stopped", methods=methods)
    original, places = checkpoint.write_atomically, []

    def four(path, data):
        places.append(path)
        if len(places) > room:
            raise OSError(errno.EIO, "the machine gave out")
        original(path, data)

    monkeypatch.setattr(checkpoint, "write_atomically", four)
    with pytest.raises(life.Interrupted):
        life.run(folder, Cell(name, 0, 0), False, 1, lambda share: None)
    monkeypatch.undo()
    resumed, _ = run("stopped", share=False, methods=methods)
    (place,) = [r for r in read(ledger(resumed, Cell(name, 0, 0))) if isinstance(r, ResumeRow)]
    assert (place.phase, place.step) == stopped
    assert same_facts(straight.folder, resumed.folder) == []
    assert verify(resumed.folder) == []


@pytest.mark.parametrize(
    ("what", "failure", "words"),
    [
        ("nan", "diverged", "phase 1 .*, step 2: lm = nan.*Lower the learning rate"),
        ("kill", "infrastructure", "killed by signal 9"),
        ("bug", "bug", "ValueError: a mistake in the method"),
        ("oom", "oom", "no room for the attention matrix"),
    ],
)
def test_a_cell_that_fails_is_named_and_the_others_finish(run, faults, what, failure, words):
    import re

    found, said = run(methods={"faulty": {"what": what}, "frozen": {}})
    broken, fine = found.cells
    assert (broken.state, fine.state) == ("failed", "done")
    assert broken.end.failure == failure
    assert re.search(words, broken.end.error, re.DOTALL)
    assert re.search(words, said["faulty-o0-s0"], re.DOTALL)
    # nothing recorded is lost: the whole first phase stands, and the chain holds
    steps = [(row.phase, row.step) for row in broken.of(StepRow)]
    assert steps[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert verify(found.folder) == []
    if what == "nan":
        assert steps[4:] == [(1, 0), (1, 1)]  # up to the step before, checkpoint or not


def test_a_failed_cell_is_run_again_under_the_same_seed_and_kept(run, faults, tmp_path):
    once = {"what": "kill", "once": str(tmp_path / "happened")}
    found, _ = run(methods={"faulty": once})
    assert found.cells[0].state == "failed"
    options = Options(Path(), tmp_path / "runs")
    assert runner.retry(found.folder) == ["faulty-o0-s0"]
    runner.execute(found.folder, options, lambda n, d: None, lambda n, s: None)
    manifest.write(found.folder)
    again = study.load(found.folder.path)
    assert again.cells[0].state == "done"
    assert again.cells[0].head.attempt == 2
    kept = read(found.folder.path / "failed" / "faulty-o0-s0-1" / "ledger.jsonl")
    assert kept[-1].status == "failed"
    assert verify(found.folder) == []


def test_a_full_disk_stops_the_cell_and_it_goes_on_when_there_is_room(
    run, begun, whole, monkeypatch
):
    import errno

    from classay import cell as life
    from classay import checkpoint

    found = whole("naive_lora", out="straight")
    suite_folder, _ = begun("full", methods={"naive_lora": {}})
    cell = Cell("naive_lora", 0, 0)
    writes = []

    def full(path, data):
        writes.append(path)
        if len(writes) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)

    original = checkpoint.write_atomically
    monkeypatch.setattr(checkpoint, "write_atomically", full)
    with pytest.raises(life.Interrupted, match=r"(?s)the disk refused.*Free some space"):
        life.run(suite_folder, cell, False, 1, lambda share: None)
    monkeypatch.undo()
    assert runner.state(suite_folder, cell)[0] == "running"
    recorded = read(suite_folder.cell(cell) / "ledger.jsonl")
    assert len(recorded) > 1
    resumed, said = run("full", share=False, methods={"naive_lora": {}})
    assert said["naive_lora-o0-s0"] == ""
    assert same_facts(found.folder, resumed.folder) == []
    now = [r for r in read(ledger(resumed, cell)) if not isinstance(r, ResumeRow)]
    assert [r.fact() for r in now[: len(recorded)]] == [r.fact() for r in recorded]


def test_the_disk_refusing_a_row_is_no_failure_of_the_cell(begun, monkeypatch):
    import errno

    from classay import cell as life
    from classay import ledger as ledgers

    folder, _ = begun(methods={"naive_lora": {}})
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ledgers.os, "fsync", full)
    with pytest.raises(life.Interrupted, match=r"(?s)the disk refused.*recorded before are whole"):
        life.run(folder, Cell("naive_lora", 0, 0), False, 1, lambda share: None)
    monkeypatch.undo()
    rows = read(folder.cell(Cell("naive_lora", 0, 0)) / "ledger.jsonl")
    assert rows
    assert runner.state(folder, Cell("naive_lora", 0, 0))[0] == "running"


def test_changed_data_is_another_run_and_pinned_data_is_refused(begun, suite_file):
    first, _ = begun(methods={"frozen": {}})
    path = suite_file.parent / "river.jsonl"
    path.write_text(path.read_text().replace("river 3:", "river three:"))
    second, _ = begun(methods={"frozen": {}})
    assert first.path != second.path
    stream = yaml.safe_load(suite_file.read_text())["stream"]
    stream["domains"][0]["source"]["sha256"] = "0" * 64
    with pytest.raises(StreamError, match=r"(?s)river\.jsonl has sha256 .*written for 0000"):
        begun(methods={"frozen": {}}, stream=stream)


def test_a_row_changed_between_two_runs_is_refused(whole):
    found = whole("naive_lora", "frozen")
    path = ledger(found, Cell("naive_lora", 0, 0))
    path.write_bytes(path.read_bytes().replace(b'"lr":0.02', b'"lr":0.03', 1))
    with pytest.raises(LedgerError, match=r"ledger\.jsonl, row \d+ does not follow"):
        study.load(found.folder.path)
    assert any("row" in sentence for sentence in verify(found.folder))


def test_a_run_begun_by_other_code_is_not_gone_on_with(begun, monkeypatch):
    begun(methods={"frozen": {}})
    monkeypatch.setattr(circumstances, "code", lambda: "f" * 64)
    with pytest.raises(ConfigError, match=r"(?s)another program.*is ffffffffffff.*--out"):
        begun(methods={"frozen": {}})


def test_a_run_begun_with_other_libraries_is_not_gone_on_with(begun, monkeypatch):
    begun(methods={"frozen": {}})
    versions = circumstances.versions() | {"torch": "0.1"}
    monkeypatch.setattr(circumstances, "versions", lambda: versions)
    with pytest.raises(ConfigError, match=r"torch was .*, is 0\.1"):
        begun(methods={"frozen": {}})


def test_general_text_needs_no_train_records(run, suite_file):
    path = suite_file.parent / "street.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"split": "train"' not in line]
    path.write_text("\n".join(lines) + "\n")
    found, _ = run(methods={"frozen": {}})
    assert found.general("frozen").shape == (1, 4)


def test_settings_are_refused_before_any_work(run, tmp_path):
    with pytest.raises(ConfigError, match=r"methods\.frozen has the settings \['rank'\]"):
        run(methods={"frozen": {"rank": 3}})
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("targets", [["nosuch"], ["q_proj", "embed_tokens"]])
def test_targets_that_are_no_linear_maps_of_the_base_are_refused_before_any_work(
    run, tmp_path, targets
):
    with pytest.raises(ConfigError, match=r"adapter\.targets has .*linear modules were needed"):
        run(adapter={"rank": 2, "targets": targets})
    assert not list((tmp_path / "runs").glob("*/run.json"))


def test_frozen_is_drawn_again_on_the_same_batches(run):
    plan = {"margin": 5.0, "noise_draws": 1}
    methods = {"naive_lora": {}, "frozen": {}}
    found, said = run("one", statistics=plan, methods=methods)
    assert set(said.values()) == {""}
    again, own = redrawn(found)
    assert [record.cell.name for record in again] == ["frozen-o0-s0-d1"]
    assert again[0].head.stream == own[0].head.stream
    batches = [[row.batch for row in record.of(StepRow)] for record in (again[0], own[0])]
    assert batches[0] == batches[1]
    for mine, theirs in zip(again[0].of(PhaseRow), own[0].of(PhaseRow), strict=True):
        assert not set(mine.adapters.values()) & set(theirs.adapters.values())
    # it was trained from its first step on, and shares only what nothing is drawn for
    assert not any(row.shared for row in again[0].of(StepRow))
    noise = floors(found)
    assert all(0 < abs(moved) < 1 for moved in noise["Loss at the end"].draws)
    drift = noise["Drift, prior domains, vs just learned"]
    assert (drift.draws, drift.fixed) == ((), True)  # FROZEN's is 0, whatever is drawn
    plans = {row.domain: row.plan for row in found.check("layout-frozen-o0-s0")[:-1]}
    assert plans.keys() == {"river", "oven", "clock"}
    assert all(own[0].evaluation(2, d).plan != plan for d, plan in plans.items())
    assert all(abs(moved) < 1e-5 for moved in noise["Loss at the end"].layouts)
    second, _ = run("two", jobs=2, share=False, statistics=plan, methods=methods)
    assert same_facts(found.folder, second.folder) == []
    assert verify(found.folder) == []


@pytest.mark.parametrize("dtype", ["bf16", "nf4", "nf4_bf16"])
def test_every_number_format_obeys_the_same_laws(run, dtype):
    base = {"dtype": dtype}
    found, _ = run("one", base=base, methods={"naive_lora": {}, "frozen": {}})
    again, _ = run("two", jobs=2, share=False, base=base, methods={"naive_lora": {}, "frozen": {}})
    assert same_facts(found.folder, again.folder) == []
    assert all(check.passed for check in checks(found))
    assert {record.head.dtype for record in found.cells} == {dtype}


def test_dropout_acts_in_training_only_and_is_reproducible(run, whole):
    adapter = {"rank": 2, "alpha": 4, "dropout": 0.3}
    methods = {"naive_lora": {}, "frozen": {}}
    plain = whole("naive_lora", "frozen", out="plain")
    first, _ = run("one", adapter=adapter, methods=methods)
    again, _ = run("two", share=False, adapter=adapter, methods=methods)
    assert same_facts(first.folder, again.folder) == []
    # it acts: with B = 0 the first loss is the base's, from the second step on masks matter
    terms = [[r.terms["lm"] for r in s.cells[0].of(StepRow)] for s in (plain, first)]
    assert terms[0][0] == terms[1][0]
    assert terms[0][1] != terms[1][1]
    # and not in evaluation: FROZEN, measured again and again, gives the same bits
    assert all(check.passed for check in checks(first))


def test_a_torn_last_line_is_mended_and_the_cell_goes_on(run, whole):
    straight, torn = (whole("naive_lora", out=out) for out in ("straight", "torn"))
    cell = Cell("naive_lora", 0, 0)
    path = ledger(torn, cell)
    lines = path.read_bytes().splitlines(keepends=True)
    shutil.rmtree(torn.folder.path / "cells")
    # a cell that was cut off in its very first row
    path.parent.mkdir(parents=True)
    path.write_bytes(lines[0][:100])
    assert runner.state(torn.folder, cell)[0] == "running"
    again, _ = run("torn", share=False, methods={"naive_lora": {}})
    assert same_facts(straight.folder, again.folder) == []


def test_a_cell_that_ended_while_it_was_waited_for_is_left_as_it_is(whole):
    from classay import cell as life

    found = whole("naive_lora")
    cell = Cell("naive_lora", 0, 0)
    before = ledger(found, cell).read_bytes()
    # a run that was planned before the end was written opens the ledger after it
    life.run(found.folder, cell, True, 1, lambda share: None)
    assert ledger(found, cell).read_bytes() == before


def test_without_its_checkpoint_a_cell_does_not_begin_twice(run, whole):
    found = whole("naive_lora")
    path = ledger(found, Cell("naive_lora", 0, 0))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))
    again, said = run(methods={"naive_lora": {}})
    assert "from which the cell could go on, is gone" in said["naive_lora-o0-s0"]
    assert again.cells[0].state == "running"
    assert len(read(path)) == len(lines) - 3


def test_a_base_that_moved_is_found_where_it_is_now(begun, suite_file, tiny_base, tmp_path):
    first, _ = begun(methods={"frozen": {}})
    moved = tmp_path / "moved"
    shutil.copytree(tiny_base, moved)
    suite = load(suite_file.with_name("changed.yaml"), {"base.path": str(moved)})
    folder = prepare(suite, Options(suite_file.parent, tmp_path / "runs"))
    assert folder.path == first.path
    assert folder.read()[0]["base"] == str(moved)


@pytest.mark.parametrize(
    ("device", "words"), [("gpu", "cpu, cuda or cuda:N was needed"), ("cuda:99", "sees")]
)
def test_a_device_that_is_not_there_is_refused_before_any_work(suite_file, tmp_path, device, words):
    suite = load(suite_file, {"base.path": "nowhere"})
    with pytest.raises(ConfigError, match=words):
        prepare(suite, Options(suite_file.parent, tmp_path / "runs", device))
    assert not (tmp_path / "runs").exists()


def test_another_plug_in_under_the_same_name_is_another_run(begun, faults, tmp_path):

    methods = {"faulty": {"what": "none"}}
    first, _ = begun(methods=methods)
    module = tmp_path / "site" / "classay_faults.py"
    module.write_text(module.read_text() + "\nMARK = 1\n")
    sys.modules.pop("classay_faults", None)
    second, _ = begun(methods=methods)
    assert first.path != second.path


def test_a_check_that_dies_is_a_failure_of_the_instrument(run, whole):
    found = whole("frozen")
    shutil.rmtree(found.folder.path / "checks")
    for adapter in found.folder.path.glob("adapters/*/adapter_model.safetensors"):
        adapter.unlink()
    again, said = run(methods={"frozen": {}})
    assert said["check frozen-o0-s0"]
    passed = {check.name: check.passed for check in checks(again)}
    assert passed["The last domain, again, from disk"] is False
    # and it is run again like a failed cell, not skipped for ever
    assert runner.retry(again.folder) == ["fresh-frozen-o0-s0"]
    assert (again.folder.path / "failed" / "fresh-frozen-o0-s0-1" / "ledger.jsonl").exists()
