"""The base model: found, checked, loaded, and digested so that nobody can say it moved.

Weights come from safetensors only, configuration is data only: nothing that is found in the folder
of a model is ever executed. Without ``--online`` no hub is asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from classay import quantisation
from classay.errors import ConfigError
from classay.records import digest
from classay.suite import BaseSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
CONTENT = {".json", ".safetensors", ".model", ".txt"}
CODE = {"auto_map", "attn_implementation", "experts_implementation"}  # can name a hub's kernel
# written by transformers itself, and read by nothing that runs
HARMLESS = {"_name_or_path", "_commit_hash", "_num_labels", "_attn_implementation_autoset"}
# of what is not quantised, and of the arithmetic
COMPUTE = {"fp32": "float32", "bf16": "bfloat16", "nf4": "float32", "nf4_bf16": "bfloat16"}


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base model on disk that has passed the checks."""

    folder: Path
    digest: str  # of every file that says what the model is
    parameters: int


class Outline(NamedTuple):
    """What can be planned with: how large a base is, whatever its weights."""

    parameters: int
    shapes: Mapping[str, tuple[int, ...]]  # of its tensors, by name


def outline(files: BaseFiles) -> Outline:
    """The outline of a base on disk, from the headers of its files."""
    weights = sorted(files.folder.glob("*.safetensors"))
    return Outline(files.parameters, dict(item for path in weights for item in _shapes(path)))


def locate(spec: BaseSpec, online: bool = False) -> BaseFiles:
    """Find a base model and check it, without loading it and without torch.

    raises  ConfigError   when it is absent, holds pickled weights only, asks for code to be run, or
                          is not the one that the suite pins
    """
    folder = _folder(spec, online)
    config_path = folder / "config.json"
    try:
        config = json.loads(config_path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{config_path} cannot be read as JSON ({error}).\n"
            f"  A base is a folder with config.json, a tokenizer and *.safetensors. Give --base."
        ) from error
    if not isinstance(config, dict):
        raise ConfigError(
            f"{config_path} holds {type(config).__name__}, and an object was needed.\n"
            f"  A base is a folder with config.json, a tokenizer and *.safetensors. Give --base."
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        found = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
        raise ConfigError(
            f"{folder} holds {', '.join(found) or 'no weights'} and no *.safetensors.\n"
            f"  classay reads safetensors only: unpickling weights runs code that they bring along."
            f"\n  Convert them in a place that you can afford to lose."
        )
    refused = sorted(
        key for key in config if key in CODE or (key.startswith("_") and key not in HARMLESS)
    )
    if refused:
        raise ConfigError(
            f"{config_path} has the keys {refused}, which make loading run code of the model's "
            f"own.\n  classay never does. Use an architecture that transformers knows by itself."
        )
    content = digest(
        {
            path.name: sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if path.suffix in CONTENT and path.is_file()
        }
    )
    if spec.digest not in (None, content):
        raise ConfigError(
            f"{folder} has the digest {content}, and the suite was written for {spec.digest}.\n"
            f"  Give the base that the suite names, or take base.digest out of it."
        )
    return BaseFiles(folder, content, sum(_parameters(path) for path in weights))


class TokenizerFiles:
    """The base's tokenizer, as the stream needs it."""

    def __init__(self, files: BaseFiles) -> None:
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                files.folder, trust_remote_code=False, local_files_only=True
            )
        except (ValueError, OSError, ImportError) as error:
            raise ConfigError(
                f"{files.folder}: its tokenizer does not load ({error}).\n"
                f"  classay runs no code of a tokenizer's own. A tokenizer.json is needed."
            ) from error
        if not self._tokenizer.is_fast:
            raise ConfigError(
                f"{files.folder}: its tokenizer does not say which characters a token covers.\n"
                f"  Masks and bytes are counted in characters. A tokenizer.json is needed."
            )
        self.bos: int | None = self._tokenizer.bos_token_id
        self.eos: int | None = self._tokenizer.eos_token_id

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids without special tokens, and the characters that each covers."""
        out = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return out["input_ids"], [tuple(span) for span in out["offset_mapping"]]


def modules(files: BaseFiles) -> nn.Module:
    """The modules of a base, without its weights.

    raises  ConfigError   when transformers does not know the architecture
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(
            files.folder, trust_remote_code=False, local_files_only=True
        )
        with torch.device("meta"):
            model: nn.Module = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (ValueError, OSError, ImportError) as error:
        raise _unknown_architecture(files, error) from error
    return model


class Base:
    """A loaded base model, which remembers its own tensors."""

    def __init__(self, files: BaseFiles, dtype: str, device: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        compute = getattr(torch, COMPUTE[dtype])
        try:
            self.model: nn.Module = AutoModelForCausalLM.from_pretrained(
                files.folder,
                dtype=compute,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                use_kernels=False,
                **quantisation.arguments(dtype, compute, device),
            )
        except (ValueError, OSError, ImportError) as error:
            raise _unknown_architecture(files, error) from error
        self.model.to(device).eval()
        quantisation.keep_still(self.model)
        # the tensors themselves: adapters rename the modules around them, but do not replace them
        self._tensors: dict[str, Tensor] = dict(
            [*self.model.named_parameters(), *self.model.named_buffers()]
        )

    def digest(self) -> str:
        """SHA-256 of every parameter and buffer, with its name, type and shape, as it is now.

        What a quantised matrix is expanded with is part of it.
        """
        import torch

        now = {id(t) for t in [*self.model.parameters(), *self.model.buffers()]}
        if replaced := [name for name, tensor in self._tensors.items() if id(tensor) not in now]:
            raise RuntimeError(
                f"{len(replaced)} tensors of the base were replaced by others ({replaced[0]}, …); "
                f"a method may add to the base and must leave it in place"
            )
        total = sha256()
        for name, tensor in self._named():
            total.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            total.update(flat.numpy().tobytes())
        return total.hexdigest()

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in sorted(self._tensors.items()):
            yield name, tensor
            for key, part in quantisation.statistics(tensor):
                yield f"{name}.{key}", part


def _unknown_architecture(files: BaseFiles, error: Exception) -> ConfigError:
    return ConfigError(
        f"{files.folder} does not load as a causal language model ({error}).\n"
        f"  Use an architecture that transformers knows by itself."
    )


def _folder(spec: BaseSpec, online: bool) -> Path:
    if spec.path is not None:
        folder = Path(spec.path)
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not a folder.\n  A base is a folder with config.json, a tokenizer "
                f"and *.safetensors. Give --base FOLDER."
            )
        return folder
    if spec.hub is None:
        raise ConfigError(
            "the suite names no base.\n  Give --base FOLDER, or base.hub in the suite."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(
            snapshot_download(
                spec.hub,
                revision=spec.revision,
                allow_patterns=[f"*{suffix}" for suffix in sorted(CONTENT)],
                local_files_only=not online,
            )
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        todo = (
            "The hub was asked. Check base.hub and base.revision"
            if online
            else "classay asks no hub unless told to. Give --online once"
        )
        raise ConfigError(
            f"the base {spec.hub!r} at {spec.revision} is not here ({type(error).__name__}).\n"
            f"  {todo}, or give --base FOLDER."
        ) from error


def _parameters(path: Path) -> int:
    """Parameters in a safetensors file, from its header."""
    return sum(math.prod(shape) for _, shape in _shapes(path))


def _shapes(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118  not a mapping
                yield name, tuple(file.get_slice(name).get_shape())
    except SafetensorError as error:
        raise ConfigError(
            f"{path} is not a safetensors file ({error}).\n"
            f"  A pointer of git-lfs looks like this. Fetch the weights themselves."
        ) from error
