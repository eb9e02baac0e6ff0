"""FROZEN: a fresh adapter for every domain, frozen once it is learned; the base never moves.

Under oracle routing nothing that answers for an earlier domain is ever trained again, so its drift
is 0 by construction. That makes FROZEN the instrument's calibration: a harness that measures any
other drift for it is broken.

source      the isolated arm of the CRMA posts ("FROZEN"); Rusu et al. 2016 (arXiv:1606.04671) for
            the idea of one column a task
departures  no lateral connections; the adapters are independent of each other
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classay.method import Cost, Invariant, Method, Phase, State

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class Frozen(Method):
    """One adapter a domain; the router must say which one answers."""

    needs_domain = True
    stackable = False
    plain_first_phase = True

    def begin_phase(self, phase: Phase) -> None:
        # copies: the invariant compares the adapters with what they were, not with themselves
        self._kept = self.adapters.copies(self.adapters.names)
        self.adapters.fresh(_name(phase.domain), phase.index)

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        name = _name(domain) if domain else None
        return self.adapters.answering(name if name in self.adapters.names else None)

    def invariants(self) -> list[Invariant]:
        if not self._kept:
            return []
        moved = self.adapters.moved(self._kept)
        return [Invariant("finished adapters, max |Δ|", "all", moved, 0.0, 0.0)]

    def cost(self) -> Cost:
        finished = [name for name in self.adapters.names if name != self.adapters.active]
        kept: list[Tensor] = [t for n in finished for t in self.adapters.tensors(n).values()]
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), 0)

    def restore(self, state: State) -> None:
        super().restore(state)
        self._kept = self.adapters.copies(
            n for n in self.adapters.names if n != self.adapters.active
        )


def _name(domain: str) -> str:
    # PEFT refuses names that occur inside its own, such as "lora"
    return f"domain_{domain}"


METHOD = Frozen
EXAMPLE = Config()  # runs in the conformance tests
