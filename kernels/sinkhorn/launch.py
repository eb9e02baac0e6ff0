"""Matrices of any sizes in one flat tensor, by one launch each way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from classay.kernels.compilation import fp_fusion
from classay.kernels.multiprocessors import multiprocessors
from classay.kernels.sinkhorn import program

LARGEST = max(program.HELD)


def forward(
    logits: Tensor,
    counts: Sequence[int],
    sizes: Sequence[int],
    iterations: int,
    temperature: float,
    zeros: bool,
) -> tuple[Tensor, Tensor]:
    """Matrices and certificates.

    logits   flat: counts[0] matrices of size sizes[0], then counts[1] of sizes[1], ...; what fills
             a padded size first, see ``last``
    returns  float32: the matrices as flat as the logits; (4, matrices)
    """
    out = torch.empty_like(logits, dtype=torch.float32)
    certificate = out.new_empty(4, sum(counts))
    table, _, masks = _tabled(tuple(counts), tuple(sizes), None, logits.device)
    if len(table):
        with torch.cuda.device_of(logits):
            program.forward[(len(table),)](
                _aligned(logits), table, out, certificate, certificate.shape[1],
                float(temperature), int(zeros), iterations, *masks, **_options(masks, False),
            )  # fmt: skip
    return out, certificate


def backward(
    logits: Tensor,
    dout: Tensor,
    counts: Sequence[int],
    sizes: Sequence[int],
    iterations: int,
    temperature: float,
    zeros: bool,
) -> Tensor:
    """The gradient of the logits, flat and of their number format, from that of the matrices."""
    dlogits = torch.empty_like(logits)
    table, scratch, masks = _tabled(tuple(counts), tuple(sizes), iterations, logits.device)
    if len(table):
        with torch.cuda.device_of(logits):
            program.backward[(len(table),)](
                _aligned(logits), table, _aligned(dout), dlogits, dout.new_empty(scratch),
                float(temperature), int(zeros), iterations, *masks, **_options(masks, True),
            )  # fmt: skip
    return dlogits


def padded(n: int) -> int:
    """The size of the tile that holds a matrix.

    raises  ValueError   no kernel holds such a matrix
    """
    if n > LARGEST:
        raise ValueError(
            f"the Sinkhorn kernels got a matrix of {n} rows; at most {LARGEST} was needed.\n"
            f"  Call sinkhorn_reference, which has no such limit."
        )
    return min(size for size in program.HELD if n <= size)


def last(n: int) -> tuple[bool, int]:
    """What matrices of different sizes are sorted by, so that those that fill a tile are aligned.

    n        rows of a matrix; n² of a power of two is a multiple of every smaller one's
    """
    return padded(n) != n, -n


@lru_cache(maxsize=64)
def _tabled(
    counts: tuple[int, ...],
    sizes: tuple[int, ...],
    iterations: int | None,
    device: torch.device,
) -> tuple[Tensor, int, tuple[int, int]]:
    """For every program: first number, n, matrices, first matrix, first number of its scratch.

    iterations  that are walked back; None on the way forward
    returns     the table, the numbers of scratch in all, and which padded sizes are full and which
                are in part
    raises      ValueError   the sizes are not in the order of ``last``
    """
    if list(sizes) != sorted(sizes, key=last):
        raise ValueError(
            f"the Sinkhorn kernels got matrices of {', '.join(map(str, sizes))} rows one after the "
            f"other; those that fill a power of two were needed first, the largest before all.\n"
            f"  Call sinkhorn_fused_many, which puts them in order."
        )
    table, number, matrix, scratch = [], 0, 0, 0
    full = part = 0
    for count, n in zip(counts, sizes, strict=True):
        size = padded(n)
        tile = program.held(size, iterations is not None)
        # on the way back a program takes one tile after the other, so that scratch stays in L2
        tiles = max(1, -(-count // tile) // _slots(device)) if tile and iterations else 1
        vectors = 0
        if iterations is not None:
            vectors = iterations if tile else 4 * iterations + 1
        tile = max(1, tile)
        if count:
            full, part = (full | size, part) if n == size else (full, part | size)
        for first in range(0, count, tile * tiles):
            held = min(tile * tiles, count - first)
            table.append([number + first * n * n, n, held, matrix + first, scratch])
            scratch += -(-min(held, tile) * n * vectors // 4) * 4  # and the next is aligned
        number, matrix = number + count * n * n, matrix + count
    rows = torch.tensor(table, dtype=torch.int64, device=device).view(-1, 5)
    return rows, scratch, (full, part)


def _slots(device: torch.device) -> int:
    """Programs that a GPU runs at once, by the registers that most of them need."""
    return 4 * multiprocessors(device)


def _aligned(flat: Tensor) -> Tensor:
    # Triton compiles anew for what begins off a multiple of 16 bytes, and other code may sum in
    # another order: a matrix that is sliced out of a batch must not notice
    return flat.clone() if flat.data_ptr() % 16 else flat


def _options(masks: tuple[int, int], backward: bool) -> dict[str, Any]:
    return {
        "num_warps": program.WARPS,
        "maxnreg": program.registers(*masks, backward),
        "enable_fp_fusion": fp_fusion(),
    }
