"""Plain tricks: naive LoRA that learns the second and later domains with more restraint.

::

    rate       learning rate · rate
    decay      θ ← (1 − decay) θ        after every step
    dropout    B A (x ⊙ mask / (1 − dropout))        each input of the adapter, in training alone

They are controls. None of them knows anything of an earlier domain: whatever they keep of one, they
keep by learning less of the next, by drawing the adapter to 0 and so the model to the base, or by
noise. A method that protects the past has to do better than these at an equal price in learning.

source      Hinton et al. 2012 (arXiv:1207.0580) for dropout, on an adapter's input as in Hu et al.
            2021 (arXiv:2106.09685); Loshchilov & Hutter 2017 (arXiv:1711.05101) for a decay that
            the gradient has no part in
departures  decay is a share a step, and does not follow the learning rate's rise and fall
choices     the first domain is learned as naive LoRA learns it, so that all that differs is what is
            done to it later. A trick that is not set is off, and a suite can hold one a name.
            ``dropout`` takes the place of the suite's; the suite's own weight decay stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from classay.method import Group, Method, Phase, State


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which tricks, and how much of them."""

    rate: Annotated[float, Field(gt=0, le=1)] = 1.0  # times the suite's learning rate
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of every weight, a step
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: the suite's


class PlainTricks(Method):
    """One shared adapter."""

    plain_first_phase = True
    _later = False  # in the second phase or a later one

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        self._restrain(phase.index > 0)

    def parameter_groups(self) -> Sequence[Group]:
        rate = self.config.rate if self._later else 1.0
        return [group._replace(rate=rate) for group in super().parameter_groups()]

    def after_step(self) -> None:
        import torch

        if self._later and self.config.decay > 0:
            with torch.no_grad():
                torch._foreach_mul_(list(self.parameters()), 1 - self.config.decay)

    def state(self) -> State:
        tensors, about = super().state()
        return State(tensors, {**about, "later": self._later})

    def restore(self, state: State) -> None:
        super().restore(state)
        self._restrain(state.about["later"])

    def _restrain(self, later: bool) -> None:
        from torch import nn

        self._later = later
        if not later or self.config.dropout is None:
            return
        for module in self.model.modules():
            masks = getattr(module, "lora_dropout", None)
            if masks is not None and self.adapters.active in masks:
                own = nn.Dropout(self.config.dropout)
                masks[self.adapters.active] = own.train(self.model.training)


METHOD = PlainTricks
EXAMPLE = Config(rate=0.1)  # runs in the conformance tests
VARIANTS = {"decay": Config(decay=0.1), "dropout": Config(dropout=0.2)}
OFF = Config()
