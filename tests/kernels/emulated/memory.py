"""Memory of which every access is checked; what nobody wrote has all bits set: a NaN.

Warps are not in step on a GPU. Between two barriers a warp may therefore neither read what another
has stored, nor change what another has read or stored; to store the same once more is no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .arithmetic import Array

GLOBAL = 0x7F00_0000_0000  # where global memory begins
APART = 4096  # bytes between two arrays, none of which is there
WARPS = np.uint32(1) << (np.arange(1024, dtype=np.uint32) // 32)  # of every thread, a bit


class Memory:
    """Bytes from an address on, of which some are there."""

    def __init__(self, base: int, size: int, there: bool) -> None:
        size = -(-size // 16) * 16
        self.base, self.bytes = base, np.full(size, 255, np.uint8)
        self.there = np.full(size, there)
        self._turn = 0  # how many barriers there were
        self._last = {"read": -1, "stored": -1}  # turn in which anything was
        # of every byte where a number begins: in which turn it was read or stored, by which warps
        self._turns = {what: np.full(size, -1, np.int32) for what in ("read", "stored")}
        self._warps = {what: np.zeros(size, np.uint32) for what in ("read", "stored")}

    def place(self, address: Array, size: int, text: str) -> Array:
        """Which numbers of so many bytes these are.

        raises  IndexError   one is not there, or not aligned
        """
        at = address - self.base
        wrong = (at < 0) | (at + size > len(self.bytes)) | (at % size != 0)
        if not wrong.any():
            wrong = ~(self.there[at] & self.there[at + size - 1])
        if wrong.any():
            raise IndexError(f"{text!r}: {wrong.sum()} threads, one at {address[wrong][0]:#x}")
        return at // size

    def barrier(self) -> None:
        """All threads have waited for one another."""
        self._turn += 1

    def read(self, numbers: Array, at: Array, threads: Array, text: str) -> Array:
        """What stands at these places, as some threads read it.

        numbers   the bytes, as numbers of one size
        raises    RuntimeError   another warp has stored it and no barrier was waited at
        """
        self._accessed(at * numbers.itemsize, threads, "read", ["stored"], True, text)
        found: Array = numbers[at]
        return found

    def store(self, numbers: Array, at: Array, new: Array, threads: Array, text: str) -> None:
        """Put numbers in their places.

        raises    RuntimeError   another warp has read or stored what is changed and no barrier was
                                 waited at, or two threads store different numbers
        """
        changed = numbers[at] != new
        byte = at * numbers.itemsize
        self._accessed(byte, threads, "stored", ["read", "stored"], changed, text)
        numbers[at] = new
        if (numbers[at] != new).any():
            raise RuntimeError(f"{text!r} of different numbers at one place")

    def _accessed(
        self, byte: Array, threads: Array, what: str, before: list[str], matters: Any, text: str
    ) -> None:
        """Record which warps did this, unless another did one of ``before`` and it matters."""
        warp = WARPS[threads]
        for earlier in before:
            if self._last[earlier] != self._turn:
                continue
            by = np.where(self._turns[earlier][byte] == self._turn, self._warps[earlier][byte], 0)
            # who has stored the same as another reads its own
            others = np.where(by & warp, 0, by) if what == "read" else by & ~warp
            if (wrong := (others != 0) & matters).any():
                raise RuntimeError(
                    f"{text!r} by {wrong.sum()} threads, of what another warp has {earlier} since "
                    f"the last barrier"
                )
        self._last[what] = self._turn
        turns, warps = self._turns[what], self._warps[what]
        warps[byte[turns[byte] != self._turn]] = 0
        turns[byte] = self._turn
        np.bitwise_or.at(warps, byte, warp)


class Arrays:
    """Arrays in global memory, far enough apart for an access beside one to be none of another."""

    def __init__(self, arguments: Iterable[Any]) -> None:
        self._arrays = {id(x): x for x in arguments if isinstance(x, np.ndarray)}
        self._places, size = {}, APART
        for name, x in self._arrays.items():
            self._places[name] = slice(size, size + x.nbytes)
            size += -(-x.nbytes // 256) * 256 + APART
        self.memory = Memory(GLOBAL, size, False)
        for name, place in self._places.items():
            self.memory.bytes[place] = self._arrays[name].view(np.uint8)
            self.memory.there[place] = True

    def bits(self, argument: Any) -> int:
        """What a kernel gets: the address of an array, or the bits of a number."""
        if isinstance(argument, np.ndarray):
            return GLOBAL + self._places[id(argument)].start
        if isinstance(argument, float):
            return int(np.float32(argument).view(np.uint32))
        return int(argument) % 2**64

    def written(self) -> None:
        """Give the arrays back what stands in memory."""
        for name, place in self._places.items():
            self._arrays[name].view(np.uint8)[:] = self.memory.bytes[place]
