"""Untrained: the base alone answers every question; nothing is ever learned.

::

    a_{t,k} = a_{−1,k}          after every phase t, for every domain k

The bound from below: a method that does not beat it has learned nothing, and one that forgets more
than it ever gained ends beneath it.

source      Lopez-Paz & Ranzato 2017 (arXiv:1706.08840) for b̄, the scores before any training
departures  b̄ is of random weights there, and of a pre-trained base here
choices     it has no adapter and no optimizer step. It is evaluated again after every phase: that
            nothing has moved is measured and not assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classay.method import Method, Phase

if TYPE_CHECKING:
    from classay.method import Batch


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


class Untrained(Method):
    """No adapter, no step."""

    bound = True
    stackable = False

    @classmethod
    def budgets(cls, config: Config, domains: int) -> float:
        return 0

    def begin_phase(self, phase: Phase) -> None:
        """Nothing is prepared, because nothing is learned."""

    def curriculum(self, phase: Phase) -> Sequence[Batch]:
        return ()


METHOD = Untrained
EXAMPLE = Config()  # runs in the conformance tests
