"""L2 Init: one quadratic pulls every weight back to where it was before the first domain.

::

    L(θ) + λ ‖θ − θ_0‖²          θ_0: the adapter as it was made; in every phase, the first as well

For an adapter θ_0 is a random A and B = 0, so that θ_0 is the base itself: the term holds the model
near the base, not near what it has learned.

source      Kumar et al. 2023 (arXiv:2308.11958) §3, "regenerative regularization"
departures  θ are the adapter's weights, because the base is frozen
choices     a sum over the weights, without a ½, as in the paper. The method is meant to keep a
            network able to learn, and a table of forgetting alone does not judge it. θ_0 could be
            drawn again from the seed; it is kept and charged, so that going on needs no draw.
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
    """λ, which must be tuned."""

    strength: Annotated[float, Field(ge=0)]  # λ


class L2Init(Method):
    """One shared adapter, tied to its own beginning."""

    _initial: Tensor | None = None  # θ_0: (parameters,)

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        if phase.index == 0:
            self._initial = self._weights().detach()

    def loss(self, batch: Batch) -> Terms:
        distance = (self._weights() - self._initial).square().sum()
        return {**super().loss(batch), "l2_init": self.config.strength * distance}

    def cost(self) -> Cost:
        kept = 0 if self._initial is None else self._initial.nbytes
        return Cost(super().cost().trainable, kept, 0)

    def state(self) -> State:
        tensors, about = super().state()
        if self._initial is not None:
            tensors["memory/initial"] = self._initial
        return State(tensors, about)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._initial = state.tensors.get("memory/initial")

    def _weights(self) -> Tensor:
        """θ as one vector."""
        import torch

        return torch.cat([parameter.flatten() for parameter in self.parameters()])


METHOD = L2Init
EXAMPLE = Config(strength=0.3)  # runs in the conformance tests
OFF = Config(strength=0.0)
