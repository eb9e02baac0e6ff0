"""A number as somebody quotes it: a label, a value and perhaps a spread."""

from __future__ import annotations

import re
from typing import NamedTuple

from classay.claims.printed import Printed
from classay.errors import ConfigError

PLUS_MINUS = re.compile(r"±|\+/-|\+-")


class Quoted(NamedTuple):
    """A quoted number.

    label    what it is called where it is printed; may be empty
    value    as printed, without its unit
    spread   what stands behind ±, if anything; the text rarely says which spread it is
    percent  a percent sign stands behind it, and so it is no fraction
    """

    label: str
    value: Printed
    spread: Printed | None = None
    percent: bool = False

    @property
    def text(self) -> str:
        """The value with its unit, as far as that is printed."""
        return self.value.text + ("%" if self.percent else "")

    def __str__(self) -> str:
        value = self.text + (f" ± {self.spread.text}" if self.spread else "")
        return f"{self.label} = {value}" if self.label else value


def read(text: str) -> Quoted:
    """Read a quoted number.

    text     "VALUE", "LABEL=VALUE" or "LABEL=VALUE±SPREAD", for instance "BWT=-1.18" or
             "86.51±0.73"; +- and +/- mean ±; a percent sign behind either number is for both
    returns  Quoted
    raises   ConfigError   what is no number
    """
    label, _, numbers = text.rpartition("=")
    parts = [part.strip() for part in PLUS_MINUS.split(numbers)]
    try:
        value, *spread = [Printed.read(part.removesuffix("%").strip()) for part in parts]
        if len(spread) > 1:
            raise ValueError("more than one ± stands in it.\n  Give VALUE±SPREAD.")
    except ValueError as error:
        raise ConfigError(f"--printed {text[:80]!r}: {error}") from None
    percent = any(part.endswith("%") for part in parts)
    return Quoted(label.strip(), value, spread[0] if spread else None, percent)
