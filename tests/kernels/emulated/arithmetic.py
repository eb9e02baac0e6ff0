"""What single instructions compute: functions of arrays, under the names that PTX has for them.

What a GPU only approximates (``ex2``, ``lg2``, ``rcp``, ``div.full``) is rounded correctly here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]  # of arrays, an array
TINY = np.finfo(np.float32).tiny  # the least number that is normal


def normal(x: Array) -> Any:
    """0 in the place of numbers too small to be normal."""
    return np.where(np.abs(x) < TINY, np.copysign(np.float32(0), x), x)


def flushed(function: Function) -> Function:
    """What the modifier ``ftz`` makes of a function."""
    return lambda *numbers: normal(function(*map(normal, numbers)))


def fused(a: Array, b: Array, c: Array) -> Array:
    """a b + c, rounded once: the sum, in float64, is rounded to odd before it is to float32."""
    product = np.multiply(a, b, dtype=np.float64)
    total = product + c
    bits = total.view(np.int64)
    # rounding twice errs only where the sum lies halfway between two numbers, as normal ones do
    halfway = (bits % 2**29 == 2**28) | (np.abs(total) < TINY) & (total != 0)
    if not halfway.any():
        return total.astype(np.float32)
    rest = total - product
    lost = (product - (total - rest)) + (c - rest)
    odd = np.where((lost > 0) == (total > 0), bits + 1, bits - 1)
    even = np.isfinite(total) & (lost != 0) & (bits % 2 == 0)
    return np.where(even, odd, bits).view(np.float64).astype(np.float32)


def _in_float64(function: Function) -> Function:
    return lambda x: function(x.astype(np.float64)).astype(np.float32)


def _chosen(choose: Function, signs: Function, a: Array, b: Array) -> Any:
    """The smaller or the larger, −0 below 0."""
    equal = signs(a.view(np.uint32), b.view(np.uint32)).view(np.float32)
    return np.where(a == b, equal, choose(a, b))


def _field(x: Array, start: Array, length: Array) -> Array:
    kind = f"{x.dtype.kind}8"
    rest = (64 - np.minimum(length & 255, 64)).astype(kind)
    field: Array = x.astype(kind) >> (start & 255).astype(kind) << rest >> rest
    return field.astype(x.dtype)


def _permuted(a: Array, b: Array, selector: Array) -> Array:
    both = a.astype(np.uint64) | b.astype(np.uint64) << 32
    found: Array = np.zeros(1, np.uint32)
    for i in range(4):
        byte = both >> (selector >> 4 * i & 7) * 8 & 255
        byte = np.where(selector >> 4 * i & 8, byte // 128 * 255, byte)  # its sign, 8 times
        found = found | byte.astype(np.uint32) << 8 * i
    return found


def to_brain(x: Array) -> Array:
    """The bits of the nearest bfloat16."""
    bits = x.view(np.uint32)
    nearest = bits + 0x7FFF + (bits >> 16 & 1) >> 16
    return np.where(np.isnan(x), 0x7FFF, nearest).astype(np.uint16)


def _two_to_brain(high: Array, low: Array) -> Array:
    return to_brain(high).astype(np.uint32) << 16 | to_brain(low)


def from_brain(bits: Array) -> Any:
    """The float32 that a bfloat16 of these bits is."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


# ``rn`` and ``ftz`` are no part of these names
REAL: dict[str, Function] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div.full": np.divide, "fma": fused,
    "sqrt": np.sqrt, "neg": np.negative, "abs": np.abs,
    "min": partial(_chosen, np.fmin, np.bitwise_or),
    "max": partial(_chosen, np.fmax, np.bitwise_and),
    "max.NaN": partial(_chosen, np.maximum, np.bitwise_and),
    "ex2.approx": _in_float64(np.exp2), "rcp.approx": _in_float64(np.reciprocal),
}  # fmt: skip
WHOLE: dict[str, Function] = {
    "add": np.add, "sub": np.subtract, "neg": np.negative, "min": np.minimum, "max": np.maximum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
    "bfe": _field, "prmt": _permuted, "mul.lo": np.multiply,
    "mad.lo": lambda a, b, c: a * b + c,
    "mul.wide": lambda a, b: a.astype(f"{a.dtype.kind}{2 * a.itemsize}") * b,
    "mad.wide": lambda a, b, c: a.astype(c.dtype) * b + c,
    "shl": lambda a, by: a << np.minimum(by, 8 * a.itemsize).astype(a.dtype),
    "shr": lambda a, by: a >> np.minimum(by, 8 * a.itemsize).astype(a.dtype),
    "selp": lambda a, b, first: np.where(first, a, b),
}  # fmt: skip
COMPARED: dict[str, Function] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
# to a type, from a type: as which types their bits are held, and how they are made
CONVERTED: dict[tuple[str, str], tuple[str, str, Function]] = {
    ("bf16", "f32"): ("b16", "f32", to_brain),
    ("bf16x2", "f32"): ("b32", "f32", _two_to_brain),
    ("f32", "bf16"): ("f32", "b16", from_brain),
}


def compared(how: str, a: Array, b: Array) -> Any:
    """Whether two numbers are as a comparison says; one that ends in u is also true of a NaN."""
    if a.dtype.kind != "f":
        return COMPARED[how](a, b)
    unordered = np.isnan(a) | np.isnan(b)
    if how in ("nan", "num"):
        return unordered == (how == "nan")
    if how.endswith("u"):
        return COMPARED[how[:-1]](a, b) | unordered
    return COMPARED[how](a, b) & ~unordered
