"""Find everything that can be wrong before a model is trained, and make the folder of a run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from classay import (
    builtin,
    circumstances,
    demonstration,
    lm_tasks,
    quantisation,
    registry,
    scans,
    sources,
    stream,
)
from classay.adapters import require_linear
from classay.base import BaseFiles, TokenizerFiles, locate, modules
from classay.determinism import environment
from classay.errors import ConfigError
from classay.layout import RunFolder, write_atomically
from classay.records import digest
from classay.suite import Suite


@dataclass(frozen=True, slots=True)
class Options:
    """How a suite is run; what changes bits (device, threads) is part of the run's identity."""

    data: Path
    out: Path = Path("runs")
    device: str = "cpu"  # or cuda, or cuda:1
    jobs: int = 1
    threads: int = 1
    share: bool = True
    online: bool = False


def prepare(
    suite: Suite, options: Options, tell: builtin.Tell = lambda words, share: None
) -> RunFolder:
    """Check everything that can be wrong before a model is trained, and make the run's folder.

    tell     is told how far the built-in base is, if the suite asks for it and it is not there yet
    returns  the folder, new or found: the same suite on the same content is the same run
    raises   ConfigError, StreamError   before any work
    """
    environment(options.online)
    registry.check(suite)
    quantisation.check(suite.base.dtype)
    device = _device(options.device)
    records = sources.load_all(suite, options.data, options.online)
    tasks = lm_tasks.load_all(suite, options.data)
    if suite.base.demonstration:
        files = demonstration.base(options.out / "demonstration-bases", records)
    elif suite.base.made:
        files = builtin.base(tell)
    else:
        files = locate(suite.base, options.online)
    content = {
        "base": files.digest,
        **{f"domain {part.domain}": part.digest for part in records},
        **{f"task {task.name}": task.digest for task in tasks},
        **_plugged(suite),
    }
    identity = digest([suite.identity(content), device, options.threads])
    folder = RunFolder(options.out / f"{suite.name}-{identity[:12]}")
    if folder.about.exists():
        setting, _ = folder.read()
        circumstances.same_program(folder.about, setting)
        _base_is_now_at(folder, setting, files)
        return folder
    if suite.adapter.targets != "all-linear":
        require_linear(modules(files), suite.adapter.targets)
    overlap, leak = scans.overlap(records, suite.stream), scans.leak(records, suite.stream)
    stream.save(stream.build(suite, records, TokenizerFiles(files)), folder.stream)
    lm_tasks.save(tasks, folder.stream)
    _write(
        folder,
        {
            "schema": 1,
            "identity": identity,
            "content": content,
            "suite": suite.model_dump(mode="json"),
            "base": str(files.folder.resolve()),
            "parameters": files.parameters,
            "device": device,
            "threads": options.threads,
            "code": circumstances.code(),
            "libraries": circumstances.libraries(),
            "overlap": [row._asdict() for row in overlap],
            "leak": [row._asdict() for row in leak],
        },
    )
    return folder


def _device(name: str) -> str:
    """A device under its one name, after it has been seen to be there."""
    if name == "cpu":
        return name
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise ConfigError(f"--device is {name!r}; cpu, cuda or cuda:N was needed.\n  Give one.")
    import torch

    index = int(name.partition(":")[2] or 0)
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise ConfigError(
            f"--device is {name!r}, and torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA device(s).\n  Use --device cpu, or install a torch "
            f"that was built for CUDA."
        )
    return f"cuda:{index}"


def _plugged(suite: Suite) -> dict[str, str]:
    """SHA-256 of every plugged-in method; the code of built-in ones is digested with classay's."""
    modules = {name: registry.load("method", name) for name in map(suite.method_of, suite.methods)}
    return {
        f"method {name}": sha256(Path(module.__file__).read_bytes()).hexdigest()
        for name, module in modules.items()
        if module.__file__ and not module.__name__.startswith("classay.")
    }


def _base_is_now_at(folder: RunFolder, setting: dict[str, Any], files: BaseFiles) -> None:
    """A base of the same digest may have moved; where it lies is no part of the identity."""
    place = str(files.folder.resolve())
    if setting["base"] != place:
        _write(folder, setting | {"base": place})


def _write(folder: RunFolder, about: dict[str, Any]) -> None:
    # not sorted: the order of the methods is the suite's
    write_atomically(folder.about, json.dumps(about, ensure_ascii=False).encode())
