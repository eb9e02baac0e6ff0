"""What a claim can become; every verdict of every rung, listed once."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """A verdict, in the words that are printed.

    Two things are never called inconsistent: a number that some listed rounding rule or reading
    makes possible, and a claim whose protocol is not ours.
    """

    # rung 1, printed: numbers in a text
    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent as printed"
    IMPOSSIBLE = "impossible by construction"
    VACUOUS = "vacuous"
    NOT_CHECKABLE = "not checkable"
    # rung 2, logged: a matrix that someone else recorded
    NOT_SUPPORTED_BY_LOG = "not supported by the logged data"
    NOT_COMPUTABLE = "not computable"
    # rungs 3 and 4: weights evaluated, or a protocol rerun
    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    CONTRADICTED = "contradicted"
    UNDERPOWERED = "underpowered"
    NOT_TESTED = "not tested"
    INSTRUMENT_FAILED = "instrument failed"
