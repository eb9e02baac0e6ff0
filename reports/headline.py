"""The first thing that a reader sees: who retains best, by how much, and whether to believe it."""

from __future__ import annotations

from typing import NamedTuple

from classay import registry
from classay.claims.verdict import Verdict
from classay.evidence.instrument import Check
from classay.evidence.quantities import DIGITS
from classay.evidence.rerun import SEEDS_FOR_A_VERDICT, Judged, Judgement
from classay.reports.blocks import Callout, Mark, Status, shown
from classay.reports.readings import completeness, strengths
from classay.statistics.disjoint_ranges import disjoint_ranges
from classay.statistics.spread import spread
from classay.study import Study

STATUS: dict[Verdict, Status] = {
    Verdict.SUPPORTED: "good",
    Verdict.CONTRADICTED: "bad",
    Verdict.INSTRUMENT_FAILED: "bad",
}


class _Measure(NamedTuple):
    words: str
    unit: str
    sign: int  # of better


def headline(study: Study, judged: Judged, order: int) -> Callout:
    """What the run says on one order of domains, in plain words.

    returns  a callout; bounds are never named in it
    choices  a method is ranked by its mean over seeds, and only when all its cells are done, it
             learned every domain (who learns nothing has nothing to forget) and on the mean at
             least half of what naive learns, and every penalty of it was felt
    """
    instrument = instrument_mark(judged.checks)
    if not judged.sound:
        return Callout(
            "bad",
            "The instrument failed, so nothing is concluded about any method.",
            (
                "The numbers below are what was measured. They are shown so that the fault can be "
                "found, and must not be quoted as results.",
            ),
            (instrument,),
        )
    here = [j for j in judged.judgements if j.order == order]
    learned = [
        j for j in here if j.gain is not None and j.gain >= _floor(study) and not j.naive.little
    ]
    felt = [j for j in learned if all(effect.felt for effect in j.effects)]
    ranked = [j for j in felt if j.drift and not completeness(study, j.method, order)]
    left_out = tuple(_left_out(study, j, order) for j in here if j not in ranked)
    if not ranked:
        return Callout("unknown", "No method can be named.", left_out, (instrument,))
    return _ranked(study, ranked, order, left_out, instrument)


def instrument_mark(checks: list[Check]) -> Mark:
    """How many of the instrument's checks passed."""
    count = len(checks)
    failed = [check.name for check in checks if check.passed is False]
    unmade = [check.name for check in checks if check.passed is None]
    if failed:
        return Mark(
            "bad", f"{len(failed)} of {count} instrument checks failed: {'; '.join(failed)}."
        )
    if unmade:
        return Mark(
            "unknown",
            f"{count - len(unmade)} of {count} instrument checks passed; not made: "
            f"{'; '.join(unmade)}.",
        )
    return Mark("good", f"All {count} instrument checks passed.")


def _ranked(
    study: Study,
    ranked: list[Judgement],
    order: int,
    left_out: tuple[str, ...],
    instrument: Mark,
) -> Callout:
    measure = _measure(study)
    ranked = sorted(ranked, key=lambda j: measure.sign * spread(j.drift).mean)
    best = [j for j in ranked if spread(j.drift).mean == spread(ranked[0].drift).mean]
    names = " and ".join(j.method.upper() for j in best)
    text = f"{names} {'retains' if len(best) == 1 else 'retain'} best: {_moved(measure, best[0])}."
    verdicts = {j.verdict for j in best}
    margin = f"{study.suite.statistics.margin:g}\N{NO-BREAK SPACE}{measure.unit}"
    details = []
    if len(verdicts) == 1:
        details = [f"Verdict at a margin of {margin}: {best[0].verdict} ({best[0].words})."]
    if len(best[0].drift) < SEEDS_FOR_A_VERDICT:
        details = [f"No verdict: {best[0].words}. Other seeds may rank the methods otherwise."]
    if len(ranked) > len(best):
        other = ranked[len(best)]
        apart = disjoint_ranges(best[0].drift, other.drift).disjoint
        fact = "the ranges do not overlap" if apart else "the ranges overlap: the order is open"
        details.append(f"Next is {other.method.upper()}: {_moved(measure, other)}; {fact}.")
    for j in (*best, *ranked[len(best) : len(best) + 1]):
        if does := strengths(study, j.method, order):
            details.append(f"What the mechanism of {j.method.upper()} does: {', '.join(does)}.")
    status = STATUS.get(best[0].verdict, "unknown")
    return Callout(status, text, (*details, *left_out), (instrument,))


def _moved(measure: _Measure, judgement: Judgement) -> str:
    found, digits = spread(judgement.drift), DIGITS.get(measure.unit, 3)
    mean, low, high = (
        shown(x, digits, True, measure.unit) for x in (found.mean, found.low, found.high)
    )
    if found.runs == 1:
        return f"{measure.words} {mean} in the only seed"
    if found.low == found.high:
        return f"{measure.words} {mean} in every one of {found.runs} seeds"
    return f"{measure.words} {mean} on average, between {low} and {high} over {found.runs} seeds"


def _left_out(study: Study, judgement: Judgement, order: int) -> str:
    if gap := completeness(study, judgement.method, order):
        why = gap
    elif not judgement.drift:
        why = judgement.words
    elif not all(effect.felt for effect in judgement.effects):
        why = "strength without effect"
    else:
        why = judgement.naive.words or "it did not learn every domain, so it had less to forget"
    return f"{judgement.method.upper()} is not ranked: {why}."


def _measure(study: Study) -> _Measure:
    name = study.suite.statistics.retention
    metric = registry.load("metric", name)
    own = name == "drift_prior_vs_own"
    words = "its loss on earlier domains changed by" if own else f"its “{metric.TITLE}” is"
    return _Measure(words, metric.UNIT, 1 if metric.LOWER_IS_BETTER else -1)


def _floor(study: Study) -> float:
    return study.suite.statistics.learning_floor
