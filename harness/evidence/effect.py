"""Did a method's penalty do anything? How large its gradient was beside the language model's.

A penalty that is never felt leaves naive training under another name. Whoever reports its retention
as the method's own reports a typing error as a result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classay.recorded import CellRecord
from classay.records import StepRow
from classay.study import Study

LM = "lm"  # the term that every method has
FLOOR = 1e-3  # of the language model's gradient


class Effect(NamedTuple):
    """One penalty of one method."""

    term: str
    ratios: tuple[float, ...]  # one a seed, in the order of the seeds; nan: it was not measured

    @property
    def least(self) -> float:
        """The seed in which it was felt least; nan if one was not measured."""
        return float(np.min(self.ratios)) if self.ratios else float("nan")

    @property
    def felt(self) -> bool:
        """In every seed the ratio reaches the floor."""
        return self.least >= FLOOR


def effects(study: Study, method: str, order: int) -> list[Effect]:
    """Every term besides the language model's, in the order of their names.

    ::

        ratio = median over steps of ‖∇ term‖ / ‖∇ lm‖

    returns  none for a method that adds no term to the loss
    choices  of the steps that were measured in the second phase and later: in the first there is
             no past to hold on to; gradients before clipping; a step on which the language model
             has no gradient is left out
    """
    runs = study.runs(method, order)
    steps = [step for run in runs for step in _later(run)]
    terms = sorted({term for step in steps for term in step.terms} - {LM})
    return [Effect(term, tuple(_ratio(_later(run), term) for run in runs)) for term in terms]


def _later(run: CellRecord) -> list[StepRow]:
    return [step for step in run.of(StepRow) if step.phase > 0]


def _ratio(steps: list[StepRow], term: str) -> float:
    norms = [step.term_gradient_norms for step in steps]
    ratios = [found[term] / found[LM] for found in norms if term in found and found.get(LM)]
    return float(np.median(ratios)) if ratios else float("nan")
