"""Memory of which every access is checked; what nobody wrote has all bits set: a NaN."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .arithmetic import Array

GLOBAL = 0x7F00_0000_0000  # where global memory begins
APART = 4096  # bytes between two arrays, none of which is there


class Memory:
    """Bytes from an address on, of which some are there."""

    def __init__(self, base: int, size: int, there: bool) -> None:
        size = -(-size // 16) * 16
        self.base, self.bytes = base, np.full(size, 255, np.uint8)
        self.there = np.full(size, there)

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
