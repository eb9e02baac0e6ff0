"""AdapterFusion: every module attends over what the adapters of all domains add to it.

::

    z_n = (α/r) B_n A_n x,   h = W x                        module, token and adapter n by itself
    s = softmax_n((Q h) · (K z_n))
    W x + V Σ_n s_n z_n

    L + 0.01 Σ_modules ‖I − V‖²_F                    while Q, K and V are learned

source      Pfeiffer et al. 2021 (arXiv:2005.00247), the section on AdapterFusion's components, for
            Q, K, V and s; adapter-hub/adapters at commit 88f18eb for the start of V (the identity,
            10⁻⁶ elsewhere), the start of Q and K (normal, 0.02) and the regularisation
departures  an adapter is a LoRA and not a bottleneck, so there is one attention a target module
            where the paper has one a layer: h, the query, is what the module gives without any
            adapter, as the paper's is the output of the feed-forward layer. That takes 3 · d_out²
            numbers a module; on a wide base name few targets in the suite. The code regularises
            bottlenecks alone
choices     no bias and no √d, as in the paper's formula (the code has biases in Q and K). Q, K and
            V have no weight decay, and go on from phase to phase. ``share`` is the budget of the
            composition in budgets of a domain: it comes on top, and the learning rate's schedule
            begins anew with it. While the composition is learned the adapters have no dropout
ablation    ``composition``: the domain's own adapter answers, which is FROZEN's answer
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.methods._rows import Variant
from classay.methods._trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Terms

REGULARISATION = 0.01
DEVIATION = 0.02  # of Q and K at the start


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the attention is fitted on, and for how long."""

    variant: Variant
    examples: Annotated[int, Field(gt=0)]  # rows of one domain
    share: Annotated[float, Field(ge=0)]  # budgets of a domain; 0: nothing is composed


class AdapterFusion(Trained):
    """No router: the attention answers every question."""

    name = "fusion"

    def grow(self) -> dict[str, Tensor]:
        import torch

        if self.own:
            return {key: parameter.detach() for key, parameter in self.own.items()}
        start: dict[str, Tensor] = {}
        for width in sorted({module.out_features for module in self.mixture.modules.values()}):
            names = [n for n, m in self.mixture.modules.items() if m.out_features == width]
            for which in ("query", "key"):
                draws = [
                    self.seeds.generator("fusion", which, name).standard_normal((width, width))
                    for name in names
                ]
                stacked = torch.stack([torch.from_numpy(draw) for draw in draws])
                start[f"{which}.{width}"] = (DEVIATION * stacked).float()
            value = torch.full((width, width), 1e-6).fill_diagonal_(1.0)
            start[f"value.{width}"] = value.expand(len(names), width, width)
        return start

    @contextmanager
    def composed(self) -> Iterator[None]:
        stacks, parts = self.stacks, self._parts()

        def blend(place: int, x: Tensor, h: Tensor) -> Tensor:
            stack, (query, key, value) = stacks[place], parts[place]
            inner = stack.inner(x)
            # (Q h) · (K z_n) = (Kᵀ Q h) · z_n and Σ s_n V z_n = V Σ s_n z_n: no z_n is written out
            asked = (h.to(query.dtype) @ query.mT) @ key @ stack.up
            scores = (asked * inner).unflatten(-1, (len(self.learned), -1)).sum(-1)
            return stack.weighted(inner, scores.softmax(-1)) @ value.mT

        with self.mixture.blended(blend):
            yield

    def penalties(self) -> Terms:
        import torch

        off = [
            (torch.eye(values.shape[-1], device=values.device) - values).square().sum()
            for key, values in self.own.items()
            if key.startswith("value")
        ]
        return {"value": REGULARISATION * torch.stack(off).sum()}

    def _parts(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Q, K and V of every module."""
        # unbound once a forward: a gradient through an index is as large as all modules together
        wide = {key: iter(parameter.unbind()) for key, parameter in self.own.items()}
        return [
            (
                next(wide[f"query.{module.out_features}"]),
                next(wide[f"key.{module.out_features}"]),
                next(wide[f"value.{module.out_features}"]),
            )
            for module in self.mixture.modules.values()
        ]


METHOD = AdapterFusion
EXAMPLE = Config(variant="no_memory", examples=4, share=1.0)  # runs in the conformance tests
VARIANTS = {"memory": Config(variant="memory", examples=4, share=1.0)}
OFF = Config(variant="no_memory", examples=4, share=0.0)
PARENT = "frozen"
