"""Mixing the streams as Triton programs: h is read from memory once and y is written once.

With C = M − I, s = Q h and, of the gradient g of y, t = Q g, all of them one vector a token::

    y  = h + α Qᵀ (C ⊗ I_r) s
    ∂h = g + α Qᵀ (Cᵀ ⊗ I_r) t              the same program, of Mᵀ
    P  = Σ_tokens s gᵀ,   W = Σ_tokens t hᵀ                                  both (n r, d)
    ∂Q = α ((C ⊗ I_r) P + (Cᵀ ⊗ I_r) W)
    S  = Σ_tokens Σ_ρ t[i, ρ] s[j, ρ] = Σ_ρ Q[i, ρ] · P[j, ρ]                         (n, n)
    ∂M = α S,   ∂α = Σ_ij C_ij S_ij

∂Q is the derivative of α Σ_tokens tᵀ (C ⊗ I_r) s, in which Q stands twice. S needs no pass of its
own, for t = Q g. So the forward keeps s, which is n r numbers a token, and the backward has two
passes: ``mix_*`` over g, and ``token_sums`` over (s, g) and (t, h) at once.

No program adds to what another one wrote: the sums over tokens are cut into pieces of a fixed size
and the pieces are added in their order. Pieces of a fixed size and not a fixed number of them, as a
loop then has a bound that is known when it is compiled.

The products are ``tf32x3``: three of TF32 on tensor cores, which keep 22 of float32's 24 bits.
"""

from __future__ import annotations

import triton
import triton.language as tl

from classay.kernels.interpreted import INTERPRETED

# the number of tokens is never compiled in: a token would get other bits alone than in a batch
_for_any_batch = triton.jit(do_not_specialize=["tokens"])


