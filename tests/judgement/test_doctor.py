"""What the doctor finds, and what it says to do; never with torch, which takes seconds."""

import re
import shutil
import sys
from importlib import metadata

import pytest

from classay import doctor, terminal
from classay.doctor import examine

pytestmark = pytest.mark.usefixtures("without_torch")


def found():
    return {finding.name: finding for finding in examine()}


def absent(*names):
    def version(name):
        if name in names:
            raise metadata.PackageNotFoundError(name)
        return "1.2.3"

    return version


def test_a_package_that_is_there_is_fine(monkeypatch):
    monkeypatch.setattr(doctor, "version", absent())
    assert found()["scipy"][1:4] == (True, True, "1.2.3")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("scipy", "pip install classay"),
        ("jinja2", "pip install classay"),
        ("torch", "pip install 'classay[run]'"),
        ("peft", "pip install 'classay[run]'"),
    ],
)
def test_a_package_that_is_absent_comes_with_what_to_do(monkeypatch, name, remedy):
    monkeypatch.setattr(doctor, "version", absent(name))
    assert found()[name][1:] == (False, True, "not installed", remedy)


def test_every_library_that_the_core_needs_is_looked_at():
    needed = {
        re.match(r"[\w.-]+", requirement)[0]
        for requirement in metadata.requires("classay")
        if "extra ==" not in requirement
    }
    assert len(needed) >= 9
    assert needed - set(found()) == set()


def test_without_torch_cells_cannot_run():
    repeats = found()["same bits twice"]
    assert repeats[1:] == (False, True, "torch is not installed", "pip install 'classay[run]'")


def test_a_gpu_is_not_needed():
    gpu = found()["gpu"]
    assert (gpu.fine, gpu.needed) == (False, False)
    assert gpu.remedy == "cells run on the CPU without it"


def test_a_full_disk_is_found(monkeypatch):
    usage = shutil.disk_usage(".")._replace(free=5 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    disk = found()["free disk"]
    assert (disk.fine, disk.found) == (False, "0.5 GB")
    assert disk.remedy == "free some space; runs of small models need 2 GB"


@pytest.mark.parametrize(("python", "fine"), [((3, 10), False), ((3, 13), True), ((3, 14), False)])
def test_pythons_that_are_not_supported_are_found(monkeypatch, python, fine):
    monkeypatch.setattr(sys, "version_info", (*python, 1, "final", 0))
    finding = found()["python"]
    assert (finding.fine, finding.found) == (fine, f"{python[0]}.{python[1]}.1")
    assert finding.remedy == "install Python 3.11, 3.12 or 3.13"


def test_whatever_is_not_fine_has_a_remedy(monkeypatch):
    monkeypatch.setattr(doctor, "version", absent(*doctor.CORE, *doctor.RUN))
    wrong = [finding for finding in examine() if not finding.fine]
    assert len(wrong) >= len(doctor.CORE) + len(doctor.RUN)
    assert all(finding.remedy and finding.found for finding in wrong)


def test_a_remedy_is_printed_letter_by_letter(monkeypatch, capsys):
    """A person copies it; a table that takes [run] for a colour would print something else."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(doctor, "version", absent("peft"))
    terminal.findings(examine())
    out = capsys.readouterr().out
    assert re.search(r"NEEDED .* peft .* not installed .* pip install 'classay\[run\]'", out)
