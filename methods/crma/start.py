"""Where the projection V of every layer starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from classay import quantisation
from classay.errors import ConfigError
from classay.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


def projection(
    layers: Sequence[tuple[str, nn.Module]],
    model: nn.Module,
    size: int,
    start: Literal["down_proj", "random"],
    seeds: Seeds,
) -> Tensor:
    """V of every layer before training, (L, size, d) float64, with orthonormal rows.

    ::

        down_proj   U[:, :size]ᵀ of the layer's down_proj = U S Wᵀ, the largest s first
        random      Q of a QR decomposition of normal draws, every layer from its own stream

    layers   their names and modules, in order
    raises   ConfigError   a width too small, or no down_proj
    choices  of a singular vector and its negative, the one whose largest entry is positive, so that
             the start does not depend on the library that decomposes
    """
    import torch

    width = int(model.config.hidden_size)
    if size > width:
        raise ConfigError(
            f"the base has a hidden size of {width}, and this preset of crma needs {size} "
            f"orthonormal rows in it.\n  Take a preset with fewer streams, or a wider base."
        )
    if start == "random":
        draws = [
            seeds.generator("crma", "projection", name).standard_normal((width, size))
            for name, _ in layers
        ]
        return torch.stack([torch.linalg.qr(torch.from_numpy(draw)).Q.mT for draw in draws])
    return torch.stack([_leading(name, layer, size, width) for name, layer in layers])


def _leading(name: str, layer: nn.Module, size: int, width: int) -> Tensor:
    import torch

    weights = [
        quantisation.dense(m.weight)
        for key, m in layer.named_modules()
        if key.endswith("down_proj")
    ]
    if len(weights) != 1 or weights[0].shape[0] != width:
        shapes = [list(weight.shape) for weight in weights]
        raise ConfigError(
            f"layer {name} of the base has matrices called down_proj of the shapes {shapes}; one "
            f"of {width} rows was needed.\n  Set start: random under crma in the suite."
        )
    w = weights[0].double()
    # left singular vectors of W are eigenvectors of W Wᵀ; eigh gives the largest last
    vectors = torch.linalg.eigh(w @ w.mT).eigenvectors.flip(1)[:, :size].mT
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()
