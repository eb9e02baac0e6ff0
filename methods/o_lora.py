"""O-LoRA: a fresh adapter a domain, kept orthogonal to those before it; all of them answer, summed.

::

    paper       L + λ₁ Σ_{i<t} Σ_modules ‖B_iᵀ B_t‖²_F
    released    L + λ₁ Σ_{i<t} Σ_modules Σ |A_i A_tᵀ| + λ₂ Σ_tensors ‖·‖₂      A_t, B_t alone

    W x + (α/r) Σ_{i≤t} B_i A_i x        in training and when it answers, for every question

source      Wang et al. 2023 (arXiv:2310.14152) §3; cmnfriend/O-LoRA at commit 07117e1 for
            ``released``. The paper's A is the up matrix, which PEFT calls B; the code constrains
            PEFT's A, takes absolute values and adds a norm.
departures  λ₁ and λ₂ are the same for every domain, and the first domain has no term at all; past
            adapters are kept apart and summed, where the code concatenates them, which is the same
            number up to rounding; with dropout each adapter draws a mask of its own
choices     ‖·‖₂ is the square root of the sum of squares of one tensor, as in the code; with
            λ₂ = 0 that term is left out. Modules whose matrices have one shape are multiplied
            together: one product a shape, whatever the number of modules and domains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from classay.methods._summed import Summed

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms

CONSTRAINED = {"paper": "lora_B", "released": "lora_A"}
Strength = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which of the two, and its strengths."""

    variant: Literal["paper", "released"]
    strength: Strength  # λ₁
    norm_strength: Strength | None = None  # λ₂, of ``released`` alone

    def __post_init__(self) -> None:
        if (self.norm_strength is None) == (self.variant == "released"):
            raise ValueError(
                f"variant {self.variant!r} with norm_strength {self.norm_strength}; 'released' "
                f"needs a number, 'paper' has no such term: give it, or take it out"
            )


class OLoRA(Summed):
    """One adapter a domain; no router, because all of them answer."""

    plain_first_phase = True
    # modules of one shape, and their past matrices: (modules, domains · rank, width)
    _past: tuple[tuple[list[str], Tensor], ...] = ()

    def loss(self, batch: Batch) -> Terms:
        import torch

        terms = super().loss(batch)
        if not self._past:
            return terms
        new = dict(self.adapters.named(self.adapters.active))
        released = self.config.variant == "released"
        sizes = []
        for keys, past in self._past:
            overlap = past @ self._wide(new[key] for key in keys).mT
            sizes.append((overlap.abs() if released else overlap**2).sum())
        terms["orthogonality"] = self.config.strength * torch.stack(sizes).sum()
        if self.config.norm_strength:
            norms = [
                torch.linalg.vector_norm(torch.stack([new[key] for key in keys]), dim=(1, 2)).sum()
                for keys in _by_shape(new)
            ]
            terms["norm"] = self.config.norm_strength * torch.stack(norms).sum()
        return terms

    def keep(self) -> None:
        """Lay out the finished adapters for the product as well."""
        import torch

        super().keep()
        constrained = CONSTRAINED[self.config.variant]
        new = {k: t for k, t in self.adapters.named(self.adapters.active) if constrained in k}
        past = self.finished.values()
        self._past = tuple(
            (keys, torch.cat([self._wide(old[key] for key in keys) for old in past], dim=1))
            for keys in _by_shape(new)
            if past
        )

    def _wide(self, matrices: Iterable[Tensor]) -> Tensor:
        """Constrained matrices of one shape, the rank along their rows: (modules, rank, width)."""
        import torch

        stacked = torch.stack(list(matrices))
        return stacked.mT if self.config.variant == "paper" else stacked


def _by_shape(named: dict[str, Tensor]) -> list[list[str]]:
    """The names of tensors, those of equal shape together."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for key, tensor in named.items():
        groups.setdefault(tuple(tensor.shape), []).append(key)
    return list(groups.values())


METHOD = OLoRA
EXAMPLE = Config(variant="paper", strength=5.0)  # runs in the conformance tests
VARIANTS = {"released": Config(variant="released", strength=0.5, norm_strength=0.1)}  # so does this
