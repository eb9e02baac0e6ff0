"""The settings of LoRAMoE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from classay.methods._rows import Variant


@dataclass(frozen=True, kw_only=True)
class Config:
    """How many experts there are, of how many kinds, and how strongly they are balanced."""

    form: Literal["paper", "released"]
    experts: Annotated[int, Field(gt=0)]  # E
    strength: Annotated[float, Field(ge=0)]  # β
    kinds: Annotated[int, Field(gt=0)] = 2
    delta: Annotated[float, Field(ge=0, le=1)] = 0.1  # δ
    variant: Variant = "no_memory"
    examples: Annotated[int, Field(ge=0)] = 0  # rows of one domain that are kept
    share: Annotated[float, Field(ge=0)] = 0.0  # rows replayed for each row offered

    def __post_init__(self) -> None:
        kept = self.examples > 0 and self.share > 0
        none = self.examples == 0 and self.share == 0
        if not (kept if self.variant == "memory" else none):
            raise ValueError(
                f"variant {self.variant!r} with examples {self.examples} and share {self.share}; "
                f"'memory' needs both above 0, 'no_memory' has neither: mend one of the three"
            )
        if self.experts % self.kinds and self.experts > 1:
            raise ValueError(
                f"{self.experts} experts of {self.kinds} kinds; as many of each were needed: take "
                f"a multiple of {self.kinds}"
            )
