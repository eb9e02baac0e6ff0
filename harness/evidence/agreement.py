"""With which conventions does a printed number agree, at its printed precision?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from classay.claims.printed import Rule
from classay.claims.quoted import Quoted
from classay.claims.verdict import Verdict

DOUBLE = 1e-12  # relative: what the order of additions may change in a number printed in full
SHOWN = 6  # agreements that a sentence lists
RETENTION = "retention"
FALLS = {  # words that say which sign it has that something was forgotten, and that sign
    r"bwt|backward": -1,
    r"forget|\b(f|af|fm)\b": 1,
    r"drift": 1,
}
RISES = ("forgetting", "drift", "loss_rise")  # so begin the metrics that are above 0 then
LABELS = {  # the words by which texts call a kind of number; the first that is found decides
    "|".join([*FALLS, r"retention|\brise"]): RETENTION,
    r"fwt|forward": "forward transfer",
    r"gain|intransigence": "learning",
    r"loss|\bnll\b|cross.entropy": "final_loss",  # the one convention that is itself a loss
    r"acc|average|avg|\b(ap|aa|op|la)\b|last|final|score|total|mean": "level",
    r"learning": "learning",
}


class Candidate(NamedTuple):
    """One value that a printed number may be.

    matrix   its name
    name     of the convention, or of a statistic of it over runs
    metric   the name of the metric
    family   what kind of thing it says
    value    in the unit of the matrix
    scales   factor -> how a text may print it, for instance {100: "in percent"}
    slack    what the rounding of the cells may have changed
    learned  False if nothing was learned
    """

    matrix: str
    name: str
    metric: str
    family: str
    value: float
    scales: dict[float, str]
    slack: float
    learned: bool | None


class Match(NamedTuple):
    """A candidate beside the printed number; ``how`` is what had to be assumed."""

    matrix: str
    convention: str
    metric: str
    value: float
    how: str

    def __str__(self) -> str:
        return f"{self.convention} = {self.value:.6g}" + (f" ({self.how})" if self.how else "")


Found = Sequence[tuple[Candidate, Match]]


class Comparison(NamedTuple):
    """What the matrices say to one printed number."""

    label: str
    printed: str
    verdict: Verdict
    words: str
    matches: tuple[Match, ...]
    nearest: Match | None


def family(label: str) -> str:
    """The kind of number that a label suggests, or the name of one convention; may be empty."""
    return next((kind for words, kind in LABELS.items() if re.search(words, _plain(label))), "")


def compare(
    quoted: Quoted,
    candidates: Sequence[Candidate],
    absent: Sequence[tuple[str, str, str]] = (),
) -> Comparison:
    """Compare a printed number with every candidate.

    quoted      its label is a convention's own name, words that suggest a kind, or ""
    candidates  what it may be
    absent      the conventions that are not computable: name, family, reason
    returns     Comparison   supported if a convention of the label's kind agrees; not supported if
                none does, or only one of another kind; not computable if all of its kind lack data;
                not tested if it is about retention and nothing was learned
    choices     rounding to the nearest first; only where nothing agrees truncation, rounding twice,
                and then the rounding of the matrix's own cells; scores may be printed as fractions
                or in percent unless a percent sign says it, and retention with the other sign where
                the label is of the opposite sense; each is named
    """
    label = quoted.label
    own = [c for c in candidates if label in (c.name, c.metric)]
    named = bool(own) or any(label == name for name, _, _ in absent)
    kind = "" if named else family(label)
    if not named:
        own = [c for c in candidates if kind in ("", c.family, c.metric)]
    found = _found(candidates, quoted)
    inside = [(c, match) for c, match in found if c in own]
    near, off = _nearest(own or candidates, quoted)

    def said(verdict: Verdict, words: str, told: Found = ()) -> Comparison:
        matches = tuple(match for _, match in told)
        return Comparison(label, quoted.text, verdict, words, matches, near)

    meant = [c for c, _ in inside] or own
    if meant and all(c.learned is False and c.family == RETENTION for c in meant):
        return said(Verdict.NOT_TESTED, "nothing was learned, so nothing could be forgotten")
    if inside:
        return said(Verdict.SUPPORTED, f"agrees with {_listed(inside)}", inside)
    if not own:
        reasons = (why for name, its, why in absent if label == name or kind in (name, its))
        return said(Verdict.NOT_COMPUTABLE, next(reasons, "no value"))
    gap = f"; nearest is {near}, off by {off:+.6g}" if near else ""
    if found:
        what = f"agrees only with {_listed(found)}, which is not {label if named else kind}"
        return said(Verdict.NOT_SUPPORTED_BY_LOG, what + gap, found)
    return said(Verdict.NOT_SUPPORTED_BY_LOG, f"agrees with no convention{gap}")


def _plain(label: str) -> str:
    return label.lower().replace("_", " ")


def _found(candidates: Sequence[Candidate], quoted: Quoted) -> Found:
    """The candidates that agree under the first rule by which any does."""
    for rule, cells in (
        (Rule.NEAREST, False),
        (Rule.TRUNCATED, False),
        (Rule.TWICE, False),
        (Rule.NEAREST, True),
    ):
        pairs = [(c, _match(c, quoted, rule, cells)) for c in candidates]
        if found := [(c, match) for c, match in pairs if match is not None]:
            return found
    return []


def _match(candidate: Candidate, quoted: Quoted, rule: Rule, cells: bool) -> Match | None:
    box = quoted.value.box(rule)
    for factor, unit in _units(candidate, quoted).items():
        for sign in _signs(candidate, quoted):
            value = sign * factor * candidate.value
            slack = DOUBLE * max(1.0, abs(value)) + (factor * candidate.slack if cells else 0)
            if box.low - slack <= value <= box.high + slack:
                ruled = "" if rule is Rule.NEAREST else str(rule)
                rounded = "within the rounding of the matrix's cells" if cells else ""
                return _assumed(candidate, sign, unit, ruled, rounded)
    return None


def _units(candidate: Candidate, quoted: Quoted) -> dict[float, str]:
    """Factor -> what it is called; behind a percent sign only the one that gives percent."""
    if not quoted.percent:
        return {1.0: ""} | candidate.scales
    percent = {factor: unit for factor, unit in candidate.scales.items() if factor > 1}
    return percent or ({1.0: ""} if candidate.scales else {})


def _signs(candidate: Candidate, quoted: Quoted) -> tuple[int, ...]:
    """The signs with which a text may print a candidate under this label.

    Only two families are each other's negation: backward transfer, below 0 where something was
    forgotten, and forgetting or drift, above 0. A label that names the family of the candidate, or
    neither, leaves its sign as it is. Under words for forgetting, a minus may also be that of a
    change which is below 0: "forgetting = -6.4" beside BWT = -6.4. Who prints a plus means it.
    """
    words = next((words for words in FALLS if re.search(words, _plain(quoted.label))), "")
    if candidate.family != RETENTION or not words or re.search(words, candidate.metric):
        return (1,)
    sign = FALLS[words] * (1 if candidate.metric.startswith(RISES) else -1)
    if sign < 0 and quoted.value.text.strip().startswith("+"):
        return ()
    change = FALLS[words] > 0 > sign and quoted.value.value < 0
    return (sign, 1) if change else (sign,)


def _assumed(candidate: Candidate, sign: int, *more: str) -> Match:
    parts = ["with its sign turned around" if sign < 0 else "", *more]
    how = ", ".join(part for part in parts if part)
    return Match(candidate.matrix, candidate.name, candidate.metric, candidate.value, how)


def _nearest(candidates: Sequence[Candidate], quoted: Quoted) -> tuple[Match | None, float]:
    """The candidate that is nearest as the label would have it printed, and how far it is off."""
    gaps = [
        (float(quoted.value) - sign * factor * c.value, c, sign, unit)
        for c in candidates
        for factor, unit in list(_units(c, quoted).items())[:1]
        for sign in _signs(c, quoted)
    ]
    if not gaps:
        return None, math.nan
    off, near, sign, unit = min(gaps, key=lambda gap: abs(gap[0]))
    return _assumed(near, sign, unit), off


def _listed(found: Found) -> str:
    """The first few, without saying one twice where several matrices are compared."""
    places = {c.matrix for c, _ in found}
    told = [f"{m}" + (f" in {m.matrix}" if len(places) > 1 else "") for _, m in found]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more
