"""Runs the PTX that Triton compiles, in numpy: what inline assembly computes, seen without a GPU.

All threads of a program go in lock step; where they part, those that are behind go first, and at a
barrier, or at an exchange within a warp, they wait for one another. It does not see

- what programs do to each other, nor between warps what is read as the later part of a number;
- what a GPU only approximates, which is rounded correctly here;
- what the assembler makes of the text: it may round a product and a sum without ``rn`` at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import Array
from .exchanges import matrices, reduced, shuffled, waited
from .instructions import (
    Instruction,
    Run,
    computed,
    converted,
    loaded,
    moved,
    predicated,
    stored,
)
from .memory import Arrays, Memory
from .threads import Threads

# a label, a brace of a scope, registers or an instruction
STATEMENT = re.compile(r"\s*(?:([$\w]+):|([{}])|\.reg\s+\.(\w+)\s+([^;]+);|([^;{}][^;]*);)")
GUARDED = re.compile(r"(?:@(!?)(\S+) )?(\S+) ?(.*)")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+")
INSTRUCTIONS: dict[str, Callable[[Threads, Instruction], Run]] = {
    "ld": loaded, "st": stored, "mov": moved, "cvt": converted, "setp": predicated,
    "shfl": shuffled, "redux": reduced, "ldmatrix": matrices, "stmatrix": matrices, "bar": waited,
}  # fmt: skip


class _Step(NamedTuple):
    guard: Array | None  # a predicate, a view
    wanted: bool  # what it has to be
    run: Run | None
    target: str | None  # of a jump; "" is the end
    together: int  # how many threads wait for one another before it
    text: str


class Program:
    """The kernel of a PTX text.

    raises  NotImplementedError   an instruction that is not known, which it is the text of
    """

    def __init__(self, ptx: str) -> None:
        ptx = re.sub(r"//.*|^\s*\.(loc|file|pragma)\b.*", "", ptx, flags=re.MULTILINE)
        entry = re.search(r"\.entry\s+\w+\s*\(([^)]*)\)[^{]*\.reqntid\s+(\d+)[^{]*", ptx)
        if entry is None:
            raise NotImplementedError("a PTX text without a kernel or without .reqntid")
        shared = re.findall(r"\.extern\s+\.shared[^;]*?(\w+)\[\]", ptx)
        self._threads = Threads(int(entry[2]), shared)
        for name in re.findall(r"(\w+)\s*(?:,|$)", entry[1]):
            self._threads.parameters[name] = np.zeros(1, np.uint64)
        self._steps: list[_Step] = []
        self._labels: dict[str, int] = {}
        self._parse(ptx, entry.end())

    def run(self, grid: int, arguments: Sequence[Any], shared: int) -> None:
        """Run all programs, one after the other.

        arguments   of every parameter: a flat array, which may be written, or a number
        shared      bytes of shared memory
        """
        threads, arrays = self._threads, Arrays(arguments)
        for parameter, argument in zip(threads.parameters.values(), arguments, strict=True):
            parameter[:] = arrays.bits(argument)
        threads.special["%nctaid.x"][:] = grid
        threads.memory["global"] = arrays.memory
        with np.errstate(all="ignore"):
            for program in range(grid):
                threads.special["%ctaid.x"][:] = program
                threads.memory["shared"] = Memory(0, shared, True)
                threads.memory["global"].barrier()
                self._run()
        arrays.written()

    def _run(self) -> None:
        threads, end = self._threads, len(self._steps)
        at = np.zeros(threads.count, np.int64)
        waits = np.zeros(threads.count, bool)
        while (at < end).any():
            threads.live = at < end
            free = threads.live & ~waits
            if not free.any():
                texts = [self._steps[place].text for place in np.unique(at[threads.live])]
                raise RuntimeError(f"threads wait for others at {texts}")
            here = at[free].min()
            now = at == here
            others = at[at > here].min(initial=end)
            target, mask = None, now
            # as far as to a jump, to where others are, or to where all have to wait
            while here < others and target is None:
                guard, wanted, run, target, together, _ = self._steps[here]
                if together:
                    whole = (now | ~threads.live).reshape(-1, together).all(1).repeat(together)
                    at[now], waits[now] = here, ~whole[now]
                    now = now & whole
                    if not now.any():
                        break
                mask = now if guard is None else now & (guard == wanted)
                here += 1
                if run is not None:
                    run(mask)
            at[now] = here
            if target is not None:
                at[mask] = self._labels[target]
                waits &= target != ""  # a thread that is gone is waited for no longer

    def _parse(self, ptx: str, at: int) -> None:
        scopes = self._threads.scopes
        while found := STATEMENT.match(ptx, at):
            label, brace, kind, names, text = found.groups()
            at = found.end()
            if label:
                if label in self._labels:
                    raise NotImplementedError(f"two labels {label}")
                self._labels[label] = len(self._steps)
            elif brace == "{":
                scopes.append({})
            elif brace:
                scopes.pop()
                if not scopes:
                    break
            elif kind:
                self._threads.declare(kind, names)
            else:
                text = " ".join(text.split())
                try:
                    self._steps.append(self._step(text))
                except (LookupError, ValueError) as error:
                    raise NotImplementedError(text) from error
        self._labels[""] = len(self._steps)

    def _step(self, text: str) -> _Step:
        negated, guard, opcode, rest = GUARDED.fullmatch(text).groups()
        how, operands = opcode.split("."), OPERAND.findall(rest)
        predicate = self._threads.source(guard, "pred") if guard else None
        if how[0] in ("bra", "ret"):
            target = operands[0] if operands else ""
            return _Step(predicate, not negated, None, target, 0, text)
        one = Instruction(how, operands, text)
        run = INSTRUCTIONS.get(how[0], computed)(self._threads, one)
        together = self._threads.count if how[0] == "bar" else 32 if "sync" in how else 0
        return _Step(predicate, not negated, run, None, together, text)
