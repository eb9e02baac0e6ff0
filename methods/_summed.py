"""One adapter a domain, and all of them answer: what such methods have in common.

::

    domain t      W x + (α/r) Σ_{i ≤ t} B_i A_i x;   the branch of domain t alone is trained

"""

from __future__ import annotations

from typing import Any

from classay.method import Cost, Invariant, Method, Phase, State


class Summed(Method):
    """Every finished adapter stays as it is beside the one that learns; no router is needed."""

    stackable = False
    finished: dict[str, Any]  # adapter -> its tensors, as the phase found them

    def begin_phase(self, phase: Phase) -> None:
        adapters, past = self.adapters, self.adapters.beside
        if adapters.active is not None:
            past = (*past, adapters.active)
        name = f"domain_{phase.domain}"
        adapters.fresh(name, phase.index)
        adapters.use(name, past)
        self.keep()

    def keep(self) -> None:
        """Take down what is finished, at the beginning of a phase and in a new process."""
        # copies: the invariant compares the adapters with what they were, not with themselves
        self.finished = self.adapters.copies(self.adapters.beside)

    def invariants(self) -> list[Invariant]:
        if not self.finished:
            return []
        moved = self.adapters.moved(self.finished)
        return [Invariant("finished adapters, max |Δ|", "all", moved, 0.0, 0.0)]

    def cost(self) -> Cost:
        past = [t for name in self.adapters.beside for t in self.adapters.tensors(name).values()]
        return Cost(super().cost().trainable, sum(t.nbytes for t in past), 0)

    def restore(self, state: State) -> None:
        super().restore(state)
        self.keep()
