"""B-freeze: after the first domain only the inputs' side of the adapter learns.

::

    W x + (α/r) B A x          B: where the first domain left it, from the second domain on

What an adapter can write into the model is then the span of one B for all domains.

source      named "B-freeze" among the single-adapter stacks on the page "Six Approaches to
            Catastrophic Forgetting, Six Failures" of CRMA's makers, which says no more of it;
            cf. Sun et al. 2024 (arXiv:2403.12313), who freeze A instead
departures  unknown, because nothing but the name is public
choices     B's gradient is put to 0 before clipping, so that A is clipped by its own norm, and B is
            put back after every step, so that weight decay does not move it either
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classay.method import Invariant, Method, Phase, State

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class BFreeze(Method):
    """One shared adapter, half of which learns the first domain alone."""

    plain_first_phase = True
    _kept: tuple[Tensor, ...] = ()  # every lora_B as the first domain left it

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        if phase.index > 0:
            self._keep()

    def edit_gradients(self) -> None:
        import torch

        if self._kept:
            torch._foreach_zero_([p.grad for p in self._ups() if p.grad is not None])

    def after_step(self) -> None:
        import torch

        if self._kept:
            with torch.no_grad():
                torch._foreach_copy_(self._ups(), self._kept)

    def invariants(self) -> list[Invariant]:
        import torch

        if not self._kept:
            return []
        pairs = zip(self._ups(), self._kept, strict=True)
        moved = torch.stack([(p.detach() - kept).abs().max() for p, kept in pairs]).max()
        return [Invariant("lora_B, max |Δ|", "all", float(moved), 0.0, 0.0)]

    def state(self) -> State:
        tensors, about = super().state()
        return State(tensors, {**about, "B is frozen": bool(self._kept)})

    def restore(self, state: State) -> None:
        super().restore(state)
        if state.about["B is frozen"]:
            self._keep()

    def _keep(self) -> None:
        self._kept = tuple(p.detach().clone() for p in self._ups())

    def _ups(self) -> list[nn.Parameter]:
        return [p for key, p in self.adapters.named(self.adapters.active) if "lora_B" in key]


METHOD = BFreeze
EXAMPLE = Config()  # runs in the conformance tests
