"""What is said of a run that was recorded: `retry`, `status` and `verify`, and their exit codes."""

import fcntl
import json
from pathlib import Path

import pytest

from classay.layout import RunFolder
from classay.provenance import manifest

pytestmark = pytest.mark.torchless


def cut(run):
    """Cut the last row off a ledger."""
    path = run / "cells" / "joint-o0-s0" / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    return f"cells/joint-o0-s0/ledger.jsonl, row {len(lines) - 1}"


def test_a_finished_run_is_judged_anew_and_accepted(run, command, here):
    code, out, err = command("retry", run, "--json")
    said = json.loads(out)
    assert (code, err) == (0, "")
    assert said["sound"] is True
    verdicts = {j["method"]: j["verdict"] for j in said["judgements"]}
    assert verdicts == {"naive_lora": "contradicted", "frozen": "supported"}
    assert said["judgements"][0]["interval"]["estimate"] == 12.0
    assert len(said["checks"]) == 7
    assert set(said["cells"].values()) == {"done"}
    assert Path(said["report"]).exists()
    assert command("verify", run)[0] == 0


def test_a_finished_run_is_told_to_a_person(run, command, here):
    code, out, _ = command("retry", run)
    assert code == 0
    assert "set aside: nothing" in out
    assert "passed   FROZEN does not drift: 9 re-evaluations" in out
    assert "contradicted: [7.03, 16.97] % lies above 5" in out
    assert "+12.00, seeds +10.00 to +14.00" in out
    assert "a bound, not judged" in out
    assert f"report   {run / 'report.html'}" in out


def test_what_must_retain_and_does_not_is_exit_code_1(record, tmp_path, command, here):
    path = record(tmp_path / "run", suite={"statistics": {"accept": ["naive_lora"]}})
    assert command("retry", path, "--json")[0] == 1


def test_an_instrument_that_failed_is_exit_code_1(run, command, here, change_about):
    change_about(run, lambda about: about["overlap"][0].update(exact=["river-41"]))
    code, out, _ = command("retry", run, "--json")
    assert code == 1
    assert json.loads(out)["sound"] is False


def test_an_intact_run_verifies(run, command, here):
    code, out, err = command("verify", run)
    assert (code, err) == (0, "")
    assert "every chain and digest holds" in out
    assert json.loads(command("verify", run, "--json")[1]) == {
        "verified": True,
        "found": [],
        "unfinished": [],
        "report_compared": None,
    }
    command("report", run)
    command("retry", run)
    assert json.loads(command("verify", run, "--json")[1])["report_compared"] is True


def test_a_tampered_run_is_exit_code_4_with_the_row_named(run, command):
    row = cut(run)
    code, out, err = command("verify", run)
    assert code == 4
    assert row in err
    assert "does NOT hold" in out


def test_a_tampered_run_is_named_to_a_machine(run, command):
    row = cut(run)
    code, out, err = command("verify", run, "--json")
    said = json.loads(out)
    assert (code, err, said["verified"]) == (4, "", False)
    assert any(row in sentence for sentence in said["found"])


def test_of_a_damaged_ledger_nothing_else_that_is_wrong_is_kept_back(record, tmp_path, command):
    path = record(tmp_path / "run", states={"joint-o0-s1": "failed"})
    for cell, last in (("joint-o0-s0", b"no row\n"), ("frozen-o0-s0", b"{}\n")):
        with (path / "cells" / cell / "ledger.jsonl").open("ab") as file:
            file.write(last)
    code, out, err = command("verify", path)
    assert code == 4
    assert err.count("is not a row of a ledger") == 2
    assert "cells/joint-o0-s1/ledger.jsonl failed; `classay retry" in out


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_ledger_that_does_not_chain_stops_what_reads_it(run, command, verb):
    path = run / "cells" / "joint-o0-s0" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"lr":0.02', b'"lr":0.03', 1))
    code, out, err = command(verb, run)
    assert (code, out) == (4, "")
    assert err.startswith("classay: ")
    assert "does not follow from the rows before it" in err


def test_a_run_without_its_manifest_cannot_be_verified(run, command):
    (run / "manifest.json").unlink()
    code, _, err = command("verify", run)
    assert code == 4
    assert "nobody can say whether" in err


@pytest.mark.parametrize("verb", ["status", "verify", "report", "retry"])
def test_a_damaged_run_json_is_exit_code_4(run, command, verb):
    (run / "run.json").write_text("{")
    code, _, err = command(verb, run)
    assert code == 4
    assert "run.json" in err


def test_a_run_that_differs_from_another_is_exit_code_4(good, run, command, rewrite):
    rewrite(
        run,
        "cells/joint-o0-s0",
        lambda row: row.model_copy(update={"lr": 0.5}) if row.kind == "step" else row,
    )
    code, _, err = command("verify", good, "--against", run)
    assert code == 4
    assert err.startswith("joint-o0-s0: fact ")


