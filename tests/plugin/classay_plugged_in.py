"""PluggedIn: the adapter is pulled back to where the domain before left it.

::

    L(θ) + (λ/2) ‖θ − θ*‖²          θ* = θ at the end of the domain before; none on the first

source      nobody's; it is the method that the template came with: put the paper and the number of
            its equation here
departures  what is different from that source, and why
choices     what the source leaves open, and what was taken
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from classay.method import Cost, Method, Phase, State

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch, Terms


@dataclass(frozen=True, kw_only=True)
class Config:
    """A strength has no default: it must be tuned."""

    strength: Annotated[float, Field(ge=0)]  # λ


class PluggedInMethod(Method):
    """One shared adapter, pulled back to where the domain before left it."""

    plain_first_phase = True
    _anchor: Tensor | None = None  # θ*: (parameters,)

    def loss(self, batch: Batch) -> Terms:
        terms = super().loss(batch)
        if self._anchor is not None:
            moved = self._weights() - self._anchor
            terms["pull"] = self.config.strength / 2 * (moved**2).sum()
        return terms

    def end_phase(self, phase: Phase) -> None:
        self._anchor = self._weights().detach()

    def cost(self) -> Cost:
        kept = 0 if self._anchor is None else self._anchor.nbytes
        return Cost(super().cost().trainable, kept, 0)

    def state(self) -> State:
        tensors, about = super().state()
        if self._anchor is not None:
            tensors["memory/anchor"] = self._anchor
        return State(tensors, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._anchor = state.tensors.get("memory/anchor")

    def _weights(self) -> Tensor:
        """θ as one vector, a copy."""
        import torch

        return torch.cat([parameter.flatten() for parameter in self.parameters()])


METHOD = PluggedInMethod
EXAMPLE = Config(strength=1.0)  # what tests run
OFF = Config(strength=0.0)  # the mechanism off: what is left is PARENT, byte for byte
PARENT = "naive_lora"
