"""What threads do together: numbers change hands within a warp, and all wait for one another."""

from __future__ import annotations

import numpy as np

from .arithmetic import Array
from .instructions import Instruction, Run, address, several
from .threads import Threads

LANES = np.arange(32)


def _whole_warps(mask: Array, text: str) -> None:
    warps = mask.reshape(-1, 32)
    if (warps.any(1) != warps.all(1)).any():
        raise RuntimeError(f"{text!r} of some threads of a warp")


def shuffled(threads: Threads, one: Instruction) -> Run:
    """The number of another lane of the warp."""
    which, by, last = one.how[2], *one.operands[2:4]
    if which not in ("bfly", "idx") or last != "31":
        raise LookupError(which)
    target = threads.target(one.operands[0], "b32")
    source, by = threads.sources(one.operands[1], "b32"), threads.sources(by, "b32")
    lane, first = threads.lane, np.arange(threads.count) - threads.lane

    def run(mask: Array) -> None:
        _whole_warps(mask, one.text)
        place = first + (lane ^ by & 31 if which == "bfly" else by & 31)
        np.copyto(target, source[place], where=mask)

    return run


def reduced(threads: Threads, one: Instruction) -> Run:
    """The largest number of a warp."""
    if one.how[1:] != ["sync", "max", "s32"]:
        raise LookupError(one.how)
    target, source = threads.target(one.operands[0], "s32"), threads.sources(one.operands[1], "s32")

    def run(mask: Array) -> None:
        _whole_warps(mask, one.text)
        np.copyto(target, source.reshape(-1, 32).max(1).repeat(32), where=mask)

    return run


def matrices(threads: Threads, one: Instruction) -> Run:
    """A warp's 8 × 8 matrices of 16 bits: of every one 8 threads have the addresses of rows."""
    loads = one.how[0] == "ldmatrix"
    if one.how[1:4] != ["sync", "aligned", "m8n8"] or one.how[5:] != ["shared", "b16"]:
        raise LookupError(one.how)
    names, where = one.operands if loads else one.operands[::-1]
    find = address(threads, where)
    registers = [threads.target(name, "b32") for name in several(names)]

    def run(mask: Array) -> None:
        _whole_warps(mask, one.text)
        memory, rows = threads.memory["shared"], find().reshape(-1, 32)
        numbers, who = memory.bytes.view(np.uint32), threads.number[mask]
        for i, register in enumerate(registers):
            row = rows[:, 8 * i + LANES // 4].ravel()[mask]
            at = memory.place(row, 16, one.text) * 4 + threads.lane[mask] % 4
            if loads:
                register[mask] = memory.read(numbers, at, who, one.text)
            else:
                memory.store(numbers, at, register[mask], who, one.text)

    return run


def waited(threads: Threads, one: Instruction) -> Run:
    if one.how != ["bar", "sync"] or one.operands != ["0"]:
        raise LookupError(one.how)

    def run(mask: Array) -> None:
        if not mask.any():
            return  # nobody waits
        if not np.array_equal(mask, threads.live):
            raise RuntimeError(f"{one.text!r} of {mask.sum()} of {threads.live.sum()} threads")
        for memory in threads.memory.values():
            memory.barrier()

    return run