def test_another_run_that_is_no_run_is_a_mistake_and_not_a_breach(good, tmp_path, command):
    code, _, err = command("verify", good, "--against", tmp_path / "typo")
    assert code == 2
    assert "has no run.json" in err


@pytest.mark.parametrize(
    ("state", "why"),
    [("failed", "failed"), ("pending", "has not begun"), ("running", "has not ended")],
)
def test_a_run_with_a_cell_missing_verifies_and_is_not_finished(
    record, tmp_path, command, state, why
):
    path = record(tmp_path / "run", states={"joint-o0-s0": state})
    manifest.write(RunFolder(path))
    code, out, _ = command("verify", path)
    assert code == 3
    assert "every chain and digest holds" in out
    assert f"cells/joint-o0-s0/ledger.jsonl {why}; `classay retry" in out
    said = json.loads(command("verify", path, "--json")[1])
    assert (said["verified"], said["unfinished"]) == (True, ["cells/joint-o0-s0/ledger.jsonl"])


def test_a_retry_that_is_refused_has_moved_nothing(record, tmp_path, command, here):
    path = record(tmp_path / "run", states={"joint-o0-s0": "failed"})
    with (path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = command("retry", path)
    assert code == 2
    assert "is being run by another process" in err
    assert (path / "cells" / "joint-o0-s0").is_dir()
    assert not (path / "failed").exists()


@pytest.mark.parametrize("left", [b"", b'{"half'])
def test_a_check_that_was_killed_before_its_first_row_stops_nothing(run, command, here, left):
    ledger = next(run.glob("checks/fresh-*/ledger.jsonl"))
    ledger.write_bytes(left)
    assert command("report", run)[0] == 0
    assert command("status", run)[0] == 0
    code, out, err = command("retry", run)
    assert (code, err) == (1, "")  # one cell was not evaluated again
    assert "set aside: nothing" in out


def test_of_a_finished_run_every_cell_is_done(good, command):
    code, out, _ = command("status", good, "--json")
    assert code == 0
    assert json.loads(out)["joint-o0-s2"] == {"state": "done", "failure": None, "error": None}


def test_missing_cells_are_exit_code_3(record, tmp_path, command):
    path = record(tmp_path / "run", states={"joint-o0-s2": "pending"})
    code, out, err = command("status", path)
    assert (code, err) == (3, "")
    assert "pending" in out


def test_every_state_is_told(record, tmp_path, command):
    states = {"naive_lora-o0-s0": "failed", "joint-o0-s0": "pending", "frozen-o0-s2": "running"}
    path = record(tmp_path / "run", states=states)
    code, out, _ = command("status", path, "--json")
    said = json.loads(out)
    assert code == 3
    assert {name: cell["state"] for name, cell in said.items() if cell["state"] != "done"} == states
    assert said["naive_lora-o0-s0"] == {
        "state": "failed",
        "failure": "diverged",
        "error": "phase 1 (oven), step 0: lm = nan",
    }


@pytest.mark.parametrize(
    "error",
    [
        "[enforce fail at alloc_cpu.cpp:117] no memory",
        "cannot write [/tmp/full] at all",
        "a :key: is missing",
    ],
)
def test_what_a_cell_said_is_printed_letter_by_letter(record, rewrite, tmp_path, command, error):
    """Square brackets and colons are not colours and pictures."""
    path = record(tmp_path / "run", states={"joint-o0-s1": "failed"})
    rewrite(
        path,
        "cells/joint-o0-s1",
        lambda row: row.model_copy(update={"error": error}) if row.kind == "end" else row,
    )
    code, out, err = command("status", path)
    assert (code, err) == (3, "")
    assert error in out


def test_a_cell_that_died_without_a_word_is_told(record, tmp_path, command):
    path = record(tmp_path / "run", states={"joint-o0-s1": "pending"})
    (path / "cells" / "joint-o0-s1").mkdir()
    (path / "cells" / "joint-o0-s1" / "ledger.jsonl").touch()
    code, out, _ = command("status", path, "--json")
    assert (code, json.loads(out)["joint-o0-s1"]["state"]) == (3, "running")


@pytest.mark.parametrize("verb", ["status", "verify", "report", "retry"])
def test_a_folder_that_is_no_run_is_exit_code_2(command, tmp_path, verb):
    code, out, err = command(verb, tmp_path)
    assert (code, out) == (2, "")
    assert "has no run.json, so it is not the folder of a run" in err


def test_an_interrupted_run_is_whole_but_not_finished(record, tmp_path, command):
    path = record(tmp_path / "run", states={"frozen-o0-s2": "running"})
    code, out, err = command("verify", path)
    assert (code, err) == (3, "")
    assert "every chain and digest holds" in out
    assert "cells/frozen-o0-s2/ledger.jsonl has not ended" in out
