"""Placement ``stream``: streams of a projection of every decoder layer's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classay.adapters import Adapters
from classay.errors import Diverged
from classay.methods.crma.operators import Operators, decoder_layers
from classay.methods.crma.presets import PRESETS, Config
from classay.methods.crma.start import projection
from classay.methods.crma.structure import Structure
from classay.seeding import Seeds

if TYPE_CHECKING:
    from torch import Tensor


class Stream(Structure):
    """g of every layer, as hooks on a base whose modules stay as they are.

    ::

        g(h) = h + α Qᵀ ((M − I_n) ⊗ I_r) Q h,    Q = chol(VVᵀ)⁻¹ V

    adapters   on the base whose layers get a hook each, found before an adapter renames a module
    config     preset, mixing, control, gate and start
    seeds      the cell's random streams
    """

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        import torch

        super().__init__(config, PRESETS[config.preset].streams)
        model = adapters.model
        found, size = decoder_layers(model), self.n * self.preset.rank
        self.layers, count = tuple(name for name, _ in found), len(found)
        start = self._mixing_start(count)
        if self.mixing.key == "log_mix":
            start["log_tau"] = torch.zeros(count)
        start |= self._gate_start(count)
        self._begin(model, start | {"v": projection(found, model, size, config.start, seeds)})
        for place, (_, layer) in enumerate(found):
            self._after(layer, place, mixed)

    def operators(self) -> Operators:
        import torch

        m, alpha, v = self._mixing(), self._gate(), self._in_force["v"]
        try:
            lower = torch.linalg.cholesky(v @ v.mT)
        except torch.linalg.LinAlgError as error:
            raise Diverged(
                f"the rows of V are no longer linearly independent ({error}); Q = chol(VVᵀ)⁻¹V "
                f"needs them to be.\n  Lower the learning rate, or take a preset whose projection "
                f"moves more slowly."
            ) from error
        return Operators(m, alpha, torch.linalg.solve_triangular(lower, v, upper=False))


def mixed(h: Tensor, operators: Operators, layer: int) -> Tensor:
    """One layer's g(h), (..., d), computed in float32 and rounded once to the type of h."""
    from classay.kernels.stream_mix import stream_mix

    return stream_mix(h, operators.m[layer], operators.q[layer], operators.alpha[layer])
