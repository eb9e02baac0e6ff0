"""How Triton kernels are compiled: the one setting that changes bits, and what is shipped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

VARIABLE = "TRITON_DEFAULT_FP_FUSION"


class Configuration(NamedTuple):
    """A kernel as it is launched, complete enough to be compiled where there is no GPU."""

    kernel: Any
    signature: Mapping[str, str]  # Triton's type of every argument, "constexpr" among them
    constexprs: Mapping[str, int]
    warps: int
    registers: int | None = None  # the most of a thread; None: as many as the assembler likes
    stages: int | None = None  # turns of a loop whose loads overlap; None: Triton's own number


def fp_fusion() -> bool:
    """Whether a product and a sum may be contracted into one rounding; for a benchmark to record.

    returns  what the variable TRITON_DEFAULT_FP_FUSION says; where nobody set it, it is set to 1,
             so that kernels of other libraries in this process are compiled by the same rule
    raises   ValueError   the variable is neither 0 nor 1
    """
    value = os.environ.setdefault(VARIABLE, "1")
    if value not in ("0", "1"):
        raise ValueError(
            f"{VARIABLE} is {value!r} in the environment; 0 or 1 was needed.\n  Unset it, or set "
            f"it to 0 to have every product rounded before it is summed."
        )
    return value == "1"
