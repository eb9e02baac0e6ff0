"""Full fine-tuning: every weight of the base moves, one domain after another, with no protection.

::

    θ ← θ − η · rate · AdamW(∇_θ L_t(θ))          θ are all of the base's own weights; no adapter

A bound, because it alone moves what all others start from: how much is learned, and how much is
forgotten, where nothing holds the weights to a low rank.

source      Biderman et al. 2024 (arXiv:2405.09673), who find that it learns more and forgets more
            than LoRA
departures  none
choices     ``rate`` multiplies the suite's learning rate, which was chosen for adapters, and must
            be tuned; weights shared between layers are one weight; weight decay is towards 0 and
            not towards the base. In bf16 the weights themselves are rounded after every step, and
            a small step is lost; the moments of the optimizer have the format of the weights. What
            answers is a copy of the whole base: it is saved after every phase, and charged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.method import Cost, Group, Method, Phase, State
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """How fast the base moves."""

    rate: Annotated[float, Field(gt=0)]  # times the suite's learning rate


class FullFinetune(Method):
    """The base itself is what learns and what answers."""

    bound = True
    stackable = False
    moves_base = True

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self._own: dict[str, nn.Parameter] = dict(self.model.named_parameters())
        fixed = [name for name, p in self._own.items() if not p.is_floating_point()]
        if fixed:
            raise ConfigError(
                f"{len(fixed)} weights of the base are quantised ({fixed[0]}, …), and "
                f"full_finetune moves every weight, which needs floating-point numbers.\n"
                f"  Set base.dtype to fp32 or bf16, or leave full_finetune out of the suite."
            )
        self.model.requires_grad_(True)

    def begin_phase(self, phase: Phase) -> None:
        """There is no adapter; the weights go on from where they are."""

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(self._own.values())

    def parameter_groups(self) -> Sequence[Group]:
        return [Group("base", list(self.parameters()), self.config.rate)]

    def cost(self) -> Cost:
        return Cost(super().cost().trainable, sum(p.nbytes for p in self.parameters()), 0)

    def state(self) -> State:
        tensors, about = super().state()
        moved = {f"structure/base/{key}": p.detach() for key, p in self._own.items()}
        return State({**tensors, **moved}, about)

    def restore(self, state: State) -> None:
        import torch

        super().restore(state)
        with torch.no_grad():
            for key, parameter in self._own.items():
                parameter.copy_(state.tensors[f"structure/base/{key}"])


METHOD = FullFinetune
EXAMPLE = Config(rate=0.1)  # runs in the conformance tests
