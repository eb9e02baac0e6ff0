"""Subspaces of what goes into linear maps of one shape, all maps together.

::

    G = X Xᵀ                                         (n, d, d) float64, X (d, tokens) the inputs
    P G P = U diag(λ₁ ≥ λ₂ ≥ …) Uᵀ                   P projects on what is still free

The columns of U are the left singular vectors of P X, and λ its squared singular values.

choices     a direction with less than 10⁻¹² of the energy is rounding of float32 inputs, and none
            the largest entry of every column is positive, so that no sign is left open
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Phase

FLOOR = 1e-12  # of the energy, the trace of G


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """How much of a domain's inputs is to be held, and from how many rows that is read."""

    threshold: Annotated[float, Field(ge=0, le=1)]  # ε of the first domain
    examples: Annotated[int, Field(gt=0)]  # rows a domain whose inputs are looked at
    rise: Annotated[float, Field(ge=0)] = 0.0  # of ε, a domain

    def of(self, phase: Phase) -> float:
        """ε of a domain: min(1, threshold + rise · its place)."""
        return min(1.0, self.threshold + self.rise * phase.index)


def directions(moments: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Where the inputs lie within what is free, the strongest first.

    moments  G, (n, d, d)
    free     P, (n, d, d)
    returns  λ / Σ of all energy (n, d), 0 where there is no direction; U (n, d, d), every column in
             what is free
    """
    import torch

    values, vectors = torch.linalg.eigh(free @ moments @ free)
    energy = moments.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    shares = values.flip(-1) / torch.where(energy > 0, energy, 1.0)
    # a weak direction comes out mixed with what is not free, where P G P is 0
    return torch.where(shares > FLOOR, shares, 0.0), _signed(free @ vectors.flip(-1))


def needed(shares: Tensor, threshold: float) -> Tensor:
    """The least k with which what was kept before and k more hold their part of the energy.

    ::

        1 − Σ_j λ_j / Σ  +  Σ_{j ≤ k} λ_j / Σ  ≥  threshold

    shares   (n, d), from ``directions``
    returns  (n,); 0 for a threshold of 0, every direction there is for a threshold of 1
    """
    import torch

    # a product, because a running sum has no deterministic kernel on a GPU
    within = shares @ torch.ones(shares.shape[-1], shares.shape[-1]).to(shares).triu(1)
    before = (1 - shares.sum(-1, keepdim=True)).clamp(min=0) + within
    return ((before < threshold) & (shares > 0)).sum(-1)


def spanned(vectors: Tensor, counts: Tensor) -> Tensor:
    """The projection on the first ``counts`` columns, (n, d, d)."""
    kept = _first(vectors, counts)
    return kept @ kept.mT


def basis(projection: Tensor) -> Tensor:
    """Orthonormal columns that span what an orthogonal projection (n, d, d) projects on.

    returns  (n, d, greatest rank, at least 1) float32, zeros behind the columns of a lesser rank
    """
    import torch

    counts = rank(projection)
    widest = max(1, int(counts.max()))
    vectors = torch.linalg.eigh(projection)[1].flip(-1)  # of the eigenvalues 1 first, then of 0
    return _first(_signed(vectors), counts)[:, :, :widest].float().contiguous()


def rank(projection: Tensor) -> Tensor:
    """The rank of an orthogonal projection, which is its trace, (n,)."""
    return projection.diagonal(dim1=-2, dim2=-1).sum(-1).round().long()


def projector(basis: Tensor) -> Tensor:
    """M Mᵀ in float64, (n, d, d), of orthonormal columns kept in float32 with zeros behind them."""
    import torch

    # the rounding of the kept columns is taken out again: P has to be a projection to the last bit
    q = torch.linalg.qr(basis.double())[0] * basis.any(dim=1, keepdim=True)
    return q @ q.mT


def smaller(free: Tensor) -> tuple[Tensor, Tensor]:
    """What is protected or what is free, whichever has the lesser rank: DualGPM's memory.

    free     P, (n, d, d)
    returns  orthonormal columns of M or of N (n, d, greatest rank), and of which n it is N (n,)
    """
    import torch

    held = torch.eye(free.shape[-1]).to(free) - free
    dual = rank(free) < rank(held)
    return basis(torch.where(dual[:, None, None], free, held)), dual


def free(kept: Tensor, dual: Tensor) -> Tensor:
    """P of what ``smaller`` gave, (n, d, d)."""
    import torch

    onto = projector(kept)
    return torch.where(dual[:, None, None], onto, torch.eye(onto.shape[-1]).to(onto) - onto)


def columns(kept: Tensor) -> Tensor:
    """How many columns a basis has before the zeros, (n,)."""
    return kept.any(dim=1).sum(-1)


def off(kept: Tensor) -> Tensor:
    """The greatest |Δ| of Mᵀ M from the identity, (n,)."""
    import torch

    return largest(kept.mT @ kept - torch.diag_embed(kept.any(dim=1).to(kept)))


def largest(matrices: Tensor) -> Tensor:
    """The greatest entry by size, (n,)."""
    import torch

    return torch.linalg.vector_norm(matrices.flatten(1), float("inf"), dim=1)


def _first(vectors: Tensor, counts: Tensor) -> Tensor:
    """The first columns of each matrix, and zeros in place of the others."""
    import torch

    places = torch.arange(vectors.shape[-1], device=vectors.device)
    return vectors * (places < counts[:, None])[:, None, :]


def _signed(vectors: Tensor) -> Tensor:
    largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
    return vectors * largest.sign()
