"""Several adapters of one model at once, weighted token by token: hooks on PEFT's LoRA layers.

::

    W x + blend(x, W x; A_1 … A_N, B_1 … B_N)          in every target module of the suite

PEFT's own sum is off meanwhile, so that what answers is the base and what the hooks add to it. The
adapters of a module lie stacked: two products a module, whatever the number of adapters.

choices  A and B in their own number format, and the sum rounded once to that of W x, as in PEFT; no
         dropout, which belongs to an adapter that learns
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from classay.adapters import Adapters

if TYPE_CHECKING:
    from torch import Tensor, nn


class Stack(NamedTuple):
    """All adapters of one module."""

    down: Tensor  # A_1 … A_N below each other: (N·r, d_in)
    up: Tensor  # (α/r)·B_1 … (α/r)·B_N beside each other: (d_out, N·r)

    def inner(self, x: Tensor) -> Tensor:
        """A_n x of every adapter, (..., N·r)."""
        return x.to(self.down.dtype) @ self.down.mT

    def weighted(self, inner: Tensor, weights: Tensor) -> Tensor:
        """Σ_n w_n (α/r) B_n A_n x, (..., d_out).

        weights  (..., N)
        """
        by_adapter = inner.unflatten(-1, (weights.shape[-1], -1)) * weights.unsqueeze(-1)
        return by_adapter.flatten(-2) @ self.up.mT


# place of the module, x, W x -> what is added
Blend = Callable[[int, "Tensor", "Tensor"], "Tensor"]


class Mixture:
    """The hooks of one model; they do nothing outside ``blended``."""

    def __init__(self, adapters: Adapters) -> None:
        self.adapters = adapters
        self.modules: dict[str, Any] = {}  # PEFT's LoRA layers by name, in the model's order
        self._blend: Blend | None = None

    def attach(self) -> None:
        """Find the LoRA layers, which are there once an adapter is."""
        if self.modules:
            return
        from peft.tuners.lora import LoraLayer

        named = self.adapters.model.named_modules()
        self.modules = {name: module for name, module in named if isinstance(module, LoraLayer)}
        for place, module in enumerate(self.modules.values()):
            module.register_forward_hook(self._hook(place))

    def stacks(self, names: Sequence[str]) -> list[Stack]:
        """The adapters of every module, with their gradients where they learn."""
        import torch

        return [
            Stack(
                torch.cat([module.lora_A[name].weight for name in names]),
                torch.cat([module.lora_B[n].weight * module.scaling[n] for n in names], dim=1),
            )
            for module in self.modules.values()
        ]

    @contextmanager
    def blended(self, blend: Blend) -> Iterator[None]:
        """Let the hooks add this, and PEFT nothing."""
        with self.adapters.answering(None):
            self._blend = blend
            try:
                yield
            finally:
                self._blend = None

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let the base answer alone, within ``blended``."""
        before, self._blend = self._blend, None
        try:
            yield
        finally:
            self._blend = before

    def _hook(self, place: int) -> Any:
        def add(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            if self._blend is None:
                return None
            return (output + self._blend(place, inputs[0], output)).to(output.dtype)

        return add
