"""What an operator without a forward derivative owes who asks for one: an error, and not 0."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad


def without_tangent(who: str, *arguments: object) -> None:
    """Refuse arguments that carry a tangent, which PyTorch would drop without a word.

    raises  RuntimeError
    """
    if torch.compiler.is_compiling():
        return  # a compiled graph has none
    for each in arguments:
        if isinstance(each, torch.Tensor) and forward_ad.unpack_dual(each).tangent is not None:
            raise RuntimeError(
                f"{who} got a tensor with a tangent, of forward-mode differentiation; they have a "
                f"backward alone.\n  Take the reference, or torch.autograd.grad."
            )
