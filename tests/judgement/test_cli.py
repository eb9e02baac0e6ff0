"""The command line: exit codes, JSON for machines, and no torch right of the ledger."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from classay import __version__, methods
from classay.errors import ClassayError, ConfigError, LedgerError

pytestmark = pytest.mark.torchless

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
        ({"adapter": {"targets": []}}, "adapter.targets"),
        ({"adapter": {"targets": ["q_proj", ""]}}, "adapter.targets"),
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
    # pip may have left it to the first call to compile what is imported
    subprocess.run([script, "--help"], capture_output=True, check=True)
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
