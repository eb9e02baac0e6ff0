"""Placement ``group``: the coordinates of every decoder layer's output in n groups, mixed whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.errors import ConfigError
from classay.methods.crma.operators import Operators, decoder_layers, gated
from classay.methods.crma.presets import PRESETS, Config
from classay.methods.crma.structure import Structure
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor


class Grouped(Structure):
    """g of every layer without a projection; n² + 1 numbers a layer under mixing ``sinkhorn``.

    ::

        g(h) = (1 − α) h + α vec(M H),    H = h as a matrix of n rows of d / n

    adapters   on the base whose layers get a hook each, found before an adapter renames a module
    config     preset, mixing, control and gate
    raises     ConfigError   d cannot be divided by n
    """

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        super().__init__(config, PRESETS[config.preset].streams)
        found, width = decoder_layers(adapters.model), int(adapters.model.config.hidden_size)
        if width % self.n:
            raise ConfigError(
                f"the base has a hidden size of {width}, and placement group divides it into "
                f"{self.n} groups of one size.\n  Take a preset with another number of streams, or "
                f"placement stream."
            )
        self.layers = tuple(name for name, _ in found)
        self._begin(adapters.model, self._mixing_start(len(found)) | self._gate_start(len(found)))
        for place, (_, layer) in enumerate(found):
            self._after(layer, place, grouped)


def grouped(h: Tensor, operators: Operators, layer: int) -> Tensor:
    """One layer's g(h), (..., d), computed in float32 and rounded once to the type of h."""
    change, wide = gated(operators, layer), h.float()
    groups = wide.unflatten(-1, (len(change), -1))  # (..., n, d / n)
    return (wide + (change @ groups).flatten(-2)).to(h.dtype)
