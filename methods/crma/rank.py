"""Placement ``rank``: the r coordinates inside every adapted matrix, mixed alike in all domains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.methods.crma.operators import Operators, gated
from classay.methods.crma.presets import Config
from classay.methods.crma.structure import Structure
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor


class Ranked(Structure):
    """One r × r matrix a module between A_t and B_t of every domain t, r the rank of the adapters.

    ::

        ΔW_t = (a / r) B_t ((1 − α) I + α M) A_t        with gate ``open``: (a / r) B_t M A_t

    adapters   their modules are known once the first of them is made, and so are these numbers
    config     mixing, control, gate, and of the preset the gate's start alone
    choices    [A] M starts with σ₂ = (e − 1) / (e + 1) whatever r is, as two streams do: at the
               start of placement ``stream`` sixteen would nearly be averaged into one
    raises     ConfigError   r is 1
    """

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(config, adapters.spec.rank)
        if self.n < 2:
            raise ConfigError(
                f"adapter.rank is {self.n}, and placement rank mixes an adapter's r coordinates "
                f"with each other.\n  Raise adapter.rank, or take placement stream."
            )
        self._hooked: set[str] = set()

    def attach(self, adapters: Adapters) -> None:
        found = {k: m for k, m in adapters.model.named_modules() if hasattr(m, "lora_A")}
        if not self.own and found:
            self.layers, count = tuple(found), len(found)
            start = self._mixing_start(count, math.log1p(math.expm1(1.0) * self.n / 2))
            self._begin(adapters.model, start | self._gate_start(count))
        for name in adapters.names:
            for place, module in enumerate(found.values()) if name not in self._hooked else ():
                self._after(module.lora_A[name], place, between)
            self._hooked.add(name)


def between(z: Tensor, operators: Operators, module: int) -> Tensor:
    """((1 − α) I + α M) z of one module for z = A x, (..., r)."""
    return z + z @ gated(operators, module).mT.to(z.dtype)
