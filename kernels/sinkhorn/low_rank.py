"""The way back for matrices of which registers hold one tile and no second, n = 128.

The gradient is that of ``resident``, ∂L = A ∘ S. Of S its sums over the matrix need vectors alone,
so that A is all that stays; when the vectors are known S is put together in the place of A::

    S = ∂M ∘ u vᵀ − Σ_t (u w_tᵀ + f_t vᵀ)       u, v: the scalings of iteration t, v before it

A vector stands in memory as threads hold it, four numbers at a time: a thread is of one of G groups
of rows and one of L groups of columns. Where masks need registers too they do not suffice.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.sinkhorn import streaming
from classay.kernels.sinkhorn.domain import BITS, power, scaled, scaling, times
from classay.kernels.sinkhorn.tiles import loaded, tiled

R = tl.constexpr(16)  # rows that a thread holds
C = tl.constexpr(8)  # columns


@triton.jit
def _own(K: tl.constexpr, N: tl.constexpr):
    """Group of rows, group of columns, and number, of K numbers of every thread."""
    x = tl.arange(0, K // 4 * (N // R) * (N // C))[:, None]
    own = x // (N // R * (N // C)) * 4 + tl.arange(0, 4)[None, :]
    return x // (N // C) % (N // R), x % (N // C), own


@triton.jit
def _place_of_row(i, N: tl.constexpr):
    return i % (N // R) * R + i // (N // R)


@triton.jit
def _place_of_column(j, N: tl.constexpr):
    return j // 4 % (N // C) * C + j // (N // C * 4) * 4 + j % 4


@triton.jit
def _gathered_rows(u, N: tl.constexpr):
    """A row vector [i, 1, 1] as it stands in memory."""
    x = tl.reshape(tl.broadcast_to(u, [N, 1, N // C]), [R // 4, 4, N // R, N // C])
    return tl.reshape(tl.permute(x, 0, 2, 3, 1), [R // 4 * (N // R) * (N // C), 4])


@triton.jit
def _gathered_columns(v, N: tl.constexpr):
    """A column vector [1, 1, j] as it stands in memory."""
    x = tl.reshape(tl.broadcast_to(v, [N // R, 1, N]), [N // R, C // 4, N // C, 4])
    return tl.reshape(tl.permute(x, 1, 0, 2, 3), [C // 4 * (N // R) * (N // C), 4])


@triton.jit
def _spread_rows(flat, K: tl.constexpr, N: tl.constexpr):
    """K rows of every thread, [K, 1, G, L, 1]."""
    x = tl.permute(tl.reshape(flat, [K // 4, N // R, N // C, 4]), 0, 3, 1, 2)
    return tl.reshape(x, [K, 1, N // R, N // C, 1])


@triton.jit
def _spread_columns(flat, N: tl.constexpr):
    """The columns of every thread, [1, C / 4, G, L, 4]."""
    return tl.reshape(flat, [1, C // 4, N // R, N // C, 4])


@triton.jit
def _beside_rows(flat, N: tl.constexpr):
    """A row vector beside every column of a tile."""
    x = tl.permute(_spread_rows(flat, R, N), 0, 2, 1, 3, 4)
    return tl.reshape(tl.broadcast_to(x, [R, N // R, C // 4, N // C, 4]), [N, 1, N])


@triton.jit
def _beside_columns(flat, N: tl.constexpr):
    """A column vector beside every row of a tile."""
    x = tl.permute(_spread_columns(flat, N), 0, 2, 1, 3, 4)
    return tl.reshape(tl.broadcast_to(x, [R, N // R, C // 4, N // C, 4]), [N, 1, N])


@triton.jit
def _exponentials(logits, peak, temperature, N: tl.constexpr):
    """A, made anew wherever it is asked for."""
    x = tiled(loaded(logits, 0, N, 1, N, R, C, 4, 1, False).to(tl.float32), N, R, C, 4, 1)
    return power((x - peak) * (BITS / temperature))


@triton.jit
def _iterated(logits, peak, temperature, vs, us, ITERATIONS: tl.constexpr, N: tl.constexpr):
    """Store the scalings of every iteration: of columns before it and, at last, after it."""
    a = _exponentials(logits, peak, temperature, N)
    v = tl.full([1, 1, N], 1.0, tl.float32)
    for t in range(ITERATIONS):
        tl.store(vs + t * N, _gathered_columns(v, N))
        u = scaling(a, v, 2, False)
        tl.store(us + t * N, _gathered_rows(u, N))
        v = scaling(a, u, 0, False)
    tl.store(vs + ITERATIONS * N, _gathered_columns(v, N))


@triton.jit
def _summed(
    logits, dout, scratch, peak, temperature,
    ITERATIONS: tl.constexpr, ROWS: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Store the sums of ∂M ∘ M along columns and rows where the last w and f will stand."""
    last = (ITERATIONS - 1) * N
    us, ws = scratch + (ITERATIONS + 1) * N + last, scratch + (2 * ITERATIONS + 1) * N + last
    column = _place_of_column(tl.arange(0, N)[None, :], N)
    v = tl.load(scratch + ITERATIONS * N + column)
    sums = tl.zeros([ROWS, N], tl.float32)
    for k in range(N // ROWS):
        i, place, inside = streaming.places(k, N, ROWS, N)
        row = _place_of_row(i, N)
        a = streaming.tile(logits, i, place, inside, peak, False, temperature, N, False, False)
        d = tl.load(dout + place, mask=inside, other=0.0)
        d = times(d, scaled(a, tl.load(us + row), v, False))
        sums += d
        tl.store(ws + ITERATIONS * N + row, tl.sum(d, 1, keep_dims=True))
    tl.store(ws + column, tl.sum(sums, 0, keep_dims=True))


@triton.jit
def _reversed(logits, peak, temperature, vs, us, ws, fs, ITERATIONS: tl.constexpr, N: tl.constexpr):
    """Store w and f of every iteration, the last first."""
    a = _exponentials(logits, peak, temperature, N)
    last = (ITERATIONS - 1) * N
    sums, behind, v = tl.load(ws + last), tl.load(fs + last), tl.load(vs + last + N)
    # all have them before the first w and f are written in their place
    tl.debug_barrier()
    for back in range(ITERATIONS):
        at = last - back * N
        before, u = tl.load(vs + at), tl.load(us + at)
        w = sums * tl.where(back == 0, 1.0, -v) * v
        along = tl.sum(a * _beside_columns(w, N), 2, keep_dims=True)
        f = (behind - u * _gathered_rows(along, N)) * u
        tl.store(ws + at, w)
        tl.store(fs + at, f)
        along = tl.sum(a * _beside_rows(f, N), 0, keep_dims=True)
        sums, behind, v = _gathered_columns(along, N), tl.zeros_like(behind), before


@triton.jit
def _assembled(
    logits, dout, dlogits, scratch, peak, temperature, vs, ws, first,
    ITERATIONS: tl.constexpr, K: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Store the gradient of K rows of every thread from its first on, as flat as they come."""
    G: tl.constexpr = N // R
    L: tl.constexpr = N // C
    x, e = tl.arange(0, K * (C // 4) * G * L)[:, None], tl.arange(0, 4)[None, :]
    own = x // (G * L)
    i = (first + own // (C // 4)) * G + x // L % G
    j = own % (C // 4) * (L * 4) + x % L * 4 + e
    place = i * N + j

    group, _, number = _own(K, N)
    us, last = scratch + (ITERATIONS + 1) * N + group * R + first + number, (ITERATIONS - 1) * N
    fs = us + 2 * ITERATIONS * N
    g = tl.load(dout + place)
    s = tl.reshape(g, [K, C // 4, G, L, 4]) * _spread_rows(tl.load(us + last), K, N)
    s = times(s, _spread_columns(tl.load(vs + last + N), N))
    for back in range(ITERATIONS):
        at = last - back * N
        u, w, f, before = tl.load(us + at), tl.load(ws + at), tl.load(fs + at), tl.load(vs + at)
        s -= _spread_rows(u, K, N) * _spread_columns(w, N)
        s -= _spread_rows(f, K, N) * _spread_columns(before, N)
    logit = tl.load(logits + place).to(tl.float32)
    d = tl.reshape(s, logit.shape) * power((logit - peak) * (BITS / temperature))
    if temperature != 1.0:
        d /= temperature
    tl.store(dlogits + place, d)


@triton.jit
def backward(
    logits, dout, dlogits, scratch, temperature, zeros, ITERATIONS: tl.constexpr, N: tl.constexpr
):
    """The gradient of the logits, at these pointers.

    scratch  (ITERATIONS + 1, N) column scalings, then (ITERATIONS, N) each of u, w and f
    """
    ROWS: tl.constexpr = streaming.TILE // N
    K: tl.constexpr = R // 2
    peak, bad, wide = streaming.measured(logits, N, temperature, zeros, ROWS, N)
    if bad | wide:
        streaming.backward(
            logits, dout, dlogits, scratch, N, temperature, zeros, ITERATIONS, N, False
        )
    else:
        group, _, number = _own(R, N)
        us = scratch + (ITERATIONS + 1) * N + group * R + number
        _, group, number = _own(C, N)
        vs = scratch + group * C + number
        ws, fs = vs + (2 * ITERATIONS + 1) * N, us + 2 * ITERATIONS * N
        _iterated(logits, peak, temperature, vs, us, ITERATIONS, N)
        # what one thread stored another may load
        tl.debug_barrier()
        _summed(logits, dout, scratch, peak, temperature, ITERATIONS, ROWS, N)
        tl.debug_barrier()
        _reversed(logits, peak, temperature, vs, us, ws, fs, ITERATIONS, N)
        tl.debug_barrier()
        for part in tl.static_range(2):
            _assembled(
                logits, dout, dlogits, scratch, peak, temperature, vs, ws, part * K,
                ITERATIONS, K, N,
            )  # fmt: skip
