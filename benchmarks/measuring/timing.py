"""Clocks of benchmarks: how long a call takes on this machine, and what its memory can carry."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import torch

Call = Callable[[], Any]
LEAST, MOST, ENOUGH = 10, 200, 0.1  # repeats, and the seconds after which there are enough of them
RECORDED = 20  # calls in a CUDA graph: to launch a graph of one takes as long as a small call
SLOW = 0.02  # seconds; what takes longer is warm after two calls
LEAD = 2_000_000  # cycles that a GPU waits, about 1 ms, while the host prepares what is timed


class Unsuited(Exception):
    """An implementation cannot do a case; the message says why."""


class Work(NamedTuple):
    """What has to be done, whatever the code does: the least there is to a time."""

    bytes: int  # moved between memory and chip
    special: int = 0  # exponentials and reciprocals
    fma: int = 0  # products that are added to a sum


class Timed(NamedTuple):
    """One implementation of one case that can be timed."""

    implementation: str
    direction: str
    prepare: Callable[[], Call]  # all that need not be timed; raises Unsuited
    work: Work
    ours: bool


def seconds(call: Call, device: str, queued: bool, calls: int = 1) -> dict[str, Any]:
    """The median, least and greatest of several calls, each timed alone.

    calls    that ``call`` makes; what is returned is for one of them

    queued   on a GPU that is still busy when the call is made: the host's time is not in it, unless
             the host is slower than the GPU. Otherwise the GPU waits for the host, as it does for a
             caller that needs the result
    choices  as many repeats as fit into ``ENOUGH`` seconds, so that a slow code does not eat the
             time of the others, and no fewer than ``LEAST``
    """
    if device == "cpu":
        clock, least = _on_cpu, 2
    else:
        clock, least = (_queued if queued else _awaited), LEAST
    clock(call)  # compiles
    if clock(call) < SLOW:
        for _ in range(4):
            clock(call)
    taken, begun = list[float](), time.perf_counter()
    while len(taken) < least or (
        device == "cuda" and len(taken) < MOST and time.perf_counter() - begun < ENOUGH
    ):
        taken.append(clock(call))
    return summary([each / calls for each in taken])


def summary(taken: list[float]) -> dict[str, Any]:
    """What is kept of the times of one call."""
    found = {"seconds": median(taken), "least": min(taken), "greatest": max(taken)}
    return found | {"repeats": len(taken)}


def in_turn(calls: Mapping[str, Call], device: str, rounds: int) -> dict[str, list[float]]:
    """Every call once a round, every second round backwards: a clock that drifts hits all alike."""
    clock = _on_cpu if device == "cpu" else _awaited
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: 1 if number % 2 else -1]:
            taken[name].append(clock(calls[name]))
    return taken


def graph(call: Call) -> Call:
    """``RECORDED`` such calls, one after the other, as one CUDA graph.

    choices  recorded from the current stream, which must not be the default one: a backward pass
             runs where its forward ran, and that has to be the stream that records
    """
    for _ in range(3):
        call()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded, stream=torch.cuda.current_stream()):
        for _ in range(RECORDED):
            call()
    return recorded.replay


def copy_bandwidth(device: str) -> dict[str, Any]:
    """What a copy carries, read and written, in bytes a second: the best of several sizes."""
    best: dict[str, Any] = {"bytes_a_second": 0.0}
    for size in (2**28, 2**29, 2**30, 2**31) if device == "cuda" else (2**22, 2**24):
        source = torch.ones(size // 4, device=device)
        target = torch.empty_like(source)
        found = summary(
            [_clocked_copy(source, target, device) for _ in range(25 if device == "cuda" else 3)]
        )
        rate = 2 * size / found["seconds"]
        if rate > best["bytes_a_second"]:
            best = found | {"bytes": 2 * size, "bytes_a_second": rate}
    return best


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Raise TimeoutError in what takes more seconds; a compiler may end the one it is at first."""

    def ended(*_: Any) -> None:
        raise TimeoutError(f"not timed: it was not done after {limit} s")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _clocked_copy(source: torch.Tensor, target: torch.Tensor, device: str) -> float:
    clock = _on_cpu if device == "cpu" else _queued
    return clock(lambda: target.copy_(source))


def _on_cpu(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _awaited(call: Call) -> float:
    _forget()
    torch.cuda.synchronize()
    return _between_events(call)


def _queued(call: Call) -> float:
    _forget()
    torch.cuda._sleep(LEAD)
    return _between_events(call)


def _between_events(call: Call) -> float:
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    call()
    after.record()
    torch.cuda.synchronize()
    return before.elapsed_time(after) / 1000


def _forget(held: list[torch.Tensor] = []) -> None:  # noqa: B006 - one for all calls
    """Leave nothing of the last call in L2.

    choices  by reading something else: what is written would have to leave L2 while the next call
             is timed
    """
    if not held:
        held.append(torch.zeros(2**26, device="cuda"))  # 256 MiB, more than any L2
    held[0].amax()
