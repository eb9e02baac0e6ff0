"""Tiles of many matrices of one size, each padded to N × N: how they are laid out and begin.

A tile is [i, matrix, j]. Of a matrix a thread holds R rows and C columns, of which E stand side by
side in memory and are read at once; the other rows and columns are of few threads beside it, so
that most of a sum is made within one thread. A tile comes from memory flat, in an order that leaves
every number where it is used. Where masks have numbers read one by one E is 1: of more, the
compiler would give those side by side to different threads.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.interpreted import INTERPRETED
from classay.kernels.sinkhorn.domain import (
    BITS,
    MOST,
    SPAN,
    again,
    apart,
    largest,
    power,
    refused,
    smallest,
)


@triton.constexpr_function
def axis_first(rows, columns, matrices):
    """The axis of a tile along which less changes hands when it is reduced first.

    That is the one of which a thread holds more, unless the four warps share a matrix.
    """
    return 0 if rows > columns and matrices >= 4 else 2


@triton.jit
def places(
    first, n, count,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Row, column, matrix, number in the tensor, and whether it is there, of a flat tile."""
    x = tl.arange(0, R * (C // E) * P * (N // R) * (N // C))[:, None]
    e = tl.arange(0, E)[None, :]
    own = x // (P * (N // R) * (N // C))  # of a thread
    row, column = x // (N // C) % (N // R), x % (N // C)
    if E == 1:  # masks make these again: kept for them, every row and column would take a register
        row, column = row + again(0), column + again(0)
    i = own // (C // E) * (N // R) + row
    j = own % (C // E) * (N // C * E) + column * E + e
    p = first + x // (N // R * (N // C)) % P
    return i, j, p, (p * n + i) * n + j, (p < count) & (i < n) & (j < n)


@triton.jit
def tiled(
    flat, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr
):
    """A flat tile as [i, matrix, j]."""
    x = tl.reshape(flat, [R, C // E, P, N // R, N // C * E])
    return tl.reshape(tl.permute(x, 0, 3, 2, 1, 4), [N, P, N])


@triton.jit
def flattened(
    tile, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr
):
    """The inverse of ``tiled``."""
    x = tl.permute(tl.reshape(tile, [R, N // R, P, C // E, N // C * E]), 0, 3, 2, 1, 4)
    return tl.reshape(x, [R * (C // E) * P * (N // R) * (N // C), E])


@triton.jit
def columns_of(
    n, present, ITERATIONS: tl.constexpr,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Where a vector of every matrix stands among those of all iterations, and whether it does.

    returns  (P N² / R E, E): once for every thread that holds rows of a matrix, so that each stores
             and loads what is its own, and no vector has to change hands
    """
    x = tl.arange(0, C // E * P * (N // R) * (N // C))[:, None]
    e = tl.arange(0, E)[None, :]
    j = x // (P * (N // R) * (N // C)) * (N // C * E) + x % (N // C) * E + e
    p = x // (N // R * (N // C)) % P
    return p * (n * ITERATIONS) + j, (p < present) & (j < n)


@triton.jit
def gathered(
    v, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr
):
    """Column vectors [1, matrix, j] as they stand in memory."""
    b = tl.reshape(tl.broadcast_to(v, [N // R, P, N]), [N // R, P, C // E, N // C * E])
    return tl.reshape(tl.permute(b, 2, 1, 0, 3), [C // E * P * (N // R) * (N // C), E])


@triton.jit
def spread(
    flat, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr
):
    """Column vectors as they stand in memory, beside every row of a tile."""
    b = tl.permute(tl.reshape(flat, [C // E, P, N // R, N // C * E]), 2, 1, 0, 3)
    b = tl.expand_dims(tl.reshape(b, [N // R, P, N]), 0)
    return tl.reshape(tl.broadcast_to(b, [R, N // R, P, N]), [N, P, N])


@triton.jit
def loaded(
    logits, begin, n, count,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Logits in a flat tile, from matrix ``begin`` on."""
    begin = again(begin)
    if PADDED:
        n = again(n)
    i, j, p, place, inside = places(begin, n, count, N, R, C, E, P)
    if PADDED:
        # neither the largest nor the smallest of a matrix may be one that is not there: of what is
        # not, the last row and column are taken again
        place = (p * n + tl.minimum(i, n - 1)) * n + tl.minimum(j, n - 1)
        inside = p < count
    return tl.load(logits + place, mask=inside, other=0.0)


@triton.jit
def _beside(
    x, n, N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr, P: tl.constexpr
):  # fmt: skip
    """Logarithms with those of an identity matrix in their padding."""
    i, j, _, _, inside = places(0, again(n), P, N, R, C, E, P)
    identity = tiled(tl.where(i == j, 0.0, float("-inf")), N, R, C, E, P)
    return tl.where(tiled(inside, N, R, C, E, P), x, identity)


@triton.jit
def narrow(
    flat, n, temperature,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """A = exp(logits / temperature) up to a factor; which matrices the log domain is left with."""
    x = tiled(flat.to(tl.float32), N, R, C, E, P)
    FIRST: tl.constexpr = axis_first(R, C, P)
    high, least = largest(x, FIRST), smallest(x, FIRST)  # [1, P, 1]
    most = MOST * tl.minimum(temperature, 1.0)
    known = (high <= most) & (least >= -most)
    high, least = tl.where(known, high, 0.0), tl.where(known, least, 0.0)
    left = (known == 0) | apart(high, least, temperature, SPAN)
    # so A waits for the least too, and takes the registers of x: it would be made before, beside x
    high = tl.where(left, 0.0, high)
    if INTERPRETED:  # it warns of what comes to nothing in a matrix that is left
        x = tl.where(left, 0.0, x)
    x = (x - high) * (BITS / temperature)
    if PADDED:
        x = _beside(x, n, N, R, C, E, P)
    return power(x), left


@triton.jit
def wide(
    flat, n, temperature, zeros,
    N: tl.constexpr, R: tl.constexpr, C: tl.constexpr, E: tl.constexpr,
    P: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """log A; which matrices are bad; which belong to the log domain, those and the wide ones."""
    x = tiled(flat.to(tl.float32), N, R, C, E, P)
    wrong = refused(x, temperature, zeros).to(tl.int32)
    bad = tl.max(tl.max(wrong, 2, keep_dims=True), 0, keep_dims=True) != 0
    x = tl.where(bad, 0.0, x)
    high, zero = largest(x), x == float("-inf")
    least = smallest(tl.where(zero, high, x))
    some = tl.max(tl.max(zero.to(tl.int32), 2, keep_dims=True), 0, keep_dims=True) != 0
    # a difference that overflows would be a zero that nobody asked for
    bad |= apart(high, least, tl.minimum(temperature, 1.0), MOST)
    own = bad | some | apart(high, least, temperature, SPAN)
    x = tl.where(bad, 0.0, x - tl.where(bad, x, high)) / temperature
    if PADDED:
        x = _beside(x, n, N, R, C, E, P)
    return x, bad, own
