"""The base in 4-bit NormalFloat with double quantisation, as QLoRA trains on it.

Adapters are not quantised and neither is what they learn: bitsandbytes keeps every matrix of the
decoder layers in 4 bits and expands it whenever it is multiplied with.

source      Dettmers et al. 2023 (arXiv:2305.14314) §3; blocks of 64 numbers, their scales in blocks
            of 256
departures  ``nf4`` computes in float32, so that it can be set beside ``fp32``; ``nf4_bf16`` in
            bfloat16, as the paper does
choices     embeddings, norms and the output layer are not quantised
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from classay.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

QUANTISED = ("nf4", "nf4_bf16")


def check(dtype: str) -> None:
    """See that what a number format needs is here, before any work.

    raises  ConfigError   bitsandbytes is not installed
    """
    if dtype in QUANTISED and find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"base.dtype is {dtype}, and bitsandbytes, which quantises to 4 bits, is not "
            f"installed.\n  pip install bitsandbytes, or give --dtype fp32."
        )


def arguments(dtype: str, compute: Any, device: str) -> dict[str, Any]:
    """What a base is loaded with, besides its number format.

    dtype    as the suite names it
    compute  the torch dtype of everything that is not quantised
    returns  keywords for transformers' ``from_pretrained``; none if nothing is quantised
    """
    if dtype not in QUANTISED:
        return {}
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        ),
        "device_map": {"": device},
    }


def keep_still(model: nn.Module) -> None:
    """Let no forward pass pack a quantised matrix anew.

    On processors with bfloat16 instructions bitsandbytes does so in place when a model in
    evaluation mode is first asked: the base's bytes change and so does its loss, or the pass fails
    for want of a suitable size.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def statistics(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What a quantised matrix cannot be read without, as it is now; nothing for any other tensor.

    returns  the scales of its blocks, the scales of those, and the values of its codes
    """
    state = getattr(tensor, "quant_state", None)
    if state is not None:
        yield from sorted(state.as_dict(packed=True).items())


def dense(weight: Tensor) -> Tensor:
    """A matrix as numbers: a quantised one expanded, any other as it is, detached."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight.detach()
    from bitsandbytes.functional import dequantize_4bit

    expanded: Tensor = dequantize_4bit(weight.data, state)
    return expanded
