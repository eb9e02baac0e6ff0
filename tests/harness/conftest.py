"""The tiny suite, begun and run in the test's own process."""

from __future__ import annotations

import pytest
import yaml

from classay import runner, study
from classay.prepare import Options, prepare
from classay.provenance import manifest
from classay.suite_file import load


@pytest.fixture
def begun(suite_file, tiny_base, tmp_path):
    """Begin the tiny suite with some keys changed; returns its folder and how it is to be run."""

    def made(out: str = "runs", jobs: int = 1, share: bool = True, **changes):
        path = suite_file
        if changes:
            path = suite_file.with_name("changed.yaml")
            path.write_text(yaml.safe_dump(yaml.safe_load(suite_file.read_text()) | changes))
        suite = load(path, {"base.path": str(tiny_base)})
        options = Options(suite_file.parent, tmp_path / out, "cpu", jobs, 1, share)
        return prepare(suite, options), options

    return made


@pytest.fixture
def run(begun):
    """Run the tiny suite with some keys changed; returns its study and what tasks said."""

    def go(*where, **changes):
        folder, options = begun(*where, **changes)
        said: dict[str, str] = {}
        runner.execute(folder, options, lambda name, done: None, said.__setitem__)
        manifest.write(folder)
        return study.load(folder.path), said

    return go
