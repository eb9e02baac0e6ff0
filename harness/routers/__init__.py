"""Who decides which adapter answers, one router a file.

A router is a module with ``TITLE``, ``NEEDS`` (what it is told that a question does not hold) and
one of these two functions or both, in which case ``choose`` decides::

    scores(evidence) -> (items, T)    the greatest answers; nan where nothing is known
    choose(evidence) -> (items,)      index of the domain whose adapter answers, or BASE

With ``scores`` it has ``UNIT``, what they are counted in. It may also have::

    fit(rows) -> arrays               called once, with features of training text of every domain;
                                      what it returns is all that the router keeps of it
    USES_BASE_ALONE = True            it may leave a question to the base alone
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BASE = -1  # the index of the base alone: no adapter answers
Floats = NDArray[np.float64]
Kept = tuple[NDArray[Any], ...]


class Evidence(NamedTuple):
    """What a router may look at, for the hold-out items or the probes of one domain.

    own        index of the domain that the items are from
    nats       (items, T) nats per token of each item under the adapter of each domain; nan where it
               has no token to score
    features   (items, d) of the base alone, of unit length; nan where it has no token
    fitted     what the router's ``fit`` returned: all that it keeps of the training text
    generator  for a router that draws; its own, for these items alone
    choices    the item is the whole text of a hold-out item, and of a probe the prompt alone
    """

    own: int
    nats: Floats
    features: Floats
    fitted: Kept
    generator: np.random.Generator


class Decision(NamedTuple):
    """Where a router sends items, and how sure it is."""

    to: NDArray[np.intp]  # (items,)
    margins: Floats | None  # (items,) in the router's unit, nan where unknown; None: no scores


def fitted(router: ModuleType, rows: tuple[Floats, ...]) -> Kept:
    """Everything that a router keeps of training text.

    rows     of each domain, (n, d) features of the base alone, of unit length
    returns  arrays, whose bytes it is charged with; none for a router without ``fit``
    """
    return tuple(router.fit(rows)) if hasattr(router, "fit") else ()


def decide(router: ModuleType, evidence: Evidence) -> Decision:
    """Where a router sends every item.

    ::

        margin = s_(1) − s_(2)        the best and the second best of the item's scores

    raises   ValueError   when it chooses what is not there
    choices  of equal scores the earlier domain, and so the first of all for an item of which
             nothing is known; an item with fewer than two scores has no margin
    """
    items, domains = evidence.nats.shape
    to, margins = np.zeros(items, np.intp), None
    if not items:
        return Decision(to, margins)
    if hasattr(router, "scores"):
        found = np.asarray(router.scores(evidence), np.float64)
        _fits(router, "scores", found.shape, (items, domains))
        known = np.where(np.isnan(found), -np.inf, found)
        to = np.argmax(known, axis=1)
        nothing = np.full(items, -np.inf)  # where there is one domain only
        *_, second, best = np.sort(np.column_stack([nothing, known]), axis=1).T
        margins = np.where(np.isfinite(second) & np.isfinite(best), best, np.nan) - second
    if hasattr(router, "choose"):
        to = np.asarray(router.choose(evidence), np.intp)
        _fits(router, "choose", to.shape, (items,))
    least = BASE if getattr(router, "USES_BASE_ALONE", False) else 0
    if wrong := sorted({int(k) for k in to if not least <= k < domains}):
        raise ValueError(
            f"router {router.__name__} chose {wrong}, and {least} to {domains - 1} are there.\n"
            f"  {BASE} is the base alone, which a router may choose that sets USES_BASE_ALONE."
        )
    return Decision(to, margins)


def _fits(router: ModuleType, function: str, found: object, needed: object) -> None:
    if found != needed:
        raise ValueError(
            f"{router.__name__}.{function} returned an array of shape {found}; one of {needed} was "
            f"needed.\n  It returns one row an item."
        )
