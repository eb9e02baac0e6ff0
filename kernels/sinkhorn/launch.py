"""Matrices of any sizes in one flat tensor, a launch for each size class that occurs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from classay.kernels.compilation import fp_fusion
from classay.kernels.sinkhorn import resident, streaming

LARGEST = max(streaming.SIZES)


class SizeClass(NamedTuple):
    """What one launch needs to be told, whichever way it goes."""

    module: Any  # its _forward and _backward
    constexprs: dict[str, int]
    warps: int
    most: int  # matrices in a program
    vectors: int  # floats stored for the way back, for every row of a matrix


def forward(
    logits: Tensor,
    counts: Sequence[int],
    sizes: Sequence[int],
    iterations: int,
    temperature: float,
    zeros: bool,
) -> tuple[Tensor, Tensor]:
    """Matrices and certificates.

    logits   flat: counts[0] matrices of size sizes[0], then counts[1] of sizes[1], ...
    returns  float32: the matrices as flat as the logits; (4, matrices)
    """
    out = torch.empty_like(logits, dtype=torch.float32)
    certificate = out.new_empty(4, sum(counts))
    scalars = (certificate.shape[1], float(temperature), int(zeros))
    with torch.cuda.device_of(logits):
        for form, table, _ in _launches(counts, sizes, iterations, logits.device):
            form.module._forward[(len(table),)](
                logits, table, out, certificate, *scalars, **_options(form, iterations)
            )
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
    scalars = (float(temperature), int(zeros))
    with torch.cuda.device_of(logits):
        for form, table, rows in _launches(counts, sizes, iterations, logits.device):
            scratch = dout.new_empty(rows * form.vectors)
            form.module._backward[(len(table),)](
                logits, table, dout, dlogits, scratch, *scalars, **_options(form, iterations)
            )
    return dlogits


def size_class(n: int, iterations: int) -> SizeClass:
    """The class of a size.

    raises  ValueError   no kernel holds such a matrix
    """
    if n > LARGEST:
        raise ValueError(
            f"the Sinkhorn kernels got a matrix of {n} rows; at most {LARGEST} was needed.\n"
            f"  Call sinkhorn_reference, which has no such limit."
        )
    for padded, (most, warps) in resident.SIZES.items():
        if n <= padded:
            constexprs = {"N": padded, "P": most}
            return SizeClass(resident, constexprs, warps, most, iterations)
    padded = min(size for size in streaming.SIZES if n <= size)
    rows, warps = streaming.SIZES[padded]
    vectors = 4 * iterations + 1
    return SizeClass(streaming, {"N": padded, "ROWS": rows}, warps, 1, vectors)


def _launches(
    counts: Sequence[int], sizes: Sequence[int], iterations: int, device: torch.device
) -> Iterator[tuple[SizeClass, Tensor, int]]:
    forms = [size_class(n, iterations) for n in sizes]
    for form in {each.constexprs["N"]: each for each in forms}.values():
        members = tuple(each == form for each in forms)
        table, rows = _table(tuple(counts), tuple(sizes), members, form.most, device)
        if len(table):
            yield form, table, rows


@lru_cache(maxsize=64)
def _table(
    counts: tuple[int, ...],
    sizes: tuple[int, ...],
    members: tuple[bool, ...],
    most: int,
    device: torch.device,
) -> tuple[Tensor, int]:
    """For every program of a launch: first number, n, matrices, first matrix, rows before it."""
    table, number, matrix, rows = [], 0, 0, 0
    for count, n, member in zip(counts, sizes, members, strict=True):
        for first in range(0, count if member else 0, most):
            held = min(most, count - first)
            table.append([number + first * n * n, n, held, matrix + first, rows])
            rows += held * n
        number, matrix = number + count * n * n, matrix + count
    return torch.tensor(table, dtype=torch.int64, device=device).view(-1, 5), rows


def _options(form: SizeClass, iterations: int) -> dict[str, Any]:
    launch = {"num_warps": form.warps, "enable_fp_fusion": fp_fusion()}
    return form.constexprs | {"ITERATIONS": iterations} | launch
