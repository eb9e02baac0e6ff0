"""What the structure amounts to in a forward pass, and the layers to which it is applied."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from classay.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)$")


class Operators(NamedTuple):
    """The operators of L places; float32."""

    m: Tensor  # (L, n, n)
    alpha: Tensor  # (L,)
    q: Any = None  # (L, n r, d), orthonormal rows; None where nothing is projected


Change = Callable[["Tensor", Operators, int], "Tensor"]  # what passes a place -> what leaves it


def gated(operators: Operators, place: int) -> Tensor:
    """α (M − I) of one place, (n, n)."""
    import torch

    m = operators.m[place]
    return operators.alpha[place] * (m - torch.eye(len(m), device=m.device))


def decoder_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Every decoder layer with its number, in order.

    raises  ConfigError   there are none
    """
    found = [(m[1], layer) for name, layer in model.named_modules() if (m := LAYER.search(name))]
    if not found:
        raise ConfigError(
            "the base has no modules called layers.N, h.N or blocks.N, and crma mixes the output "
            "of every decoder layer.\n  Use another base, or leave crma out of the suite."
        )
    return found
