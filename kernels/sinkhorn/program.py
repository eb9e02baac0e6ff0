"""One launch each way for matrices of any sizes: a program finds in a table which are its own.

The sizes that occur are known when it is compiled, padded to 2, 4, …, 256, as two sets of bits:
those of matrices that fill their padded size, which are read and written several numbers at a time,
and those of matrices that do not. A program has four warps whatever it holds, so that the bits of a
matrix do not depend on which others share the launch.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.compilation import Configuration
from classay.kernels.sinkhorn import low_rank, resident, streaming

WARPS = 4
REGISTERS_OF_AN_SM = 65_536
# registers of a thread. Without a bound the assembler takes fewer at times, and spills the rest
ALL = 255
# from 3.8 on, Triton adds up the numbers of a thread in a tree, of which more are kept at a time
_TREES = tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 8)
_FORWARD = ALL if _TREES else 168
# by the sizes that fill a tile and that do not: registers of a thread, forward and back, which are
# enough and with which as many programs as can be are on an SM. Other launches get all
REGISTERS = {
    (2, 0): (64, 80),
    (4, 0): (64, 128),
    (8, 0): (128, 168),
    (16, 0): (_FORWARD, 168),
    (32, 0): (_FORWARD, 168),
    (64, 0): (_FORWARD, 168),
    (0, 4): (80, 112),
}
# matrices in a tile by their padded size, on the way forward, and on the way back or in the log
# domain: from 9 rows on as many as spill no register, which is 128 and 32 numbers a thread, and 0
# where that is less than one matrix: see ``_backward``
HELD = {
    2: (128, 128),
    4: (128, 128),
    8: (128, 64),
    16: (64, 16),
    32: (16, 4),
    64: (4, 1),
    128: (1, 0),
    256: (0, 0),
}


@triton.constexpr_function
def held(size, backward):
    """How many matrices of a padded size are in a tile; 0 where a tile cannot hold one."""
    return HELD[size][backward]


def registers(full: int, part: int, backward: bool, crowded: bool) -> int:
    """The most registers of a thread.

    full, part  as of the kernels
    crowded     whether there are more tiles than would run at once if each took ``ALL``: with all
                registers a program has less to wait for, and with fewer more of them run at once
    """
    return REGISTERS.get((full, part), (ALL, ALL))[backward] if crowded else ALL


def at_once(registers: int) -> int:
    """Programs that an SM has the registers for, which are given to a thread by eights."""
    return REGISTERS_OF_AN_SM // (32 * WARPS * -(-registers // 8) * 8)


@triton.jit
def forward(
    logits, table, out, certificate, batch, temperature, zeros,
    ITERATIONS: tl.constexpr, FULL: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    """Matrices and certificates of every size.

    logits       numbers of all matrices, one after the other   bfloat16 or float32
    table        (programs, 5)   int64; see ``launch``
    out          as logits       float32
    certificate  (4, batch)      float32
    FULL, PART   the sum of the padded sizes that occur, of matrices that fill them and that do not
    """
    # three times as many may be more than an int32 holds; 1 is a constant, which has no .to
    batch = tl.full([], 0, tl.int64) + batch
    row = table + tl.program_id(0) * 5
    # volatile, as the compiler would put a load off to where its number is wanted
    start, first = tl.load(row, volatile=True), tl.load(row + 3, volatile=True)
    n, count = tl.load(row + 1, volatile=True), tl.load(row + 2, volatile=True)
    n, count = n.to(tl.int32), count.to(tl.int32)
    for power in tl.static_range(1, 9):
        if (FULL & 2**power) != 0:  # noqa: SIM102 - decided when it is compiled, the other is not
            if n == 2**power:
                # what fills a tile begins at a multiple of 16 numbers, or 4 at 2 × 2, which a
                # hint would say of the others too
                at = start // 16 * 16 if power > 1 else start // 4 * 4
                _forward(
                    logits + at, out + at, certificate + first, batch, 2**power, count,
                    temperature, zeros, ITERATIONS, 2**power, False,
                )  # fmt: skip
        if (PART & 2**power) != 0:  # noqa: SIM102
            if (n < 2**power) & ((n > 2 ** (power - 1)) | (power == 1)):
                _forward(
                    logits + start, out + start, certificate + first, batch, n, count,
                    temperature, zeros, ITERATIONS, 2**power, True,
                )  # fmt: skip


@triton.jit
def _forward(
    logits, out, certificate, batch, n, count, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    if held(N, False) == 0:
        streaming.forward(
            logits, out, certificate, batch, n, temperature, zeros, ITERATIONS, N, PADDED
        )
    else:
        resident.forward(
            logits, out, certificate, batch, n, count, temperature, zeros, ITERATIONS, N, PADDED,
            held(N, False), held(N, True),
        )  # fmt: skip


@triton.jit
def backward(
    logits, table, dout, dlogits, scratch, temperature, zeros,
    ITERATIONS: tl.constexpr, FULL: tl.constexpr, PART: tl.constexpr,
):  # fmt: skip
    """The gradients of the logits.

    dout      of the matrices, as flat as the logits   float32
    dlogits   as the logits
    scratch   float32; where a program finds its own stands in the table
    others    those of ``forward``
    """
    row = table + tl.program_id(0) * 5
    start, own = tl.load(row, volatile=True), tl.load(row + 4, volatile=True)
    n, count = tl.load(row + 1, volatile=True), tl.load(row + 2, volatile=True)
    n, count = n.to(tl.int32), count.to(tl.int32)
    scratch += own // 4 * 4  # as every program's begins
    for power in tl.static_range(1, 9):
        if (FULL & 2**power) != 0:  # noqa: SIM102 - decided when it is compiled, the other is not
            if n == 2**power:
                at = start // 16 * 16 if power > 1 else start // 4 * 4
                _backward(
                    logits + at, dout + at, dlogits + at, scratch, 2**power, count,
                    temperature, zeros, ITERATIONS, 2**power, False,
                )  # fmt: skip
        if (PART & 2**power) != 0:  # noqa: SIM102
            if (n < 2**power) & ((n > 2 ** (power - 1)) | (power == 1)):
                _backward(
                    logits + start, dout + start, dlogits + start, scratch, n, count,
                    temperature, zeros, ITERATIONS, 2**power, True,
                )  # fmt: skip


@triton.jit
def _backward(
    logits, dout, dlogits, scratch, n, count, temperature, zeros,
    ITERATIONS: tl.constexpr, N: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    if held(N, True) > 0:
        resident.backward(
            logits, dout, dlogits, scratch, n, count, temperature, zeros, ITERATIONS, N, PADDED,
            held(N, True),
        )  # fmt: skip
    elif held(N, False) > 0 and not PADDED:  # one tile fits, but no masks beside it
        low_rank.backward(logits, dout, dlogits, scratch, temperature, zeros, ITERATIONS, N)
    else:
        streaming.backward(
            logits, dout, dlogits, scratch, n, temperature, zeros, ITERATIONS, N, PADDED
        )


_SIGNATURES = {  # "" is of the type of the logits
    forward: {"logits": "", "table": "*i64", "out": "*fp32", "certificate": "*fp32"}
    | {"batch": "i32"},
    backward: {"logits": "", "table": "*i64", "dout": "*fp32", "dlogits": "", "scratch": "*fp32"},
}
_LAST = {"temperature": "fp32", "zeros": "i32"}
_LAST |= dict.fromkeys(("ITERATIONS", "FULL", "PART"), "constexpr")


def shipped(way: str, logits: str, full: int, part: int, crowded: bool = False) -> Configuration:
    """A launch of 20 iterations.

    way         forward or backward
    logits      their type: fp32 or bf16
    full, part  as of the kernels
    crowded     as of ``registers``
    """
    kernel = {"forward": forward, "backward": backward}[way]
    return Configuration(
        kernel,
        {name: kind or f"*{logits}" for name, kind in _SIGNATURES[kernel].items()} | _LAST,
        {"ITERATIONS": 20, "FULL": full, "PART": part},
        WARPS,
        registers(full, part, kernel is backward, crowded),
    )


# every size alone, and two of them together, of which one is streamed on the way back
SHIPPED = [
    shipped(way, logits, full, part)
    for full, part in [(n, 0) for n in HELD] + [(0, n) for n in HELD] + [(64 + 128, 64 + 128)]
    for logits in ("fp32", "bf16")
    for way in ("forward", "backward")
]
# launches of so many matrices that a program has fewer registers
CROWDED = [
    shipped(way, logits, full, part, crowded=True)
    for (full, part), few in REGISTERS.items()
    for logits in ("fp32", "bf16")
    for way, least in zip(("forward", "backward"), few, strict=True)
    if least < ALL
]
# which takes a compiler long
EVERY_SIZE = [
    shipped(way, logits, sum(HELD), sum(HELD))
    for logits in ("fp32", "bf16")
    for way in ("forward", "backward")
]
