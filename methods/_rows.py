"""Rows of each domain that a composition is fitted on: drawn, counted and, with memory, kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from classay.errors import ConfigError
from classay.method import Phase
from classay.packing import IGNORED
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor

    from classay.method import Batch

Variant = Literal["no_memory", "memory"]
KEYS = ("input_ids", "labels")


class Rows:
    """As many rows of one domain as of any other.

    variant   ``memory`` keeps them when a domain is over, ``no_memory`` keeps nothing
    examples  rows of one domain
    choices   drawn without replacement from the offered rows that hold a label to learn, by a
              stream of their own, so that a phase that is resumed draws them again
    """

    def __init__(self, variant: Variant, examples: int, seeds: Seeds) -> None:
        self.variant, self.examples, self.seeds = variant, examples, seeds
        self.kept: dict[str, Tensor] = {}  # (rows, block) each, and what was noted of each row

    def __len__(self) -> int:
        """How many rows are kept."""
        return len(self.kept["labels"]) if self.kept else 0

    def drawn(self, phase: Phase) -> Batch:
        """The rows of the current domain, (examples, block) of each.

        raises  ConfigError   it was offered fewer
        """
        import torch

        rows = {key: torch.cat([batch[key] for batch in phase.batches]) for key in KEYS}
        # without a label a row has no loss
        places = (rows["labels"][:, 1:] != IGNORED).any(dim=1).nonzero().flatten().tolist()
        if len(places) < self.examples:
            raise ConfigError(
                f"domain {phase.domain!r} is offered {len(places)} rows with a label to learn, and "
                f"the method asks for examples: {self.examples}.\n"
                f"  Lower examples, or raise training.tokens_per_domain."
            )
        generator = self.seeds.generator("rows", phase.index)
        chosen = generator.choice(places, self.examples, replace=False).tolist()
        return {key: table[chosen] for key, table in rows.items()}

    def all(self, phase: Phase) -> Batch:
        """What is kept, and then the rows of the current domain."""
        return self._joined(self.drawn(phase))

    def keep(self, phase: Phase, **noted: Tensor) -> None:
        """Keep the rows of a domain that is over, and something about each of them."""
        if self.variant == "memory":
            self.kept = self._joined({**self.drawn(phase), **noted})

    def tensors(self) -> dict[str, Tensor]:
        """What a new process needs."""
        return {f"memory/{key}": table for key, table in self.kept.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take it from a state's tensors; none are there where a method is only to answer."""
        named = {k: t for k, t in tensors.items() if k.startswith("memory/")}
        self.kept = {key.removeprefix("memory/"): table for key, table in named.items()}

    def _joined(self, new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        import torch

        if not self.kept:
            return dict(new)
        return {key: torch.cat([self.kept[key], table]) for key, table in new.items()}
