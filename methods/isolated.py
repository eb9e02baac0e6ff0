"""Isolated: every domain learned alone, as if it were the first, and answered by what that left.

::

    a_{t,k} = score of domain k under θ*_k = argmin_θ L_k(θ)          every k from one θ₀, no past

It is the single-task reference of intransigence: what a method fails to learn because of what it
learned before is the distance from here, on the domain that it has just learned. For the first
domain of an order that distance is 0 to the bit for every method that begins as plain LoRA.

source      Chaudhry et al. 2018 (arXiv:1801.10112) for intransigence, the distance from a reference
departures  their reference is trained on all tasks so far at once, which is ``joint``; masks of
            dropout are those of the domain's place in the stream
choices     ``frozen`` draws a new start for every place in the stream, competes, and is the
            instrument's calibration. Here all domains begin with the bytes of the first phase, so
            that a domain's number is the same in every order; it is a bound, and not a competitor.
            Adapters are kept, and charged, because they are asked again after later phases; a
            domain that was never learned is answered by the base.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from classay.method import Cost, Method, Phase

FIRST = 0  # the phase whose initial weights every domain begins with


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class Isolated(Method):
    """One adapter a domain, none of which has seen any other domain or knows its own place."""

    needs_domain = True
    stackable = False
    bound = True
    plain_first_phase = True

    def begin_phase(self, phase: Phase) -> None:
        self.adapters.fresh(_name(phase.domain), FIRST)

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        name = _name(domain) if domain else None
        return self.adapters.answering(name if name in self.adapters.names else None)

    def cost(self) -> Cost:
        kept = [n for n in self.adapters.names if n != self.adapters.active]
        stored = sum(t.nbytes for name in kept for t in self.adapters.tensors(name).values())
        return Cost(super().cost().trainable, stored, 0)


def _name(domain: str) -> str:
    # PEFT refuses names that occur inside its own, such as "lora"
    return f"domain_{domain}"


METHOD = Isolated
EXAMPLE = Config()  # runs in the conformance tests
