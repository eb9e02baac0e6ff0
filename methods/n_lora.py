"""N-LoRA: a fresh adapter a domain, its update kept sparse; all of them answer, summed.

::

    paper       L + λ Σ_modules Σ |B_t A_t|        ‖ΔW‖₁ of the update, out × in
    released    L + λ Σ_modules Σ |A_t B_t|        r × r, which is not ΔW; only where in = out

    W x + (α/r) Σ_{i≤t} B_i A_i x        in training and when it answers, for every question

A_t and B_t alone have the term, so that two domains' updates touch the same weight less often.

source      Yang et al. 2024 (arXiv:2410.10179), the method's loss; its authors' N-LoRA at commit
            7301afe for ``released``, whose product takes PEFT's A before B. The paper's A is the up
            matrix, which PEFT calls B.
departures  past adapters are kept apart and summed, where the method merges them into the base:
            the same number up to rounding. ``released`` cannot be computed for a module with
            in ≠ out, where that code breaks down: such a module has no term here, and a base in
            which every adapted module is of that kind is refused.
choices     in every phase, the first as well; α/r is no factor of the term, as in both. Modules of
            one shape are multiplied together, so that for ``paper`` the updates of all modules of a
            shape, full matrices, are in memory at once. The derivative of |0| is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from classay.errors import ConfigError
from classay.method import Phase
from classay.methods._summed import Summed

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which of the two, and how strongly."""

    variant: Literal["paper", "released"]
    strength: Annotated[float, Field(ge=0)]  # λ


class NLoRA(Summed):
    """One adapter a domain; no router, because all of them answer."""

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        if not self._pairs():
            raise ConfigError(
                "no module that this base is adapted in has as many inputs as outputs, and "
                "methods.n_lora.variant 'released' multiplies A with B.\n  Take variant: paper."
            )

    def loss(self, batch: Batch) -> Terms:
        import torch

        sums = [torch.linalg.vector_norm(a @ b, ord=1) for a, b in self._pairs()]
        return {**super().loss(batch), "sparsity": self.config.strength * torch.stack(sums).sum()}

    def _pairs(self) -> list[tuple[Tensor, Tensor]]:
        """The factors of the products that are summed, those of one shape stacked."""
        import torch

        new, released = (
            dict(self.adapters.named(self.adapters.active)),
            self.config.variant == "released",
        )
        by_shape: dict[tuple[int, int], tuple[list[Tensor], list[Tensor]]] = {}
        for key, down in new.items():
            if "lora_A" in key:
                up = new[key.replace("lora_A", "lora_B")]
                shape = (len(up), down.shape[1])
                if not released or shape[0] == shape[1]:
                    ups, downs = by_shape.setdefault(shape, ([], []))
                    ups.append(up)
                    downs.append(down)
        pairs = [(torch.stack(ups), torch.stack(downs)) for ups, downs in by_shape.values()]
        return [(down, up) for up, down in pairs] if released else pairs


METHOD = NLoRA
EXAMPLE = Config(variant="paper", strength=2e-4)  # runs in the conformance tests
VARIANTS = {"released": Config(variant="released", strength=2e-3)}