@triton.jit
def _change(m, alpha, rows, columns, N: tl.constexpr, R: tl.constexpr):
    met = (rows % R == columns % R) & (rows < N * R) & (columns < N * R)
    c = tl.load(m + (rows // R) * N + columns // R, mask=met, other=0.0)
    return tl.load(alpha) * tl.where(met & (rows == columns), c - 1.0, c)


@triton.jit
def _added(a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7):
    return a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4, a5 + b5, a6 + b6, a7 + b7


@triton.jit
def _projected(x, b):
    """The sums of x with eight rows, in one reduction: one wait of the warps for each other."""
    if INTERPRETED:  # it would reduce by a function of ours one number at a time
        s = ()
        for k in tl.static_range(8):
            s = s + (tl.sum(x * b[k][None, :], 1),)  # noqa: RUF005 - Triton unpacks nothing
        return s
    return tl.reduce(
        (
            x * b[0][None, :], x * b[1][None, :], x * b[2][None, :], x * b[3][None, :],
            x * b[4][None, :], x * b[5][None, :], x * b[6][None, :], x * b[7][None, :],
        ),
        1,
        _added,
    )  # fmt: skip


@_for_any_batch
def mix_rows(
    h, m, q, alpha, y, streams, tokens,
    N: tl.constexpr, R: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """y and s = Q h for few streams: Q stays in registers, and whole tokens pass by.

    h, y     (tokens, D)      bfloat16 or float32; h is read once
    m        (N, N)           float32
    q        (N R, D)         float32, at most 8 rows; read once by every program
    alpha    ()               float32
    streams  (tokens, N R)    float32; s
    TOKENS   at a time; a program goes on with those of the whole grid's next turn
    WIDTH    coordinates of a token in registers, the power of two that holds D
    """
    j = tl.arange(0, WIDTH)
    own = tl.arange(0, TOKENS)
    a = tl.load(alpha)
    b = ()
    for k in tl.static_range(8):
        row = tl.load(q + k * D + j, mask=(j < D) & (k < N * R), other=0.0)
        b = b + (row,)  # noqa: RUF005
    change = ()
    for i in tl.static_range(N):
        for f in tl.static_range(N):
            entry = a * (tl.load(m + i * N + f) - (1.0 if i == f else 0.0))
            change = change + (entry,)  # noqa: RUF005
    place = own[:, None] * D + j[None, :]
    turn = tl.num_programs(0).to(tl.int64) * TOKENS
    first = tl.program_id(0).to(tl.int64) * TOKENS
    inside = (first + own[:, None] < tokens) & (j[None, :] < D)
    read = tl.load(h + first * D + place, mask=inside, other=0.0)
    while first < tokens:
        # the next tokens are on their way while these are mixed
        later = (first + turn + own[:, None] < tokens) & (j[None, :] < D)
        following = tl.load(h + (first + turn) * D + place, mask=later, other=0.0)
        x = read.to(tl.float32)  # [TOKENS, WIDTH]
        s = _projected(x, b)
        # the change is summed apart from h, so that h is rounded once and not n r times
        total = tl.zeros((TOKENS, WIDTH), tl.float32)
        for i in tl.static_range(N):
            for e in tl.static_range(R):
                to = streams + (first + own) * (N * R) + (i * R + e)
                tl.store(to, s[i * R + e], mask=first + own < tokens)
                moved = tl.zeros((TOKENS,), tl.float32)
                for f in tl.static_range(N):
                    moved += change[i * N + f] * s[f * R + e]
                total += moved[:, None] * b[i * R + e][None, :]
        here = (first + own[:, None] < tokens) & (j[None, :] < D)
        tl.store(y + first * D + place, (x + total).to(y.dtype.element_ty), mask=here)
        read = following
        first += turn


@_for_any_batch
def mix_tiles(
    h, m, q, alpha, y, streams, tokens,
    N: tl.constexpr, R: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """y and s = Q h for many streams or long tokens: matrix products, piece by piece of a token.

    h, y     (tokens, D)      bfloat16 or float32
    m        (N, N)           float32
    q        (N R, D)         float32
    alpha    ()               float32
    streams  (tokens, N R)    float32; s
    TOKENS   of one program
    WIDTH    coordinates of one piece
    PADDED   the power of two that holds N R, and 16 or more
    """
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
    # h is read again, and L2 answers: an SM has registers for one program, so that at d = 4096 in
    # float32 132 tiles of 256 KB wait on an H100, whose L2 holds 50 MB; longer tokens come in part
    # from memory. The tile is not kept: 256 KB is every register of an SM, and a smaller one would
    # have to be cut by a loop that is unrolled, as nothing indexes registers
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
def _with_tokens(total, left, right, t, k, j, tokens, K: tl.constexpr, D: tl.constexpr):
    wanted = t[:, None] < tokens
    a = tl.load(left + t[:, None] * K + k[None, :], mask=wanted & (k[None, :] < K), other=0.0)
    b = tl.load(right + t[:, None] * D + j[None, :], mask=wanted & (j[None, :] < D), other=0.0)
    return tl.dot(tl.trans(a), b.to(tl.float32), total, input_precision="tf32x3")


@_for_any_batch
def token_sums(
    streams, g, pulled, h, parts, tokens,
    K: tl.constexpr, D: tl.constexpr,
    TOKENS: tl.constexpr, TILES: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Σ s gᵀ and Σ t hᵀ over TILES tiles of TOKENS tokens: one part of each sum over all.

    streams  (tokens, K)      float32; s
    g        (tokens, D)      bfloat16 or float32
    pulled   (tokens, K)      float32; t
    h        (tokens, D)      the type of g
    parts    (2, ⌈tokens / (TILES TOKENS)⌉, K, D)   float32; P's and W's
    WIDTH    coordinates of g and h of one program
    PADDED   the power of two that holds K, and 16 or more
    """
    part = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, PADDED)
    j = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    p = tl.zeros((PADDED, WIDTH), tl.float32)
    w = tl.zeros((PADDED, WIDTH), tl.float32)
    # both sums in one loop: twice as much is on its way from memory as for one of them
    for tile in range(TILES):
        t = (part * TILES + tile) * TOKENS + tl.arange(0, TOKENS)
        p = _with_tokens(p, streams, g, t, k, j, tokens, K, D)
        w = _with_tokens(w, pulled, h, t, k, j, tokens, K, D)
    kept = (k[:, None] < K) & (j[None, :] < D)
    place = (part * K + k[:, None]) * D + j[None, :]
    tl.store(parts + place, p, mask=kept)
    tl.store(parts + tl.num_programs(0).to(tl.int64) * K * D + place, w, mask=kept)
