"""Mixing the streams as Triton programs: h is read from memory once and y is written once.

With C = M − I, s = Q h and, of the gradient g of y, t = Q g, all of them one vector a token::

    y  = h + α Qᵀ (C ⊗ I_r) s
    ∂h = g + α Qᵀ (Cᵀ ⊗ I_r) t              the same program, of Mᵀ
    P  = Σ_tokens s gᵀ,   W = Σ_tokens t hᵀ                                  both (n r, d)
    ∂Q = α ((C ⊗ I_r) P + (Cᵀ ⊗ I_r) W)
    S  = Σ_tokens Σ_ρ t[i, ρ] s[j, ρ] = Σ_ρ Q[i, ρ] · P[j, ρ]                         (n, n)
    ∂M = α S,   ∂α = Σ_ij C_ij S_ij

∂Q is the derivative of α Σ_tokens tᵀ (C ⊗ I_r) s, in which Q stands twice. S needs no pass of its
own, for t = Q g. So the forward keeps s, which is n r numbers a token, and the backward has three
passes: ``mix_*`` over g, and ``token_sums`` over (s, g) and over (t, h).

No program adds to what another one wrote: the sums over tokens are cut into pieces of a fixed size
and the pieces are added in their order. Which program a token falls to depends on nothing but its
place, and what it becomes does not depend on its place either.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _change(m, alpha, rows, columns, N: tl.constexpr, R: tl.constexpr):
    met = (rows % R == columns % R) & (rows < N * R) & (columns < N * R)
    c = tl.load(m + (rows // R) * N + columns // R, mask=met, other=0.0)
    return tl.load(alpha) * tl.where(met & (rows == columns), c - 1.0, c)


@triton.jit
def mix_rows(
    h, m, q, alpha, y, streams, tokens,
    N: tl.constexpr, R: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Few streams: whole tokens in registers and plain sums, exact float32.

    TOKENS of one program; WIDTH and PADDED are the powers of two that hold D and N R.
    """
    t = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    j = tl.arange(0, WIDTH)
    k = tl.arange(0, PADDED)
    place = t[:, None] * D + j[None, :]
    inside = (t[:, None] < tokens) & (j[None, :] < D)

    x = tl.load(h + place, mask=inside, other=0.0).to(tl.float32)  # [TOKENS, WIDTH]
    s = tl.zeros((TOKENS, PADDED), tl.float32)
    for one in tl.static_range(N * R):
        b = tl.load(q + one * D + j, mask=j < D, other=0.0)
        s = tl.where(k[None, :] == one, tl.sum(x * b[None, :], 1)[:, None], s)
    kept = (t[:, None] < tokens) & (k[None, :] < N * R)
    tl.store(streams + t[:, None] * (N * R) + k[None, :], s, mask=kept)

    change = _change(m, alpha, k[:, None], k[None, :], N, R)  # [PADDED, PADDED]
    moved = tl.sum(s[:, None, :] * change[None, :, :], 2)  # [TOKENS, PADDED]
    # the change is summed apart from h, so that h is rounded once and not n r times
    total = tl.zeros((TOKENS, WIDTH), tl.float32)
    for one in tl.static_range(N * R):
        b = tl.load(q + one * D + j, mask=j < D, other=0.0)
        total += tl.sum(tl.where(k[None, :] == one, moved, 0.0), 1)[:, None] * b[None, :]
    tl.store(y + place, (x + total).to(y.dtype.element_ty), mask=inside)


@triton.jit
def mix_tiles(
    h, m, q, alpha, y, streams, tokens,
    N: tl.constexpr, R: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Many streams: matrix products over pieces of WIDTH coordinates."""
    t = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    k = tl.arange(0, PADDED)
    wanted = t[:, None] < tokens

    s = tl.zeros((TOKENS, PADDED), tl.float32)
    for piece in range((D + WIDTH - 1) // WIDTH):
        j = piece * WIDTH + tl.arange(0, WIDTH)
        inside = j[None, :] < D
        x = tl.load(
            h + t[:, None] * D + j[None, :],
            mask=wanted & inside, other=0.0, eviction_policy="evict_last",
        )  # fmt: skip
        b = tl.load(q + k[:, None] * D + j[None, :], mask=(k[:, None] < N * R) & inside, other=0.0)
        s = tl.dot(x.to(tl.float32), tl.trans(b), s, input_precision="tf32x3")
    kept = wanted & (k[None, :] < N * R)
    tl.store(streams + t[:, None] * (N * R) + k[None, :], s, mask=kept)

    change = _change(m, alpha, k[:, None], k[None, :], N, R)  # [PADDED, PADDED]
    moved = tl.dot(s, tl.trans(change), input_precision="tf32x3")  # [TOKENS, PADDED]
    for piece in range((D + WIDTH - 1) // WIDTH):
        j = piece * WIDTH + tl.arange(0, WIDTH)
        inside = j[None, :] < D
        b = tl.load(q + k[:, None] * D + j[None, :], mask=(k[:, None] < N * R) & inside, other=0.0)
        x = tl.load(
            h + t[:, None] * D + j[None, :],
            mask=wanted & inside, other=0.0, eviction_policy="evict_first",
        )  # fmt: skip
        total = x.to(tl.float32) + tl.dot(moved, b, input_precision="tf32x3")
        place = t[:, None] * D + j[None, :]
        tl.store(y + place, total.to(y.dtype.element_ty), mask=wanted & inside)


@triton.jit
def token_sums(
    left, right, parts, tokens,
    K: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, TILES: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Σ left rightᵀ over TILES tiles of TOKENS tokens, for WIDTH coordinates of right."""
    part = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, PADDED)
    j = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros((PADDED, WIDTH), tl.float32)
    for tile in range(TILES):
        t = (part * TILES + tile) * TOKENS + tl.arange(0, TOKENS)
        wanted = t < tokens
        a = tl.load(
            left + t[:, None] * K + k[None, :],
            mask=wanted[:, None] & (k[None, :] < K), other=0.0,
        )  # fmt: skip
        b = tl.load(
            right + t[:, None] * D + j[None, :],
            mask=wanted[:, None] & (j[None, :] < D), other=0.0,
        )  # fmt: skip
        total = tl.dot(tl.trans(a), b.to(tl.float32), total, input_precision="tf32x3")
    kept = (k[:, None] < K) & (j[None, :] < D)
    tl.store(parts + (part * K + k[:, None]) * D + j[None, :], total, mask=kept)
