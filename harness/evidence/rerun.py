"""Rung 4: a protocol was run; what does it say of each method's retention?"""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

import numpy as np

from classay import registry
from classay.claims.verdict import Verdict
from classay.errors import InsufficientEvidence
from classay.evidence.beside_naive import BesideNaive, beside_naive
from classay.evidence.effect import FLOOR, Effect, effects
from classay.evidence.instrument import Check, checks, complete, sound
from classay.evidence.quantities import DIGITS
from classay.metrics import learning_gain
from classay.statistics.t_interval import Interval, t_interval
from classay.study import Study

SEEDS_FOR_A_VERDICT = 3
MOST_DIGITS = 15


class Judgement(NamedTuple):
    """What the run says of one method on one order of domains."""

    method: str
    order: int
    verdict: Verdict
    words: str  # the arithmetic, in words
    drift: tuple[float, ...]  # of the plan's retention metric, one value a seed
    interval: Interval | None
    gain: float | None  # the least gain over the base of any seed and domain, nats/token
    unlearned: tuple[str, ...] = ()  # domains whose gain is below the plan's floor in some seed
    effects: tuple[Effect, ...] = ()  # of its penalties
    naive: BesideNaive = BesideNaive(None)  # what it learned beside naive


class Judged(NamedTuple):
    """The checks and every judgement."""

    checks: list[Check]
    sound: bool
    judgements: list[Judgement]


def judge(study: Study) -> Judged:
    """Judge every method of a run that is not a bound.

    ::

        supported      the whole interval of the mean drift is ≤ margin
        contradicted   the whole interval is > margin
        underpowered   the interval contains the margin

    returns  the instrument's checks first; if one failed, every verdict is "instrument failed";
             of an excerpt, the checks of the whole run and what it says of the methods shown
    choices  Student's t interval over seeds at the plan's level; a method is judged only with all
             its cells done, at least three seeds, every penalty felt, and every domain learned by
             the plan's floor
    """
    found = checks(study.whole)
    judgements = [
        _judge(study.whole, method, order, sound(found))
        for order in range(len(study.orders))
        for method in study.competitors
    ]
    return Judged(found, sound(found), judgements)


def accepted(study: Study, judged: Judged) -> bool:
    """The instrument is sound and fully checked, and who must be found to retain was."""
    asked = set(study.suite.statistics.accept)
    found = [judgement for judgement in judged.judgements if judgement.method in asked]
    return (
        judged.sound
        and complete(judged.checks)
        and {judgement.method for judgement in found} == asked  # a bound is not judged
        and all(judgement.verdict is Verdict.SUPPORTED for judgement in found)
    )


def _judge(study: Study, method: str, order: int, is_sound: bool) -> Judgement:
    plan, losses = study.suite.statistics, study.loss(method, order)
    metric = registry.load("metric", plan.retention)
    drift, unknown = tuple[float, ...](), ""
    try:
        drift = tuple(float(metric.compute(matrix)) for matrix in losses)
    except ValueError as error:
        unknown = str(error).partition("\n")[0]
    try:
        interval = t_interval(drift, plan.level)
    except InsufficientEvidence:
        interval = None
    gains = learning_gain.per_domain(losses)
    gain = float(gains.min()) if len(losses) else None
    penalties = tuple(effects(study, method, order))
    beside = beside_naive(study, method, order)
    unlearned = tuple(
        domain
        for j, domain in enumerate(study.orders[order])
        if (gains[:, j] < plan.learning_floor).any()
    )

    def judgement(verdict: Verdict, words: str) -> Judgement:
        return Judgement(
            method, order, verdict, words, drift, interval, gain, unlearned, penalties, beside
        )

    if not is_sound:
        return judgement(
            Verdict.INSTRUMENT_FAILED, "a check of the instrument failed; nothing is concluded"
        )
    if missing := study.missing(method, order):
        states = ", ".join(f"{r.cell.name} is {r.state}" for r in missing)
        return judgement(Verdict.NOT_TESTED, f"incomplete: {states}")
    if unknown:
        return judgement(Verdict.NOT_TESTED, unknown)
    if len(drift) < SEEDS_FOR_A_VERDICT or interval is None or gain is None:
        return judgement(
            Verdict.NOT_TESTED, f"{len(drift)} seed(s); a verdict needs {SEEDS_FOR_A_VERDICT}"
        )
    if unfelt := [penalty for penalty in penalties if not penalty.felt]:
        return judgement(Verdict.NOT_TESTED, f"strength without effect: {_unfelt(unfelt)}")
    if gain < plan.learning_floor:
        least = _beside(gain, "nats/token", plan.learning_floor)
        return judgement(
            Verdict.NOT_TESTED,
            f"not learned: its least gain over the base is {least} nats/token and "
            f"{plan.learning_floor} was needed ({', '.join(unlearned)}); who learns nothing has "
            f"nothing to forget",
        )
    low, high = (_beside(end, metric.UNIT, plan.margin) for end in (interval.low, interval.high))
    span = f"[{low}, {high}] {metric.UNIT}"
    if interval.low == interval.high:
        span = f"{low} {metric.UNIT}, the same to the bit in every seed,"
    if interval.high <= plan.margin:
        return judgement(Verdict.SUPPORTED, f"{span} lies at or below {plan.margin:g}")
    if interval.low > plan.margin:
        return judgement(Verdict.CONTRADICTED, f"{span} lies above {plan.margin:g}")
    return judgement(Verdict.UNDERPOWERED, f"{span} contains {plan.margin:g}")


def _beside(value: float, unit: str, limit: float) -> str:
    """A number with as many digits as its side of a limit takes; 0.0504 is not shown as 0.05."""
    digits, side = DIGITS.get(unit, 3), np.sign(value - limit)
    while digits < MOST_DIGITS and np.sign(round(value, digits) - limit) != side:
        digits += 1
    return f"{value:.{digits}f}".replace("-", "−")


def _unfelt(penalties: list[Effect]) -> str:
    measured = [p for p in penalties if not isnan(p.least)]
    if not measured:
        names = ", ".join(p.term for p in penalties)
        return f"the gradient of {names} was never measured; a phase of two steps is needed"
    found = ", ".join(f"{p.term}'s was {p.least:.1e}" for p in measured)
    return (
        f"of the language model's gradient, {found} (median over steps, the least seed) and "
        f"{FLOOR:g} was needed; this is its parent under another name. Raise its strength"
    )
