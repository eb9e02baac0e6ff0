"""Rung 2: somebody logged a matrix; what does it say, and what of what was printed from it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from classay.claims.quoted import Quoted
from classay.claims.verdict import Verdict
from classay.evidence.agreement import RETENTION, Comparison, compare, family
from classay.evidence.candidates import of_matrix, of_means, of_spreads
from classay.evidence.conventions import Convention, conventions, metrics
from classay.evidence.learned import Learned, learned
from classay.evidence.names import contradictions
from classay.evidence.runs import Group, over_runs
from classay.logs.logged import Logged, Stated

MAIN = ("backward_transfer", "drift_prior_vs_own")  # of scores and of losses
FAILED = (Verdict.NOT_SUPPORTED_BY_LOG, Verdict.INCONSISTENT, Verdict.IMPOSSIBLE)


class Retention(NamedTuple):
    """What can be said of retention from one matrix."""

    verdict: Verdict
    words: str


class Recomputed(NamedTuple):
    """Everything that follows from one matrix."""

    logged: Logged
    conventions: tuple[Convention, ...]
    learned: Learned
    retention: Retention
    printed: tuple[Comparison, ...]  # what the log itself prints
    contradictions: tuple[str, ...]
    notes: tuple[str, ...]


class Answer(NamedTuple):
    """Everything that follows from the files of one call."""

    matrices: tuple[Recomputed, ...]
    groups: tuple[Group, ...]
    printed: tuple[Comparison, ...]  # what was quoted beside the files

    @property
    def holds(self) -> bool:
        """Nothing that was printed lacks the support of its data."""
        said = [*self.printed, *(c for matrix in self.matrices for c in matrix.printed)]
        return not (
            any(comparison.verdict in FAILED for comparison in said)
            or any(matrix.contradictions for matrix in self.matrices)
        )


def recompute(matrices: Sequence[Logged], quoted: Sequence[Quoted] = ()) -> Answer:
    """Compute every convention, and compare what was printed with all of them.

    matrices  as read
    quoted    numbers that a text prints of them; each is compared with every matrix and with the
              mean over the runs of each file
    returns   Answer
    choices   a number that a log itself prints is compared with its own matrix alone
    """
    known = metrics()
    found = tuple(_matrix(logged, known) for logged in matrices)
    groups = tuple(_groups(found))
    return Answer(found, groups, tuple(c for q in quoted for c in _quoted(q, found, groups)))


def _matrix(logged: Logged, known: Mapping[str, ModuleType]) -> Recomputed:
    computed = tuple(conventions(logged, known))
    gain = learned(logged)
    printed = tuple(_stated(stated, logged, computed, gain) for stated in logged.stated)
    return Recomputed(
        logged,
        computed,
        gain,
        _retention(logged, computed, gain, printed),
        printed,
        tuple(contradictions(logged)),
        logged.notes + _identity(logged, computed),
    )


def _stated(
    stated: Stated, logged: Logged, computed: Sequence[Convention], gain: Learned
) -> Comparison:
    if not stated.needs:
        pool = of_matrix(logged, computed, gain.known)
        return compare(Quoted(stated.label, stated.printed), pool, _absent(computed))
    if gain.known is False and family(stated.label) == RETENTION:
        return Comparison(
            stated.label, stated.printed.text, Verdict.NOT_TESTED, gain.words, (), None
        )
    why = (stated.label, "", stated.needs)
    return compare(Quoted(stated.label, stated.printed), (), [why])


def _retention(
    logged: Logged,
    computed: Sequence[Convention],
    gain: Learned,
    printed: Sequence[Comparison],
) -> Retention:
    if gain.known is False:
        return Retention(Verdict.NOT_TESTED, gain.words)
    if logged.mixed:
        return Retention(Verdict.NOT_COMPUTABLE, "its columns are not tasks")
    about = [comparison for comparison in printed if family(comparison.label) == RETENTION]
    for verdict in (*FAILED, Verdict.NOT_COMPUTABLE, Verdict.SUPPORTED):
        for comparison in about:
            if comparison.verdict is verdict:
                return Retention(verdict, f"{comparison.label}: {comparison.words}")
    main = next(c for c in computed if c.metric in MAIN and not c.reason.startswith("it reads"))
    if main.value is None:
        return Retention(Verdict.NOT_COMPUTABLE, f"{main.name}: {main.reason}")
    return Retention(
        Verdict.NOT_TESTED,
        f"the log prints no number of it; {main.name} is {main.value:.6g} {main.unit}",
    )


def _identity(logged: Logged, computed: Sequence[Convention]) -> tuple[str, ...]:
    """The forgetting that follows from two means, where every best is on the diagonal."""
    value = {c.metric: c.value for c in computed}
    after, end = value["accuracy_after_learning"], value["average_accuracy"]
    forgot, tasks = value["forgetting_inclusive"], len(logged.tasks)
    if after is None or end is None or forgot is None:
        return ()
    own = np.diagonal(logged.matrix, offset=-1)
    if any(np.nanmax(logged.matrix[j + 1 :, j]) > own[j] for j in range(tasks)):
        return ()
    follows = tasks / (tasks - 1) * (after - end)
    return (
        f"Every best is on the diagonal, so forgetting must be T/(T−1)·(LA − AP) = {follows:.6g}; "
        f"F_max_incl_final is {forgot:.6g}.",
    )


def _groups(found: Sequence[Recomputed]) -> list[Group]:
    """Several runs of one experiment, in the order of the files."""
    by_name: dict[str, list[Recomputed]] = {}
    for matrix in found:
        by_name.setdefault(matrix.logged.group, []).append(matrix)
    groups = []
    for name, runs in by_name.items():
        longest = max(len(run.logged.tasks) for run in runs)
        used = [run for run in runs if len(run.logged.tasks) == longest]
        if name and len(used) > 1:
            knowing = {run.learned.known for run in used}
            groups.append(
                Group(
                    name,
                    tuple(run.logged.name for run in used),
                    tuple(run.logged.name for run in runs if run not in used),
                    over_runs([run.conventions for run in used]),
                    knowing.pop() if len(knowing) == 1 else None,
                    all(run.logged.fractions for run in used),
                )
            )
    return groups


def _quoted(q: Quoted, found: Sequence[Recomputed], groups: Sequence[Group]) -> list[Comparison]:
    absent = [triple for matrix in found for triple in _absent(matrix.conventions)]
    single = [c for m in found for c in of_matrix(m.logged, m.conventions, m.learned.known)]
    means = [c for group in groups for c in of_means(group)]
    if q.spread is None:
        return [compare(q, single + means, absent)]
    value = compare(q, means or single, absent)
    about = {match.metric for match in value.matches}
    if value.nearest and not about:
        about = {value.nearest.metric}
    spreads = [c for group in groups for c in of_spreads(group, about)]
    why = ("±", "", "a spread needs several runs of one experiment in one file")
    spread = Quoted("±", q.spread, percent=q.percent)
    return [value, compare(spread, spreads, [] if spreads else [why])]


def _absent(computed: Sequence[Convention]) -> list[tuple[str, str, str]]:
    return [(c.name, c.family, c.reason) for c in computed if c.value is None]
