"""Rows of tokens whose later part the model writes itself.

What the methods that learn from the model's own words have in common; no method of its own.

departures  packed text has no question and no answer: the beginning of a row stands for the one and
            its later part for the other
choices     what carries no label is never written but given, so that a prompt inside the later part
            stays as it is; the end-of-text token is a token like any other, and writing goes on
            after it. Written in evaluation mode: no dropout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classay.errors import ConfigError
from classay.packing import IGNORED

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from classay.method import Batch, Phase


def cut(block: int, share: float) -> int:
    """Where the later part of a row begins.

    block  tokens of a row
    share  of it that is the later part
    """
    return block - round(share * block)


def check(model: nn.Module, phase: Phase, share: float, setting: str) -> None:
    """See that the rows of a phase can be written, before any work.

    share    of a row that is written
    setting  its name in the suite
    raises   ConfigError   no beginning is left, nothing is written though a share above 0 was asked
                           for, or the model has no room for a row behind a row
    """
    block = phase.batches[0]["input_ids"].shape[1]
    if share > 0 and cut(block, share) == block:
        raise ConfigError(
            f"rows of {block} tokens, of which {setting} = {share:g} is less than half a token: "
            f"nothing would be written.\n  Raise {setting}, or stream.block."
        )
    if cut(block, share) < 1:
        raise ConfigError(
            f"rows of {block} tokens, of which {setting} = {share:g} leaves no first token to "
            f"begin from; one was needed.\n  Lower {setting}, or raise stream.block."
        )
    room = getattr(model.config, "max_position_embeddings", None)
    if room is not None and room < 2 * block:
        raise ConfigError(
            f"the base reads up to {room} tokens, and a row of {block} is shown to it once more "
            f"in front of itself, which takes {2 * block}.\n  Lower stream.block."
        )


def written(batch: Batch, start: int) -> Tensor:
    """Which tokens the model writes: those from ``start`` on that carry a label, (rows, block)."""
    learned = batch["labels"] != IGNORED
    learned[:, :start] = False
    return learned


def write(
    model: nn.Module,
    batch: Batch,
    start: int,
    shown: Tensor | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The rows of a batch with the model's own tokens from ``start`` on.

    ::

        x_i ~ softmax(h(shown, x_<i) / T)          T = 0: the likeliest token

    shown        what stands before each row when it is read: (rows, tokens)
    temperature  T
    generator    where T > 0, of the model's device
    returns      (rows, block)
    choices      drawn as arg max of p / e with e ~ Exp(1), which needs no sum over the vocabulary
                 whose order could matter
    """
    import torch

    ids, own = batch["input_ids"], written(batch, start)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            row = [ids[:, :start]]
            read, past = torch.cat([*([] if shown is None else [shown]), *row], dim=1), None
            for place in range(start, ids.shape[1]):
                said = model(input_ids=read, past_key_values=past, use_cache=True)
                past, logits = said.past_key_values, said.logits[:, -1].float()
                if temperature > 0:
                    weight = torch.softmax(logits / temperature, dim=-1)
                    logits = weight / torch.empty_like(weight).exponential_(generator=generator)
                token = torch.where(own[:, place], logits.argmax(-1), ids[:, place])
                read = token.unsqueeze(1)
                row.append(read)
    finally:
        model.train(training)
    return torch.cat(row, dim=1)
