"""A base for demonstrations: a small Llama with random weights, made on the spot.

It has learned nothing, so nothing that is measured on it says anything about a method. It lets a
new user walk the whole road in a minute, without a model and without a network.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from classay.base import BaseFiles, locate
from classay.records import digest
from classay.sources import Records
from classay.suite import BaseSpec

VOCABULARY = 512


def base(folder: Path, records: Sequence[Records]) -> BaseFiles:
    """Make the base if it is not there: weights from a fixed seed, tokenizer from the train text.

    folder   where such bases lie; each is named after the text that its tokenizer was learned on
    records  whose train text that is
    """
    place = folder / digest([part.digest for part in records])[:12]
    if not place.exists():
        half = folder / f".{place.name}.{os.getpid()}"
        _tokenizer(half, [record.text for part in records for record in part.train])
        _model(half)
        half.rename(place)
    return locate(BaseSpec(path=str(place)))


def _tokenizer(folder: Path, texts: Sequence[str]) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def _model(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        initializer_range=0.2,  # large enough for an adapter to find directions to push in
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
