"""The life of a method that composes: one adapter a domain, frozen once learned, then all of them.

::

    phase 1        the first adapter is learned as plain LoRA does it, and answers alone
    phase t > 1    adapter t is learned alone, as FROZEN learns it; then the composition of 1 … t is
                   fitted while every adapter stands still, and answers every question

A composition is fitted on the same number of rows of each domain: of the current one alone in
``no_memory``, of every domain so far in ``memory``, where these rows are kept and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from classay.adapters import Adapters
from classay.method import Cost, Invariant, Method, Phase, State
from classay.methods._rows import Rows
from classay.seeding import Seeds


class Composing(Method):
    """FROZEN's adapters under a composition; a subclass says what that is.

    config   with ``variant`` and ``examples``, the rows of one domain
    """

    plain_first_phase = True
    stackable = False

    def __init__(self, adapters: Adapters, config: Any, seeds: Seeds) -> None:
        super().__init__(adapters, config, seeds)
        self.needs_domain = self.needs_domain_with(config)
        self.rows = Rows(config.variant, config.examples, seeds)
        self.learned: list[str] = []  # adapters in the order of learning
        self._bypassed = False

    @classmethod
    def composes(cls, config: Any) -> bool:
        """Whether these settings fit anything; without, what is left is FROZEN."""
        raise NotImplementedError

    def composed(self) -> AbstractContextManager[object]:
        """The state in which the composition answers."""
        raise NotImplementedError

    @classmethod
    def needs_domain_with(cls, config: Any) -> bool:
        return not cls.composes(config)

    @classmethod
    def mechanisms(cls, config: Any) -> Sequence[str]:
        return ("composition",) if cls.composes(config) else ()

    @property
    def several(self) -> bool:
        """Whether there is anything to compose."""
        return len(self.learned) > 1 and self.composes(self.config)

    @property
    def fitted(self) -> bool:
        """Whether there is a composition to answer with."""
        raise NotImplementedError

    def begin_phase(self, phase: Phase) -> None:
        if self.composes(self.config):
            self.rows.drawn(phase)  # refuses before any work
        # copies: the invariant compares the adapters with what they were, not with themselves
        self._kept = self.adapters.copies(self.learned)
        self.adapters.fresh(_name(phase.domain), phase.index)
        self.learned.append(_name(phase.domain))

    def end_phase(self, phase: Phase) -> None:
        if self.composes(self.config):
            self.rows.keep(phase)

    def answering(self, domain: str | None) -> AbstractContextManager[object]:
        if self.needs_domain or self._bypassed:
            name = _name(domain) if domain else None
            return self.adapters.answering(name if name in self.learned else None)
        return self.composed() if self.several and self.fitted else super().answering(domain)

    def ablations(self) -> Mapping[str, AbstractContextManager[object]]:
        return {name: self._uncomposed() for name in self.mechanisms(self.config)}

    def invariants(self) -> Sequence[Invariant]:
        if not self._kept:
            return []
        moved = self.adapters.moved(self._kept)
        return [Invariant("finished adapters, max |Δ|", "all", moved, 0.0, 0.0)]

    def cost(self) -> Cost:
        own = f"adapter/{self.adapters.active}/"
        kept = [t for key, t in self.state().tensors.items() if not key.startswith(own)]
        return Cost(super().cost().trainable, sum(t.nbytes for t in kept), len(self.rows))

    def state(self) -> State:
        tensors, about = super().state()
        return State({**tensors, **self.rows.tensors()}, {**about, "learned": list(self.learned)})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.learned = list(state.about["learned"])
        self._kept = self.adapters.copies(self.learned[:-1])
        self.rows.restore(state.tensors)

    @contextmanager
    def _uncomposed(self) -> Iterator[None]:
        before, self._bypassed = self._bypassed, True
        try:
            yield
        finally:
            self._bypassed = before


def _name(domain: str) -> str:
    # PEFT refuses names that occur inside its own, such as "lora"
    return f"domain_{domain}"
