"""A plug-in is there before the laws are collected, so that they run over it as over a built-in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .lives import Bench

PLUGIN = Path(__file__).parents[1] / "plugin"


def pytest_configure(config: pytest.Config) -> None:
    """Install the package in ``tests/plugin`` with pip, for this process alone."""
    if find_spec("torch") is None:
        return  # no law runs
    folder = TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    # pip builds in the folder that it is given
    source, site = Path(folder.name, "source"), Path(folder.name, "site")
    shutil.copytree(PLUGIN, source)
    alone = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    pip = (sys.executable, "-P", "-m", "pip", "install", "--quiet", *alone)
    done = subprocess.run(
        [*pip, "--target", str(site), str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise pytest.UsageError(f"pip could not install {PLUGIN}:\n{done.stderr}")
    sys.path.append(str(site))
    config.add_cleanup(lambda: sys.path.remove(str(site)))


@pytest.fixture
def bench(tiny_base: Path) -> Callable[..., Bench]:
    """A method by its name on a base of its own."""
    from .lives import Bench

    return lambda name, seed=0, dtype="fp32": Bench(tiny_base, name, seed, dtype)
