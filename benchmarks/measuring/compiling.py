"""How torch.compile compiles what stands beside a kernel: once a size, for any number of them."""

from __future__ import annotations

import torch._dynamo
import torch._functorch.config
from torch import Tensor

# a size is compiled for itself; more than 8 of them, both ways, is where it stops otherwise
torch._dynamo.config.automatic_dynamic_shapes = False
torch._dynamo.config.recompile_limit = 64
# a graph that is kept for the next backward pass must not give its buffers away
torch._functorch.config.donated_buffer = False


def of_any_number(tensor: Tensor) -> Tensor:
    """The tensor, whose first dimension is compiled as one that changes."""
    torch._dynamo.mark_dynamic(tensor, 0)
    return tensor
