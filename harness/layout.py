"""Where things lie in the folder of a run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classay.errors import LedgerError
from classay.suite import Suite

SETTING = {
    "identity",
    "content",
    "device",
    "threads",
    "code",
    "base",
    "overlap",
    "leak",
    "libraries",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One method on one order of domains under one seed."""

    method: str
    seed: int
    order: int  # index into the suite's orders
    draw: int = 0  # above 0: once more on the same batches, everything else drawn anew

    @property
    def name(self) -> str:
        """The cell's name, its folder and the root of its chain."""
        return f"{self.method}-o{self.order}-s{self.seed}" + (f"-d{self.draw}" if self.draw else "")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run.

    ::

        run.json            the suite as resolved, its identity, and the setting of this run
        stream/             the tokens that every cell was offered
        shared/<work>/      work that is the same for several cells, done once
        cells/<cell>/       ledger.jsonl, stderr.txt, and checkpoint.safetensors while it runs
        checks/<cell>/      the instrument's checks of a cell, each with a ledger of its own
        adapters/<digest>/  adapter_model.safetensors and adapter_config.json, as PEFT loads them
        structures/<digest>.safetensors   what answers beside the adapters, where a method has it
        items/<digest>.safetensors   nats of every item of one evaluation
        manifest.json       the digest of all of it
        report.html
    """

    path: Path

    @property
    def about(self) -> Path:
        """What is run."""
        return self.path / "run.json"

    @property
    def stream(self) -> Path:
        """The tokens."""
        return self.path / "stream"

    @property
    def manifest(self) -> Path:
        """The digest of everything."""
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def cell(self, cell: Cell) -> Path:
        """A cell's folder."""
        return self.path / "cells" / cell.name

    def shared(self, work: str) -> Path:
        """The folder of work that several cells share."""
        return self.path / "shared" / work

    def check(self, name: str) -> Path:
        """The folder of an instrument check."""
        return self.path / "checks" / name

    def adapter(self, digest: str) -> Path:
        """The folder of an adapter, named after the digest of its weights."""
        return self.path / "adapters" / digest

    def structure(self, digest: str) -> Path:
        """The file of what answers beside the adapters, named after its digest."""
        return self.path / "structures" / f"{digest}.safetensors"

    def items(self, digest: str) -> Path:
        """The side file of one evaluation."""
        return self.path / "items" / f"{digest}.safetensors"

    def ledgers(self) -> list[Path]:
        """Every ledger of the run."""
        return sorted(self.path.glob("*/*/ledger.jsonl"))

    def read(self) -> tuple[dict[str, Any], Suite]:
        """What is run: the setting, and the suite.

        raises  LedgerError   when run.json is not what a run wrote
        """
        try:
            about = json.loads(self.about.read_text("utf-8"))
            suite = Suite.model_validate(about["suite"])
            suite.identity(about["content"])
            missing = SETTING - set(about)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error
        if missing:
            raise self._damaged(f"it lacks {sorted(missing)}")
        return about, suite

    def _damaged(self, why: str) -> LedgerError:
        return LedgerError(
            f"{self.about} is not what a run wrote ({why}).\n"
            f"  Without it nobody can say what was run. Restore the file."
        )


def cells(suite: Suite) -> list[Cell]:
    """Every cell of a suite, seed by seed, so that early results cover every method.

    returns  those that are compared, then FROZEN's under other draws
    """
    orders = range(len(suite.all_orders()))
    compared = [
        Cell(method, seed, order)
        for order in orders
        for seed in suite.seeds
        for method in suite.methods
    ]
    draws = range(1, suite.statistics.noise_draws + 1) if suite.redrawn else ()
    return compared + [
        Cell(str(suite.redrawn), seed, order, draw)
        for order in orders
        for seed in suite.seeds
        for draw in draws
    ]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file
        raise
    finally:
        half.unlink(missing_ok=True)
