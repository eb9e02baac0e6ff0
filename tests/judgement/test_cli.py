"""The command line: exit codes, JSON for machines, and no torch right of the ledger."""

import fcntl
import json
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from classay import __version__, cli, methods, runner
from classay.claims.finding import honest
from classay.errors import ClassayError, ConfigError, LedgerError
from classay.layout import RunFolder
from classay.provenance import manifest

WITHOUT_TORCH = """
import contextlib, importlib.abc, io, json, sys

HEAVY = {"torch", "transformers", "peft", "datasets", "tokenizers"}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from classay.cli import main

said = []
for words in json.load(sys.stdin):
    sys.argv = ["classay", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main()
        except SystemExit as end:
            code = end.code or 0
    said.append([code, out.getvalue(), err.getvalue()])
json.dump(said, sys.stdout)
"""


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words):
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["classay", *map(str, words)])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def here(monkeypatch):
    """A finished run can be judged in this process: no environment is set, no report drawn."""
    monkeypatch.setattr(runner, "environment", lambda online: None)
    monkeypatch.setattr("classay.reports.render.render", lambda *parts: "<p>drawn")


def process(*words):
    """Call it as a user does."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "classay", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def mend(suite_file):
    """The tiny suite with keys changed, as a file."""

    def change(**keys):
        raw = yaml.safe_load(suite_file.read_text()) | keys
        suite_file.write_text(yaml.safe_dump(raw))
        return suite_file

    return change


def cut(run):
    """Cut the last row off a ledger."""
    path = run / "cells" / "joint-o0-s0" / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    return f"cells/joint-o0-s0/ledger.jsonl, row {len(lines) - 1}"


def test_everything_right_of_the_ledger_works_without_torch(run):
    """One interpreter in which torch cannot be imported, and every such verb in turn."""
    verbs = [
        ["list", "methods"],
        ["list", "metrics", "--json"],
        ["list", "sections"],
        ["list", "suites"],
        ["validate", "demonstration", "--json"],
        ["plan", "demonstration", "--json"],
        ["plan", "demonstration"],
        ["validate", "quickstart", "--json"],
        ["plan", "quickstart", "--json"],
        ["status", str(run)],
        ["verify", str(run)],
        ["report", str(run)],
        ["verify", str(run), "--against", str(run)],
        ["retry", str(run), "--json"],
        ["doctor"],
        ["doctor", "--json"],
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_TORCH],
        input=json.dumps(verbs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    said = json.loads(done.stdout)
    codes = {" ".join(verb[:2]): code for verb, (code, _, _) in zip(verbs, said, strict=True)}
    # the doctor says that torch is needed
    assert {verb for verb, code in codes.items() if code} == {"doctor", "doctor --json"}
    assert [err for _, _, err in said] == [""] * len(verbs)
    there = {path.stem for path in Path(*methods.__path__).iterdir() if path.stem[0] not in "._"}
    assert said[0][1].split() == sorted(there)
    assert {"crma", "ewc", "frozen", "naive_lora"} <= there
    assert "torch is not installed" in said[-2][1]


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


def test_a_tampered_run_is_exit_code_4_with_the_row_named(run):
    row = cut(run)
    done = process("verify", run)
    assert done.returncode == 4
    assert row in done.stderr
    assert "does NOT hold" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_tampered_run_is_named_to_a_machine(run, command):
    row = cut(run)
    code, out, err = command("verify", run, "--json")
    said = json.loads(out)
    assert (code, err, said["verified"]) == (4, "", False)
    assert any(row in sentence for sentence in said["found"])


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


def test_a_report_is_written_into_the_run_and_verified_with_it(run, command):
    code, out, err = command("report", run)
    assert (code, out.strip(), err) == (0, str(run / "report.html"), "")
    html = (run / "report.html").read_text("utf-8")
    assert html.startswith("<!doctype html>") or html.startswith("<!DOCTYPE html>")
    assert "A run written by hand" in html
    assert "16.97" in html
    assert command("verify", run)[0] == 0


def test_a_report_that_was_edited_is_named(run, command):
    (run / "report.html").write_text("<p>[0.70, 1.70] %, says somebody")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


def test_a_report_of_another_version_is_known_by_its_digest(run, command, here, monkeypatch):
    command("retry", run)
    monkeypatch.setattr("classay.reports.render.render", lambda *parts: "<p>drawn otherwise")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err
    monkeypatch.setattr("classay.ending.drawing", lambda: {"matplotlib": "4.0"})
    code, out, err = command("verify", run)
    assert (code, err) == (0, "")
    assert "other versions drew it than are installed here, so it could not be drawn again" in out
    assert json.loads(command("verify", run, "--json")[1])["report_compared"] is False
    (run / "report.html").write_text("<p>mine")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


def test_a_forged_report_is_named_though_its_digest_was_put_into_the_manifest(run, command):
    command("report", run)
    report, kept = run / "report.html", run / "manifest.json"
    forged = report.read_text("utf-8").replace("retain", "RETAIN")
    assert forged != report.read_text("utf-8")
    report.write_text(forged, "utf-8")
    content = json.loads(kept.read_text("utf-8"))
    kept.write_text(json.dumps(content | {"report": sha256(forged.encode()).hexdigest()}), "utf-8")
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is not what these ledgers give" in err


def test_another_profile_does_not_take_the_place_of_the_runs_report(run, command, tmp_path):
    command("report", run)
    code, _, err = command("report", run, "--profile", "comparison")
    assert code == 2
    assert "the profile comparison was asked for, and the report of this run has the pro" in err
    assert command("report", run, "--profile", "run")[0] == 0
    there = tmp_path / "there.html"
    assert command("report", run, "--profile", "comparison", "--output", there)[0] == 0
    assert command("verify", run)[0] == 0


@pytest.mark.parametrize("profile", ["printed", "logged"])
def test_a_profile_of_something_else_is_refused(run, command, profile):
    code, _, err = command("report", run, "--profile", profile)
    assert code == 2
    assert f"no profile is called {profile!r}" in err
    assert "known: comparison, run, search" in err


def test_a_report_goes_where_it_is_told_and_is_the_same_there(run, command, tmp_path):
    command("report", run)
    code, out, _ = command("report", run, "--output", tmp_path / "there" / "r.html")
    assert (code, out.strip()) == (0, str(tmp_path / "there" / "r.html"))
    there = (tmp_path / "there" / "r.html").read_bytes()
    assert there == (run / "report.html").read_bytes()


def test_a_report_of_an_incomplete_run_is_written(record, tmp_path, command):
    states = {"naive_lora-o0-s0": "failed", "joint-o0-s0": "pending", "frozen-o0-s2": "running"}
    path = record(tmp_path / "run", states=states)
    assert command("report", path)[0] == 0
    assert "incomplete" in (path / "report.html").read_text("utf-8")
    assert command("status", path)[0] == 3


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


def test_an_unknown_profile_is_exit_code_2(run, command):
    code, _, err = command("report", run, "--profile", "runn")
    assert code == 2
    assert "no profile is called 'runn'. Did you mean 'run'?" in err


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


def test_an_unknown_key_is_exit_code_2_and_named(mend):
    done = process("validate", mend(seedz=[1]))
    assert (done.returncode, done.stdout) == (2, "")
    assert "seedz: no such key" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_suite_is_exit_code_2_with_those_that_are_known():
    done = process("validate", "demonstratoin")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'demonstration'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_flag_is_exit_code_2(good):
    done = process("status", good, "--quick")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--quick" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "things"], "no list is called 'things'"),
        (["status"], "Missing argument"),
        (["conquer"], "No such command 'conquer'"),
        (["plan", "absent.yaml"], "absent.yaml cannot be read"),
        (["plan", "demonstration", "--seeds", "0,x"], "seeds.1"),
        (["plan", "demonstration", "--seeds", "1,1"], "repeat"),
        (["plan", "demonstration", "--order", "medical,law"], "an order needs each of"),
        (["plan", "demonstration", "--methods", "frozzen"], "Did you mean 'frozen'?"),
        (["plan", "demonstration", "--base", "/nowhere"], "/nowhere is not a folder"),
        (["plan", "demonstration", "--gflops", "0"], "--gflops"),
    ],
)
def test_wrong_input_is_exit_code_2_and_says_what_is_wrong(command, words, said):
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"seeds": []}, "seeds"),
        ({"methods": {"naive_lora": {"strength": 1}}, "statistics": {}}, "strength"),
        ({"methods": {"frozzen": {}}, "statistics": {}}, "Did you mean 'frozen'?"),
        ({"statistics": {"accept": ["ewc"]}}, "statistics.accept names ['ewc']"),
        ({"statistics": {"retention": "drift_prior_vs_pwn"}}, "drift_prior_vs_own"),
        # higher is better, and it reads accuracies: a loss cannot be judged by it
        ({"statistics": {"retention": "average_accuracy"}}, "average_accuracy"),
        ({"statistics": {"retention": "backward_transfer"}}, "backward_transfer"),
    ],
)
def test_a_suite_that_cannot_be_judged_is_refused_before_any_work(mend, command, keys, said):
    code, out, err = command("validate", mend(**keys))
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("keys", "flags"),
    [
        ({"base": None}, ["--base", "."]),
        ({"base": "models/small"}, ["--base", "."]),
        ({"methods": ["frozen"]}, ["--methods", "frozen"]),
        ({"statistics": ["accept"]}, ["--methods", "frozen"]),
    ],
)
def test_a_flag_over_a_key_of_the_wrong_kind_is_no_traceback(mend, command, keys, flags):
    code, _, err = command("plan", mend(**keys), *flags)
    assert code == 2
    assert err.startswith("classay: ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seeds", ""], "seeds.0: Input should be a valid integer"),  # an unset variable, quoted
        (["--methods", ""], "methods..[key]: String should match pattern"),
        (["--methods", "frozen,frozen"], "--methods names 'frozen' twice"),
    ],
)
def test_a_flag_that_says_nothing_or_something_twice_is_refused(suite_file, command, flags, said):
    code, out, err = command("plan", suite_file, *flags)
    assert (code, out) == (2, "")
    assert said in err


def test_a_suite_and_its_data_are_validated(suite_file, command):
    code, out, err = command("validate", suite_file, "--data", suite_file.parent, "--json")
    assert (code, err) == (0, "")
    # four domains of 40 train records
    assert json.loads(out)["checked"] == ["the suite", "3 methods", "120 train records"]


def test_data_that_leaks_is_refused(suite_file, command):
    path = suite_file.parent / "river.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records[45]["text"] = records[3]["text"]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, _, err = command("validate", suite_file, "--data", suite_file.parent)
    assert code == 2
    assert "river-45" in err
    assert "A hold-out must be unseen" in err


def test_a_plan_is_printed_for_a_machine(command):
    code, out, _ = command("plan", "demonstration", "--json", "--seeds", "0", "--methods", "joint")
    said = json.loads(out)
    assert code == 0
    # 15 budgets of 8192 tokens
    assert [(m["method"], m["tokens_trained"]) for m in said["methods"]] == [("joint", 122880)]
    assert (said["cells"], said["hours"], said["detectable"]) == (1, None, None)


def test_a_plan_is_printed_for_a_person(command):
    code, out, _ = command("plan", "demonstration")
    assert code == 0
    assert "joint (bound)" in out
    assert "0.25 paired, 0.1 unpaired" in out
    assert "not known without --base" in out
    assert "4 choices a probe are assumed, 8 in the built-in world" in " ".join(out.split())


@pytest.mark.parametrize("kind", ["methods", "metrics", "sections", "suites"])
def test_lists_are_the_same_for_people_and_machines(command, kind):
    names = json.loads(command("list", kind, "--json")[1])
    assert command("list", kind)[1].split() == names
    assert names == sorted(names)
    assert names


def test_doctor_tells_a_machine_what_a_person_reads(command, without_torch):
    code, out, err = command("doctor", "--json")
    said = {finding["name"]: finding for finding in json.loads(out)}
    assert (code, err) == (1, "")
    assert said["same bits twice"]["remedy"] == "pip install 'classay[run]'"
    assert set(said["python"]) == {"name", "fine", "needed", "found", "remedy"}


def test_the_version_is_printed(command):
    assert command("--version") == (0, f"{__version__}\n", "")


def test_help_comes_before_patience_ends():
    script = Path(sys.executable).with_name("classay")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Usage: classay" in done.stdout
    # its own seconds: other tests run beside this one, and a clock would measure them as well
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (LedgerError, 4), (ClassayError, 1)])
def test_an_error_raised_on_purpose_is_its_message_and_its_code(command, monkeypatch, error, code):
    def refuse(name):
        raise error("found this.\n  Needed that. Do the other.")

    monkeypatch.setattr("classay.registry.suite_path", refuse)
    assert command("plan", "x") == (
        code,
        "",
        "classay: found this.\n  Needed that. Do the other.\n",
    )


def test_an_error_that_nobody_raised_on_purpose_keeps_its_traceback(command, monkeypatch):
    """Hiding it would hide a bug."""

    def broken(name):
        raise ZeroDivisionError

    monkeypatch.setattr("classay.registry.suite_path", broken)
    with pytest.raises(ZeroDivisionError):
        command("plan", "x")


@pytest.fixture
def read(tmp_path):
    """A file that each verb of a page reads: of check a claims file, of recompute a matrix."""
    post, logged = tmp_path / "post.txt", tmp_path / "logged.csv"
    post.write_text("It drifts by 1.95%.")
    logged.write_text("80,,\n84,50,\n60,55,90\n")
    sources = [{"id": "text", "title": "t", "file": "post.txt"}]
    claims = honest({"id": "a", "quote": "1.95%", "value": "1.95"}, sources=sources)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims, allow_unicode=True))
    return {"check": tmp_path / "claims.yaml", "recompute": logged}


PAGES = pytest.mark.parametrize("verb", ["check", "recompute"])


@PAGES
def test_a_page_is_not_written_over_what_is_read(read, tmp_path, command, verb):
    before = read[verb].read_bytes()
    (tmp_path / "link").symlink_to(read[verb])
    for page in (read[verb], tmp_path / "no" / ".." / read[verb].name, tmp_path / "link"):
        (tmp_path / "no").mkdir(exist_ok=True)
        code, out, err = command(verb, read[verb], "--report", page)
        assert (code, out) == (2, "")
        assert f"--report {page} is one of the files that are read ({read[verb]})" in err
        assert "\n  Name another file for the page." in err
    assert read[verb].read_bytes() == before


def test_a_page_is_not_written_over_the_text_that_is_quoted(read, tmp_path, command):
    code, _, err = command("check", read["check"], "--report", tmp_path / "post.txt")
    assert code == 2
    assert "is one of the files that are read" in err
    assert (tmp_path / "post.txt").read_text() == "It drifts by 1.95%."


def test_a_page_is_written_into_a_folder_that_is_read_but_not_over_its_files(
    read, tmp_path, command
):
    folder = read["recompute"].parent
    for _ in range(2):
        assert command("recompute", folder, "--report", folder / "page.html")[0] == 0
    code, _, err = command("recompute", folder, "--report", folder / "logged.csv")
    assert code == 2
    assert f"is one of the files that are read ({folder})" in err
    assert read["recompute"].read_text().startswith("80,,")


@PAGES
def test_a_page_that_is_a_folder_is_refused_before_any_work(
    read, tmp_path, command, monkeypatch, verb
):
    monkeypatch.chdir(tmp_path)
    for page in (tmp_path, ".", "..", "/"):
        code, out, err = command(verb, read[verb], "--report", page)
        assert (code, out) == (2, "")
        assert f"--report {page} is a folder, and a page is a file.\n  Name a file in it." in err


@PAGES
@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("x" * 256, "File name too long"),
        ("post.txt/page.html", "File exists"),
        ("post.txt/there/page.html", "Not a directory"),
    ],
)
def test_a_page_that_cannot_be_a_file_is_no_traceback(read, tmp_path, command, verb, page, says):
    code, out, err = command(verb, read[verb], "--report", tmp_path / page)
    assert (code, out) == (2, "")
    assert f"could not be opened or written ({says}).\n  Give the path of a file" in err


@pytest.mark.parametrize("folder", [".", "there"])
def test_a_folder_in_the_place_of_a_run_s_report_is_named_as_it_was_given(
    run, tmp_path, command, monkeypatch, folder
):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = command("report", run, "--output", folder)
    assert code == 2
    assert f"--output {folder} is a folder, and a page is a file.\n  Name a file in it." in err


def test_a_report_does_not_take_the_place_of_what_a_run_recorded(run, command):
    ledger = next(run.glob("cells/*/ledger.jsonl"))
    recorded = ledger.read_bytes()
    code, _, err = command("report", run, "--output", ledger)
    assert (code, ledger.read_bytes()) == (2, recorded)
    assert f"--output {ledger} is part of the run's record, and it would be written over" in err


def test_an_excerpt_does_not_take_the_place_of_the_report_of_the_run(run, command):
    command("report", run)
    whole = (run / "report.html").read_bytes()
    assert command("report", run, "--output", run / "report.html")[0] == 0
    code, _, err = command(
        "report", run, "--methods", "frozen,joint", "--output", run / "report.html"
    )
    assert (code, (run / "report.html").read_bytes()) == (2, whole)
    assert "is the report of the whole run, and 1 of its methods would not be in it" in err


def test_an_interrupted_run_is_whole_but_not_finished(record, tmp_path, command):
    path = record(tmp_path / "run", states={"frozen-o0-s2": "running"})
    code, out, err = command("verify", path)
    assert (code, err) == (3, "")
    assert "every chain and digest holds" in out
    assert "cells/frozen-o0-s2/ledger.jsonl has not ended" in out


def test_a_report_that_is_gone_is_named(run, command):
    command("report", run)
    command("retry", run)  # judges again and lists the report in the manifest
    (run / "report.html").unlink()
    code, _, err = command("verify", run)
    assert code == 4
    assert "report.html is missing" in err
