"""Under what circumstances a cell ran: clock, versions, hardware, commit, code."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

from classay import __version__
from classay.errors import ConfigError

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "tokenizers",
    "safetensors",
    "datasets",
    "lm_eval",
    "numpy",
    "scipy",
    "statsmodels",
    "pydantic",
)
# Whose version can change a fact.
LIBRARIES = (
    "python",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "tokenizers",
    "safetensors",
    "lm_eval",
    "numpy",
    "scipy",
)
# Left of the ledger: a change here can change a fact. What judges can change without touching one.
FACTUAL = (
    "adapters.py",
    "base.py",
    "bench.py",
    "cell.py",
    "checkpoint.py",
    "determinism.py",
    "evaluate.py",
    "hub.py",
    "lm_tasks.py",
    "method.py",
    "packing.py",
    "quantisation.py",
    "records.py",
    "registry.py",
    "router.py",
    "routers/*.py",
    "routing.py",
    "seeding.py",
    "shared.py",
    "sources.py",
    "stream.py",
    "suite.py",
    "trainer.py",
    "world/*.py",
    "methods/**/*.py",
    "kernels/**/*.py",
)


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of classay, Python and the libraries that take part; absent ones are left out."""
    found = {"classay": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware(device: str) -> dict[str, str]:
    """The machine: system, processor, cores, and the GPU if one is used."""
    found = {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
    }
    if device.startswith("cuda"):
        import torch

        gpu = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": gpu.name,
            "gpu_bytes": str(gpu.total_memory),
            "gpu_multiprocessors": str(gpu.multi_processor_count),
            "cuda": str(torch.version.cuda),
        }
    return found


def revision() -> dict[str, str | bool | None]:
    """The commit that classay runs from and whether files differ from it; None from a wheel."""
    root = Path(str(files("classay"))).parent
    git = ("git", "-C", str(root))
    try:
        tracked = subprocess.run(
            [*git, "ls-files", "--error-unmatch", "harness/circumstances.py"],
            capture_output=True,
            check=False,
        )
        if tracked.returncode:
            return {"commit": None, "dirty": None}
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit.stdout.decode().strip(), "dirty": bool(status.stdout.strip())}


def libraries() -> dict[str, str]:
    """The versions of what can change a fact."""
    found = versions()
    return {name: found[name] for name in LIBRARIES if name in found}


def same_program(about: Path, setting: Mapping[str, Any]) -> str:
    """Check that what is installed is what began a run, and return the digest of the code.

    about    the file that says what began it, for the message
    raises   ConfigError
    """
    own = code()
    then = {"code": setting["code"][:12], **setting["libraries"]}
    now = {"code": own[:12], **libraries()}
    if other := [f"{k} was {then.get(k)}, is {now.get(k)}" for k in now if then.get(k) != now[k]]:
        raise ConfigError(
            f"{about.parent} was begun by another program ({'; '.join(other)}).\n"
            f"  Cells of one run must come from one program. Install what began it, or give --out "
            f"another folder."
        )
    return own


def code() -> str:
    """SHA-256 over the modules that produce facts."""
    total = sha256()
    root = Path(str(files("classay")))
    methods, kernels = (Path(str(files(f"classay.{name}"))) for name in ("methods", "kernels"))
    for pattern in FACTUAL:
        folder, *rest = pattern.split("/", 1)
        place = {"methods": methods, "kernels": kernels}.get(folder)
        for path in sorted((place or root).glob(rest[0] if place else pattern)):
            name = path.relative_to(place or root)
            total.update(f"{folder}/{name.as_posix()}\n".encode() + path.read_bytes())
    return total.hexdigest()


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
