"""Did a method learn as much as plain fine-tuning? Who learns little has little to forget."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from classay.metrics import learning_gain
from classay.study import Study

HALF = 0.5  # of the yardstick's gain
YARDSTICK = "naive_lora"


class BesideNaive(NamedTuple):
    """How much was learned, and which part that is of what naive learns."""

    share: float | None  # None: not estimable
    naive: str | None = None  # the name under which naive runs

    @property
    def little(self) -> bool:
        """Less than half: "did not learn"."""
        return self.share is not None and self.share < HALF

    @property
    def words(self) -> str:
        """The flag and its arithmetic; empty without the flag."""
        if not self.little:
            return ""
        return f"did not learn: {100 * (self.share or 0.0):.0f} % of the gain of {self.naive}"


def beside_naive(study: Study, method: str, order: int) -> BesideNaive:
    """A method's gain over the base as a share of naive's.

    ::

        share = mean over seeds of G(method) / mean over seeds of G(naive)

    returns  share None where no cell of either has finished, the suite has no naive_lora, or naive
             itself gained nothing
    choices  G is the mean over domains of the fall of the loss from before any training to just
             after the domain was learned; seeds that both finished; naive is that of the whole run,
             also where an excerpt does not show it
    """
    study = study.whole
    naive = next((m for m in study.methods if study.suite.method_of(m) == YARDSTICK), None)
    if naive is None:
        return BesideNaive(None)
    gains = {name: _by_seed(study, name, order) for name in (method, naive)}
    seeds = gains[method].keys() & gains[naive].keys()
    if not seeds:
        return BesideNaive(None, naive)
    own, plain = (float(np.mean([gains[n][seed] for seed in seeds])) for n in (method, naive))
    return BesideNaive(own / plain if plain > 0 else None, naive)


def _by_seed(study: Study, method: str, order: int) -> dict[int, float]:
    found = learning_gain.per_domain(study.loss(method, order)).mean(axis=-1)
    runs = study.runs(method, order)
    return {
        run.cell.seed: float(gain)
        for run, gain in zip(runs, found, strict=True)
        if np.isfinite(gain)
    }
