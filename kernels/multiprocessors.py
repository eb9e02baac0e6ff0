"""How many multiprocessors a launch can fill: of programs that take turns, or registers."""

from __future__ import annotations

import torch


def multiprocessors(device: torch.device) -> int:
    """Those of a GPU; 1 under Triton's interpreter, so that its programs take several turns too."""
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count
