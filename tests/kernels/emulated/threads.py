"""The threads of a program: their registers, and what memory and parameters they see.

A register is an array, a number a thread. Instructions hold views of them, which stay up to date.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .arithmetic import Array
from .memory import Memory

SIZES = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
KINDS: dict[str, Any] = {letter + str(size): SIZES[size] for size in SIZES for letter in "bu"}
KINDS |= {"s8": np.int8, "s16": np.int16, "s32": np.int32, "s64": np.int64}
KINDS |= {"f32": np.float32, "pred": np.bool_}


class Threads:
    """The threads of one program, whole warps of them.

    names   of shared memory, all of which begin at its address 0
    """

    def __init__(self, count: int, names: list[str]) -> None:
        self.count, self._names = count, names
        self.live = np.ones(count, bool)
        self.number = np.arange(count)
        self.lane = self.number % 32
        self.memory: dict[str, Memory] = {}
        self.parameters: dict[str, Array] = {}
        self.special = {name: np.zeros(1, np.uint32) for name in ("%ctaid.x", "%nctaid.x")}
        self.special["%tid.x"] = np.arange(count, dtype=np.uint32)
        self.scopes: list[dict[str, Array]] = []

    def declare(self, kind: str, names: str) -> None:
        """Registers of the innermost scope, by name or, as %r<5>, by name and number."""
        bits: Any = np.bool_ if kind == "pred" else SIZES[int(kind[1:])]
        for name, many in re.findall(r"([^\s,<]+)(?:<(\d+)>)?", names):
            for one in [f"{name}{i}" for i in range(int(many))] if many else [name]:
                self.scopes[-1][one] = ~np.zeros(self.count, bits)

    def register(self, name: str) -> Array | None:
        """The register of this name in the innermost scope that has one."""
        scopes = [self.special, *self.scopes]
        return next((scope[name] for scope in reversed(scopes) if name in scope), None)

    def source(self, operand: str, kind: str) -> Array:
        """A view of a register, of its lower bits if it is wider; of a constant an array of one."""
        size = np.dtype(KINDS[kind]).itemsize
        register = self.register(operand)
        if register is not None:
            lower: Array = register.view(KINDS[kind])[:: register.itemsize // size]
            return lower
        if operand in self._names:
            return np.zeros(1, KINDS[kind])
        real = re.fullmatch(r"0[fF](\w{8})", operand)
        number = int(real[1], 16) if real else int(operand.rstrip("U"), 0)
        if kind == "pred":
            return np.array([number != 0])
        return np.array([number % 2 ** (8 * size)], SIZES[8 * size]).view(KINDS[kind])

    def sources(self, operand: str, kind: str) -> Array:
        """``source``, a number for every thread."""
        return np.broadcast_to(self.source(operand, kind), self.count)

    def target(self, name: str, kind: str) -> Array:
        """A view of a register, whole if it is wider: what is assigned to it is extended."""
        if name == "_":
            return np.zeros(self.count, KINDS[kind])
        register = self.register(name)
        if register is None:
            raise LookupError(name)
        if register.itemsize == np.dtype(KINDS[kind]).itemsize:
            return register.view(KINDS[kind])
        return register.view(f"{'i' if kind[0] == 's' else 'u'}{register.itemsize}")
