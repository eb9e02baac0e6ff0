"""What is installed, and whether this machine can run cells."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

CORE = (
    "numpy",
    "scipy",
    "statsmodels",
    "pydantic",
    "typer",
    "rich",
    "pyyaml",
    "jinja2",
    "markupsafe",
    "matplotlib",
    "safetensors",
)
RUN = ("torch", "transformers", "peft", "datasets", "tokenizers")
ROOM = 2 * 10**9  # bytes free, for runs of small models


class Finding(NamedTuple):
    """One thing looked at."""

    name: str
    fine: bool
    needed: bool  # for running cells
    found: str
    remedy: str


def examine() -> list[Finding]:
    """Look at Python, the libraries, the processor, the disk and the GPU."""
    python = sys.version_info
    free = shutil.disk_usage(Path.cwd()).free
    return [
        Finding(
            "python",
            (3, 11) <= python[:2] < (3, 14),
            True,
            f"{python[0]}.{python[1]}.{python[2]}",
            "install Python 3.11, 3.12 or 3.13",
        ),
        *(_package(name, "pip install classay") for name in CORE),
        *(_package(name, "pip install 'classay[run]'") for name in RUN),
        _package("bitsandbytes", "only base.dtype nf4 and nf4_bf16 need it")._replace(needed=False),
        Finding("cores", True, True, str(os.cpu_count()), ""),
        Finding(
            "free disk",
            free > ROOM,
            True,
            f"{free / 1e9:.1f} GB",
            f"free some space; runs of small models need {ROOM / 1e9:.0f} GB",
        ),
        _repeats(),
        _gpu(),
    ]


def _package(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, True, True, version(name), remedy)
    except PackageNotFoundError:
        return Finding(name, False, True, "not installed", remedy)


def _repeats() -> Finding:
    """A known-answer test of the one thing every check rests on: the same sum, twice."""
    name, remedy = "same bits twice", "results of this machine cannot be audited; use another"
    try:
        import torch
    except ImportError:
        return Finding(name, False, True, "torch is not installed", "pip install 'classay[run]'")

    def product() -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        a = torch.randn(256, 256, generator=generator)
        return (a @ a.T).log1p().nan_to_num().sum()

    equal = torch.equal(product(), product())
    return Finding(name, equal, True, "equal" if equal else "different", remedy)


def _gpu() -> Finding:
    remedy = "cells run on the CPU without it"
    try:
        import torch
    except ImportError:
        return Finding("gpu", False, False, "torch is not installed", remedy)
    if not torch.cuda.is_available():
        return Finding("gpu", False, False, "none", remedy)
    return Finding("gpu", True, False, torch.cuda.get_device_name(), remedy)
