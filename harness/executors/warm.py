"""What every cell imports, imported once by the server that cells are forked from."""

from classay.determinism import no_hub_kernels

no_hub_kernels()

import peft  # noqa: E402, F401
import torch  # noqa: E402, F401
import transformers.modeling_utils  # noqa: E402
import transformers.models.auto.modeling_auto  # noqa: E402
import transformers.models.llama.modeling_llama  # noqa: E402, F401
from transformers.conversion_mapping import get_checkpoint_conversion_mapping  # noqa: E402

import classay.shared  # noqa: E402, F401

# made when the first model of a process is loaded, and then kept
get_checkpoint_conversion_mapping("llama")
