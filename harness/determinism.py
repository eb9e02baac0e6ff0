"""Same input, same bits: what must be set before a process computes anything."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS repeats its sums in one order
    "TOKENIZERS_PARALLELISM": "false",
    "USE_HUB_KERNELS": "NO",  # no kernel is fetched from a hub behind our back
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TQDM_DISABLE": "1",  # the last thing that a failed cell says must be why
    # children start with -c, which puts the working directory first on sys.path; in a checkout of
    # classay that hides Hugging Face's ``kernels`` behind ours
    "PYTHONSAFEPATH": "1",
}


def environment(online: bool) -> None:
    """Set the environment of this process and its children; before torch is imported."""
    os.environ.update(ENVIRONMENT)
    offline = "0" if online else "1"
    os.environ.update({"HF_HUB_OFFLINE": offline, "HF_DATASETS_OFFLINE": offline})


def no_hub_kernels() -> None:
    """Hide Hugging Face's package ``kernels`` from this process; before anything imports it.

    transformers and bitsandbytes fetch compiled code from a hub through it, bitsandbytes on some
    processors as soon as it is imported. It then says on stderr that it could not; that is meant.
    """
    sys.modules["kernels"] = None  # type: ignore[assignment]
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def settle(threads: int) -> int:
    """Fix the number of threads, refuse operations that have no repeatable form.

    returns  the number of threads that is in force
    """
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return int(torch.get_num_threads())


@contextmanager
def attention(device: str) -> Iterator[None]:
    """Keep to attention kernels whose backward pass repeats its bits.

    On a GPU the memory-efficient kernel adds with atomics; flash has a deterministic form and the
    plain one needs none.
    """
    if not device.startswith("cuda"):
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        yield
