"""Clocks of benchmarks: how long a call takes on this machine, and what its memory can carry."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import torch

Call = Callable[[], Any]
VERSIONS = ("torch", "triton", "numpy", "liger-kernel", "classay")


def seconds(call: Call, device: str, repeats: int, warmups: int) -> dict[str, Any]:
    """The median, least and greatest of several calls, each timed alone.

    choices  on a GPU between two events of its stream, after everything before has ended; its L2 is
             written over between calls, so that no call reads what the last one left there
    """
    for _ in range(warmups):
        call()
    taken = [_on_gpu(call) if device == "cuda" else _on_cpu(call) for _ in range(repeats)]
    found = {"seconds": median(taken), "least": min(taken), "greatest": max(taken)}
    return found | {"repeats": repeats}


def graph(call: Call) -> Call:
    """The same call as a CUDA graph, which costs the launch of one thing."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        call()
    return recorded.replay


def copy_bandwidth(device: str, size: int, repeats: int) -> dict[str, Any]:
    """What a copy of ``size`` bytes carries, read and written: bytes a second."""
    source = torch.zeros(size // 4, device=device)
    target = torch.empty_like(source)
    found = seconds(lambda: target.copy_(source), device, repeats, 3)
    return found | {"bytes": 2 * size, "bytes_a_second": 2 * size / found["seconds"]}


def machine(device: str) -> dict[str, Any]:
    """What the times belong to."""
    found: dict[str, Any] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
    }
    if device == "cuda":
        about = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": about.name,
            "memory_bytes": about.total_memory,
            "multiprocessors": about.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    return found


def _on_cpu(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _on_gpu(call: Call) -> float:
    _overwritten().zero_()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    before.record()
    call()
    after.record()
    torch.cuda.synchronize()
    return before.elapsed_time(after) / 1000


def _overwritten(held: list[torch.Tensor] = []) -> torch.Tensor:  # noqa: B006 - one for all calls
    if not held:
        held.append(torch.empty(2**26, device="cuda"))  # 256 MiB, more than any L2
    return held[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
