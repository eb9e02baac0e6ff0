"""Which program runs, by n r, d and type: a fixed table, and everything in it that is shipped.

Nothing is tuned while running: another program would add in another order, and equal commands
would give unequal bits. What is shipped fits into the registers of sm_90, which
``tests/kernels/test_compiled.py`` sees without a GPU; other widths run as well, unseen.
"""

from __future__ import annotations

from typing import Any

from triton import next_power_of_2

from classay.kernels.compilation import Configuration
from classay.kernels.stream_mix.fused import mix_rows, mix_tiles, token_sums

MOST = 64  # n r: beyond it, pieces of Q and their products do not fit into one program

# mix_rows holds Q and whole tokens in the registers of one program
MOST_IN_ROWS = 8  # n r
WIDEST_ROW = 4096  # d
WARPS_OF_A_ROW = {512: 1, 1024: 2, 2048: 4, 4096: 8}  # by d rounded up; narrower rows need one
WARPS = 8  # that an SM has registers for

# what is compiled by the tests
DIMENSIONS = (2048, 3584, 4096, 3000)  # the last one is cut off by a mask
BEYOND_A_ROW = 5120
STREAMS = ((2, 4), (4, 4), (4, 8), (8, 8))  # (n, r)


def mixing(n: int, r: int, d: int, type_of_h: str) -> Configuration:
    """The program of y, and of ∂h.

    n, r       streams, and coordinates of each
    d          coordinates of h
    type_of_h  ``bf16`` or ``fp32``
    """
    pointer = f"*{type_of_h}"
    signature = {
        "h": pointer, "m": "*fp32", "q": "*fp32", "alpha": "*fp32", "y": pointer,
        "streams": "*fp32", "tokens": "i32",
    }  # fmt: skip
    shape = {"N": n, "R": r, "D": d}
    if n * r <= MOST_IN_ROWS and d <= WIDEST_ROW:
        width = next_power_of_2(d)
        tile = {"TOKENS": 2, "WIDTH": width}
        return _configuration(mix_rows, signature, shape | tile, WARPS_OF_A_ROW.get(width, 1))
    tile = {"TOKENS": 16, "WIDTH": 128, "PADDED": _for_tensor_cores(n * r)}
    return _configuration(mix_tiles, signature, shape | tile, 8)


def programs(program: Configuration, tokens: int, multiprocessors: int) -> int:
    """How many programs mix so many tokens; one of ``mix_rows`` mixes as many as there are."""
    pieces = -(-tokens // program.constexprs["TOKENS"])
    if program.kernel is not mix_rows:
        return pieces
    return min(pieces, multiprocessors * (WARPS // program.warps))


def summing(k: int, d: int, type_of_h: str) -> Configuration:
    """The program of P and W, the sums over tokens.

    k          coordinates of s and of t, n r
    d          coordinates of h
    type_of_h  ``bf16`` or ``fp32``
    """
    pointer = f"*{type_of_h}"
    signature = {
        "streams": "*fp32", "g": pointer, "pulled": "*fp32", "h": pointer, "parts": "*fp32",
        "tokens": "i32",
    }  # fmt: skip
    padded = _for_tensor_cores(k)
    # 128 coordinates of float32, or of more rows, would spill
    width = 128 if (padded, type_of_h) == (16, "bf16") else 64
    tile = {"TOKENS": 32, "TILES": 8, "WIDTH": width, "PADDED": padded}
    # 32 rows of float32 would spill in 4 warps; for 64 rows Hopper has an instruction of 4 warps
    warps = 8 if padded == 32 else 4
    return _configuration(token_sums, signature, {"K": k, "D": d} | tile, warps, stages=3)


def _configuration(
    kernel: Any,
    types: dict[str, str],
    constexprs: dict[str, int],
    warps: int,
    stages: int | None = None,
) -> Configuration:
    signature = types | dict.fromkeys(constexprs, "constexpr")
    return Configuration(kernel, signature, constexprs, warps, stages=stages)


def _for_tensor_cores(k: int) -> int:
    # tl.dot takes no side below 16
    return max(16, next_power_of_2(k))


SHIPPED = [
    program
    for type_of_h in ("bf16", "fp32")
    for n, r in STREAMS
    for d in DIMENSIONS
    for program in (mixing(n, r, d, type_of_h), summing(n * r, d, type_of_h))
] + [mixing(*STREAMS[0], BEYOND_A_ROW, type_of_h) for type_of_h in ("bf16", "fp32")]
