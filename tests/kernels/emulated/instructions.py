"""What a thread does by itself: numbers are computed, moved, converted, compared, read and written.

Every function here is given an instruction and returns what runs it, for the threads of a mask.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .arithmetic import (
    CONVERTED,
    REAL,
    WHOLE,
    Array,
    Function,
    compared,
    flushed,
    from_brain,
)
from .threads import KINDS, Threads

Run = Callable[[Array], object]

ADDRESS = re.compile(r"\[ ?([^\s+]+) ?(?:\+ ?(-?\d+))? ?\]")
TWICE = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}
OTHER_KINDS = {"shl": {1: "u32"}, "shr": {1: "u32"}, "selp": {2: "pred"}}
OTHER_KINDS |= {"bfe": {1: "u32", 2: "u32"}}
HELD_IN = {"bf16": "b16"}


class Instruction(NamedTuple):
    """An opcode at its dots, what stands behind it, and the text of both."""

    how: list[str]
    operands: list[str]
    text: str


def several(operand: str) -> list[str]:
    """The registers of {%r1, %r2}, or of %r1."""
    return re.findall(r"[^\s,{}]+", operand)


def _assigned(to: Array, function: Function, *sources: Array) -> Run:
    return lambda mask: np.copyto(to, function(*sources), where=mask, casting="unsafe")


def computed(threads: Threads, one: Instruction) -> Run:
    base, *modifiers, kind = one.how
    if base == "selp":
        kind = "b" + kind[1:]
    name = ".".join([base, *(word for word in modifiers if word not in ("rn", "ftz"))])
    function = (REAL if kind == "f32" else WHOLE)[name]
    if "ftz" in modifiers:
        function = flushed(function)
    result = TWICE[kind] if "wide" in modifiers else kind
    kinds = [kind, kind, result]
    for i, other in OTHER_KINDS.get(base, {}).items():
        kinds[i] = other
    sources = map(threads.source, one.operands[1:], kinds)
    return _assigned(threads.target(one.operands[0], result), function, *sources)


def moved(threads: Threads, one: Instruction) -> Run:
    """To a register, from several into the parts of one, or from the parts of one."""
    kind = one.how[1] if one.how[1] == "pred" else "b" + one.how[1][1:]
    targets, sources = map(several, one.operands)
    many = max(len(targets), len(sources))
    if many == 1:
        source = threads.source(sources[0], kind)
        return _assigned(threads.target(targets[0], kind), np.asarray, source)
    part = f"b{int(kind[1:]) // many}"
    if len(targets) == 1:
        parts = [threads.sources(name, part) for name in sources]
        to = threads.target(targets[0], kind)
        return _assigned(to, lambda *s: np.stack(s, 1).view(KINDS[kind])[:, 0], *parts)
    whole = threads.source(sources[0], kind).view(KINDS[part])
    runs = [
        _assigned(threads.target(name, part), np.asarray, whole[i::many])
        for i, name in enumerate(targets)
    ]
    return lambda mask: [run(mask) for run in runs]


def converted(threads: Threads, one: Instruction) -> Run:
    *modifiers, to, source = one.how[1:]
    if modifiers not in ([], ["rn"]):
        raise LookupError(modifiers)
    if (to, source) in CONVERTED:
        to, source, function = CONVERTED[to, source]
    elif source[0] in "us":
        function = np.asarray  # and it is converted when it is assigned
    else:
        raise LookupError(source)
    sources = [threads.source(operand, source) for operand in one.operands[1:]]
    return _assigned(threads.target(one.operands[0], to), function, *sources)


def predicated(threads: Threads, one: Instruction) -> Run:
    comparison, kind = one.how[1:]
    a, b = (threads.source(name, HELD_IN.get(kind, kind)) for name in one.operands[1:])
    change = from_brain if kind in HELD_IN else np.asarray

    def found(x: Array, y: Array) -> Array:
        return compared(comparison, change(x), change(y))

    found(a, b)  # a comparison that is not known is to be an error now
    return _assigned(threads.target(one.operands[0], "pred"), found, a, b)


def address(threads: Threads, operand: str) -> Callable[[], Array]:
    """Finds where [%rd1 + 16] or [name] is, for every thread."""
    found = ADDRESS.fullmatch(operand)
    if found is None:
        raise LookupError(operand)
    register = threads.register(found[1])
    kind = "u32" if register is None else f"u{8 * register.itemsize}"
    base, offset = threads.sources(found[1], kind), int(found[2] or 0)
    return lambda: base.astype(np.int64) + offset


def _accessed(how: list[str]) -> tuple[str, Any, str, int]:
    space = next(word for word in how if word in ("param", "global", "shared"))
    kind = how[-1].replace("f", "b")
    return space, KINDS[kind], kind, int(next((x[1] for x in how if x in ("v2", "v4")), 1))


def loaded(threads: Threads, one: Instruction) -> Run:
    space, dtype, kind, count = _accessed(one.how)
    targets = [threads.target(name, kind) for name in several(one.operands[0])]
    if space == "param":
        return _assigned(targets[0], np.asarray, threads.parameters[one.operands[1].strip("[] ")])
    find, size = address(threads, one.operands[1]), np.dtype(dtype).itemsize * count

    def run(mask: Array) -> None:
        memory = threads.memory[space]
        at = memory.place(find()[mask], size, one.text) * count
        for i, to in enumerate(targets):
            to[mask] = memory.read(memory.bytes.view(dtype), at + i, threads.number[mask], one.text)

    return run


def stored(threads: Threads, one: Instruction) -> Run:
    space, dtype, kind, count = _accessed(one.how)
    find, size = address(threads, one.operands[0]), np.dtype(dtype).itemsize * count
    sources = [threads.sources(name, kind) for name in several(one.operands[1])]

    def run(mask: Array) -> None:
        memory = threads.memory[space]
        at = memory.place(find()[mask], size, one.text) * count
        numbers, who = memory.bytes.view(dtype), threads.number[mask]
        for i, source in enumerate(sources):
            memory.store(numbers, at + i, source[mask], who, one.text)

    return run
