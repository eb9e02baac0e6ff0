"""A method that was just begun installs, passes its own tests and comes to a sound report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from classay import scaffold
from classay.errors import ConfigError, UnknownName

PLUGIN = Path(__file__).parents[1] / "plugin"
run_extra = pytest.mark.skipif(find_spec("torch") is None, reason="trains, and torch is absent")


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def python(*words, site: Path | None = None):
    """Call Python as a user does whose environment has the packages in ``site`` too."""
    places = [str(site)] if site else []
    places += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, "-P", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
    )


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """The package as the command line writes it."""
    folder = tmp_path_factory.mktemp("begun") / "package"
    done = python("-m", "classay", "new", "method", "throwaway_held", "--into", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def site(begun, tmp_path_factory) -> Path:
    """Where pip installed it; nothing is fetched."""
    place = tmp_path_factory.mktemp("site")
    alone = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = python("-m", "pip", "install", "--quiet", *alone, "--target", place, begun)
    assert done.returncode == 0, done.stderr
    return place


def test_what_is_written_and_what_is_said(tmp_path):
    made = scaffold.write("method", "pulled_back", tmp_path / "mine")
    assert files(tmp_path / "mine").keys() == {
        "pyproject.toml",
        "classay_pulled_back.py",
        "tests/test_pulled_back.py",
        "docs/pulled_back.md",
    }
    assert sorted(made.files) == sorted(p for p in (tmp_path / "mine").rglob("*") if p.is_file())
    assert made.steps[0] == f"cd {tmp_path / 'mine'}"
    assert made.steps[-2:] == ["python -m pytest", "classay list methods"]
    for path in made.files:
        text = path.read_text()
        assert "$" not in text, path
        assert "pulled_back" in text or "PulledBack" in text, path


def test_the_plug_in_that_the_conformance_tests_run_over_is_what_is_written(tmp_path):
    # so that the templates obey every law; in a process where its name is not taken yet
    done = python("-m", "classay", "new", "method", "plugged_in", "--into", tmp_path / "mine")
    assert done.returncode == 0, done.stderr
    for path, text in files(tmp_path / "mine").items():
        assert (PLUGIN / path).read_text() == text, (
            "write it anew: classay new method plugged_in --into tests/plugin"
        )


def test_without_a_folder_it_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scaffold.write("method", "pulled_back").folder == Path("classay_pulled_back")
    assert (tmp_path / "classay_pulled_back" / "pyproject.toml").is_file()


def test_a_folder_with_a_space_is_quoted_in_what_to_run_next(tmp_path):
    made = scaffold.write("method", "pulled_back", tmp_path / "my own")
    assert made.steps[0] == f"cd '{tmp_path / 'my own'}'"


def test_the_command_says_what_to_run_next(tmp_path):
    done = python("-m", "classay", "new", "method", "pulled_back", "--into", tmp_path / "mine")
    assert done.returncode == 0
    assert f"wrote {tmp_path / 'mine' / 'classay_pulled_back.py'}\n" in done.stdout
    assert f"Next:\n  cd {tmp_path / 'mine'}\n  python -m pip install" in done.stdout
    done = python("-m", "classay", "new", "method", "other", "--into", tmp_path / "b", "--json")
    said = json.loads(done.stdout)
    assert len(said["written"]) == 4
    assert said["next"][-1] == "classay list methods"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My_method", "cannot be the name of a method"),
        ("2fast", "cannot be the name of a method"),
        ("_hidden", "cannot be the name of a method"),
        ("ends_", "cannot be the name of a method"),
        ("two__bars", "cannot be the name of a method"),
        ("with-hyphen", "cannot be the name of a method"),
        ("../up", "cannot be the name of a method"),
        ("line\n", "cannot be the name of a method"),
        ("", "cannot be the name of a method"),
        ("a" * 65, "cannot be the name of a method"),
        ("off", "cannot be the name of a method"),  # YAML: false
        ("null", "cannot be the name of a method"),
        ("utils", "has the word 'utils'"),
        ("fisher_helpers", "has the word 'helpers'"),
        ("adapter_manager", "has the word 'manager'"),
        ("base", "has the word 'base'"),
        ("frozen", "a method is called 'frozen' already"),
        ("crma", "a method is called 'crma' already"),
    ],
)
def test_a_name_is_refused_before_anything_is_written(tmp_path, name, words):
    with pytest.raises(ConfigError, match=f"(?s){words}.*\n  (Choose|Name)"):
        scaffold.write("method", name, tmp_path / "mine")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 64, "l2", "basement", "manage"])
def test_a_name_at_the_border_is_taken(tmp_path, name):
    assert len(scaffold.write("method", name, tmp_path / "mine").files) == 4


def test_there_is_a_template_for_methods_only(tmp_path):
    with pytest.raises(UnknownName, match=r"no template is called 'methd'\. Did you mean 'method'"):
        scaffold.write("methd", "pulled_back", tmp_path)


@pytest.mark.parametrize("there", ["pyproject.toml", "tests/test_pulled_back.py"])
def test_nothing_is_written_over(tmp_path, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine\n")
    with pytest.raises(ConfigError, match=rf"(?s){there} already there.*--into another folder"):
        scaffold.write("method", "pulled_back", tmp_path)
    assert files(tmp_path) == {there: "mine\n"}


def test_it_is_written_into_a_folder_with_other_files(tmp_path):
    (tmp_path / "LICENSE").write_text("mine\n")
    scaffold.write("method", "pulled_back", tmp_path)
    assert files(tmp_path)["LICENSE"] == "mine\n"
    assert len(files(tmp_path)) == 5


def test_once_installed_it_is_listed(site):
    listed = python("-m", "classay", "list", "methods", "--json", site=site)
    without = python("-m", "classay", "list", "methods", "--json")
    added = set(json.loads(listed.stdout)) - set(json.loads(without.stdout))
    assert added == {"throwaway_held"}


def test_its_name_is_then_taken(site, tmp_path):
    words = ("-m", "classay", "new", "method", "throwaway_held", "--into", tmp_path / "again")
    done = python(*words, site=site)
    assert done.returncode == 2
    assert "already, built in or plugged in" in done.stderr


@run_extra
@pytest.mark.slow
def test_its_own_tests_pass(begun, site):
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", begun / "tests", site=site)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


@run_extra
@pytest.mark.slow
def test_a_suite_with_it_comes_to_a_sound_report(site, suite_file, tiny_base, tmp_path):
    suite = yaml.safe_load(suite_file.read_text())
    suite["methods"] = {"naive_lora": {}, "frozen": {}, "throwaway_held": {"strength": 1.0}}
    suite_file.write_text(yaml.safe_dump(suite))
    words = ("run", suite_file, "--base", tiny_base, "--out", tmp_path / "runs", "--json")
    done = python("-m", "classay", *words, site=site)
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout)
    assert end["sound"] is True
    assert set(end["cells"].values()) == {"done"}
    assert "throwaway_held-o0-s0" in end["cells"]
    assert "throwaway_held" in Path(end["report"]).read_text("utf-8")
