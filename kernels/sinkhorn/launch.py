"""Matrices of any sizes in one flat tensor, by one launch each way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

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
    launch = _kept(_tabled(tuple(counts), tuple(sizes), None, logits.device))
    if len(launch.table):
        with torch.cuda.device_of(logits):
            program.forward[(len(launch.table),)](
                _aligned(logits), launch.table, out, certificate, certificate.shape[1],
                float(temperature), int(zeros), iterations, launch.full, launch.part,
                **_options(launch),
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
    launch = _kept(_tabled(tuple(counts), tuple(sizes), iterations, logits.device))
    if len(launch.table):
        with torch.cuda.device_of(logits):
            program.backward[(len(launch.table),)](
                _aligned(logits), launch.table, _aligned(dout), dlogits,
                dout.new_empty(launch.scratch), float(temperature), int(zeros), iterations,
                launch.full, launch.part, **_options(launch),
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


def last(n: int) -> int:
    """What matrices of different sizes are sorted by, so that those that fill a tile are aligned.

    n        rows of a matrix; n² of a power of two is a multiple of every smaller one's
    """
    return (LARGEST + 1 if padded(n) != n else 0) - n


class _Launch(NamedTuple):
    table: Tensor  # of every program: first number, n, matrices, first matrix, first of its scratch
    scratch: int  # numbers of all programs
    full: int  # the sum of the padded sizes that occur, of matrices that fill them
    part: int  # and of matrices that do not
    registers: int  # the most of a thread


_CAPTURED: list[Tensor] = []


def _kept(launch: _Launch) -> _Launch:
    # a CUDA graph holds the address of a table and not the table, which the cache may let go
    if launch.table.is_cuda and torch.cuda.is_current_stream_capturing():
        _CAPTURED.append(launch.table)
    return launch


@lru_cache(maxsize=64)
def _tabled(
    counts: tuple[int, ...],
    sizes: tuple[int, ...],
    iterations: int | None,
    device: torch.device,
) -> _Launch:
    """Which program has which matrices, and with how many registers.

    iterations  that are walked back; None on the way forward
    returns     a launch; on the way back about as many programs as run at once
    raises      ValueError   the sizes are not in the order of ``last``
    """
    if list(sizes) != sorted(sizes, key=last):
        raise ValueError(
            f"the Sinkhorn kernels got matrices of {', '.join(map(str, sizes))} rows one after the "
            f"other; those that fill a power of two were needed first, the largest before all.\n"
            f"  Call sinkhorn_fused_many, which puts them in order."
        )
    kinds = [(count, n, padded(n)) for count, n in zip(counts, sizes, strict=True) if count]
    full = sum({size for _, n, size in kinds if n == size})
    part = sum({size for _, n, size in kinds if n != size})
    back = iterations is not None
    tiles = sum(-(-count // max(1, program.held(size, back))) for count, _, size in kinds)
    crowded = tiles > _slots(program.ALL, device)
    registers = program.registers(full, part, back, crowded)
    # on the way back a program takes one tile after the other, so that all programs run at once and
    # their scratch stays in L2
    turns = -(-tiles // _slots(registers, device)) if back else 1
    table, number, matrix, scratch = [], 0, 0, 0
    for count, n, size in kinds:
        tile, vectors = program.held(size, back), 0
        if iterations is not None:
            vectors = iterations if tile else 4 * iterations + 1
        most = tile * turns or 1  # of a program
        tile = tile or 1
        for first in range(0, count, most):
            held = min(most, count - first)
            table.append([number + first * n * n, n, held, matrix + first, scratch])
            scratch += -(-min(held, tile) * n * vectors // 4) * 4  # and the next is aligned
        number, matrix = number + count * n * n, matrix + count
    rows = torch.tensor(table, dtype=torch.int64, device=device).view(-1, 5)
    return _Launch(rows, scratch, full, part, registers)


def _slots(registers: int, device: torch.device) -> int:
    """Programs that a GPU has the registers for at once."""
    return multiprocessors(device) * program.at_once(registers)


def _aligned(flat: Tensor) -> Tensor:
    # Triton compiles anew for what begins off a multiple of 16 bytes, and other code may sum in
    # another order: a matrix that is sliced out of a batch must not notice
    return flat.clone() if flat.data_ptr() % 16 else flat


def _options(launch: _Launch) -> dict[str, Any]:
    return {
        "num_warps": program.WARPS,
        "maxnreg": launch.registers,
        "enable_fp_fusion": fp_fusion(),
    }
