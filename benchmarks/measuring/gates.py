"""The tests without which no time means anything."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKERS = 14  # compiling is what takes their time


def tested() -> dict[str, str]:
    """What pytest says of the kernels' tests and, beside them, of the harness's on a GPU.

    choices  a red test of a kernel ends everything; a red one of the harness is recorded, as it may
             be of a package that this machine lacks
    """
    kernels = _begun("kernels", min(WORKERS, os.cpu_count() or 1))
    harness = _begun("gpu", 1)
    said = kernels.communicate()[0]
    if kernels.returncode:
        harness.kill()
        sys.exit(f"the tests of the kernels failed, so no time means anything:\n{said}")
    found = {"kernels": _last(said), "gpu": _last(harness.communicate()[0])}
    return found | ({"failed": "gpu"} if harness.returncode else {})


def _begun(folder: str, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x"]
    if workers > 1 and find_spec("xdist"):
        command += ["-p", "xdist.plugin", "-n", str(workers), "--dist", "worksteal"]
    # other plug-ins warn, pytest-benchmark of xdist for one, and here a warning is an error
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.Popen(
        [*command, str(ROOT / "tests" / folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip


def _last(said: str) -> str:
    return (said.strip().splitlines() or [""])[-1].strip("= ")
