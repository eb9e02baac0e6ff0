"""Text to rows of tokens: blocks to train on, items and probes to score.

Train records are joined with the end-of-text token and cut into blocks of a fixed length: no
padding, so every step has the same shape. A block may hold parts of several records, and a later
record sees the earlier one, as in GPT pre-training. What is scored is one row an item, padded on
the right, where a causal model cannot see it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from classay.errors import StreamError
from classay.sources import Record

IGNORED = -100  # the label of a position that is not scored
Ints = NDArray[np.int32]


class Tokenizer(Protocol):
    """What the stream needs of a tokenizer."""

    bos: int | None
    eos: int | None

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids without special tokens, and the characters that each covers."""
        ...


class Batch(NamedTuple):
    """Blocks of tokens that one optimizer step is offered."""

    ids: Ints  # (B, L)
    labels: Ints  # (B, L), IGNORED where no loss is taken

    @property
    def digest(self) -> str:
        """SHA-256 of ids and labels."""
        return sha256(self.ids.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Items:
    """What is scored: one row an item, padded on the right."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    subjects: tuple[str, ...]
    bytes: tuple[int, ...]  # UTF-8 bytes of the text under the scored tokens
    ids: Ints  # (n, L), 0 beyond the end
    labels: Ints  # (n, L), IGNORED where nothing is scored
    lengths: Ints  # (n,)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is scored and in which order."""
        return sha256(
            json.dumps([self.names, self.bytes]).encode()
            + self.ids.tobytes()
            + self.labels.tobytes()
        ).hexdigest()


@dataclass(frozen=True)
class Probe:
    """A question with a closed set of answers: one row a choice in ``Tokens.probes``."""

    name: str
    source: str
    prompt: str  # digest
    expected: str  # digest
    right: int
    rows: tuple[int, int]  # from, to
    cut: bool  # the prompt lost its beginning


def pack(
    records: Sequence[Record], block: int, completion: bool, domain: str, tokenizer: Tokenizer
) -> Batch:
    """Every block of a domain's train records.

    block       tokens
    completion  take the loss on completions only
    returns     (N, block); blocks in which no token is learned are left out
    raises      StreamError   if there is not one block
    """
    ids, labels = list[int](), list[int]()
    for record in records:
        tokens, spans = tokenizer.encode(record.text)
        start = _start(record, completion)
        ids += tokens
        labels += [
            token if end > start else IGNORED for token, (_, end) in zip(tokens, spans, strict=True)
        ]
        if tokenizer.eos is not None:
            ids.append(tokenizer.eos)
            labels.append(tokenizer.eos)
    count = len(ids) // block
    tables = [np.asarray(row[: count * block], np.int32) for row in (ids, labels)]
    packed = Batch(*(table.reshape(count, block) for table in tables))
    # the first label of a block has nothing before it to be predicted from
    teaches = (packed.labels[:, 1:] != IGNORED).any(axis=1)
    if not teaches.any():
        raise StreamError(
            f"domain {domain!r}: its {len(records)} train records give {len(ids)} tokens, and "
            f"one block of {block} tokens with something to learn was needed.\n"
            f"  Add records, or make stream.block smaller."
        )
    return Batch(packed.ids[teaches], packed.labels[teaches])


def items(
    records: Sequence[Record], count: int, limit: int, completion: bool, tokenizer: Tokenizer
) -> Items:
    """What is scored of some records: up to ``count`` of them, each cut to ``limit`` tokens.

    returns  those whose hash comes first and that have a token to score, longest first so that
             little is padded
    """
    rows = list[tuple[Record, list[int], list[int], int]]()
    for record in sorted(records, key=_rank):
        if len(rows) == count:
            break
        row = _row(record, completion, limit, tokenizer)
        if any(label != IGNORED for label in row[1]):
            rows.append((record, *row))
    rows.sort(key=lambda row: (-len(row[1]), row[0].id))
    return _table(rows)


def probe_rows(
    records: Sequence[Record], count: int, limit: int, tokenizer: Tokenizer
) -> tuple[tuple[Probe, ...], Items]:
    """Up to ``count`` probes chosen by hash, and one scored row a choice.

    limit    tokens of a row; a prompt that is too long loses its beginning, by the same number of
             tokens for every choice, so that all choices are scored after the same words
    returns  the probes and their rows; a probe whose choices leave no room for a prompt is passed
             over
    choices  each choice is scored as ``prompt + " " + choice``, as lm-eval does with a target
             delimiter of one space
    """
    first = [tokenizer.bos] if tokenizer.bos is not None else []
    chosen, rows = list[Probe](), list[tuple[Record, list[int], list[int], int]]()
    for record in sorted(records, key=_rank):
        if len(chosen) == count:
            break
        prompt, answer = record.prompt or "", record.answer or ""
        split = [_split(f"{prompt} {choice}", len(prompt), tokenizer) for choice in record.choices]
        room = limit - len(first) - max(len(choice) for _, choice in split)
        if room < 1 or not all(choice for _, choice in split):
            continue
        chosen.append(
            Probe(
                record.id,
                record.source,
                sha256(prompt.encode()).hexdigest(),
                sha256(answer.encode()).hexdigest(),
                record.choices.index(answer),
                (len(rows), len(rows) + len(split)),
                max(len(asked) for asked, _ in split) > room,
            )
        )
        for number, ((asked, choice), text) in enumerate(zip(split, record.choices, strict=True)):
            kept = [*first, *asked[max(len(asked) - room, 0) :]]
            row = Record(f"{record.id}#{number}", text, record.split)
            labels = [*([IGNORED] * len(kept)), *choice]
            rows.append((row, [*kept, *choice], labels, len(f" {text}".encode())))
    return tuple(chosen), _table(rows)


def _split(text: str, length: int, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Tokens of the first ``length`` characters, and those after; one that spans both is after."""
    ids, spans = tokenizer.encode(text)
    border = next((i for i, (_, end) in enumerate(spans) if end > length), len(ids))
    return ids[:border], ids[border:]


def _rank(record: Record) -> str:
    """An order that depends on each record alone, so that adding one moves no other."""
    return sha256(f"evaluation\x1f{record.id}".encode()).hexdigest()


def _start(record: Record, completion: bool) -> int:
    return len(record.prompt) if completion and record.prompt else 0


def _row(
    record: Record, completion: bool, limit: int, tokenizer: Tokenizer
) -> tuple[list[int], list[int], int]:
    """Ids, labels and scored bytes of one item."""
    ids, spans = tokenizer.encode(record.text)
    start = _start(record, completion)
    first = [tokenizer.bos] if tokenizer.bos is not None else []
    ids, spans = ids[: limit - len(first)], spans[: limit - len(first)]
    # without a beginning-of-text token nothing precedes the first token
    scored = [end > start and (bool(first) or i > 0) for i, (_, end) in enumerate(spans)]
    under = [span for span, counts in zip(spans, scored, strict=True) if counts]
    size = len(record.text[under[0][0] : under[-1][1]].encode()) if under else 0
    labels = [t if s else IGNORED for t, s in zip(ids, scored, strict=True)]
    return [*first, *ids], [*([IGNORED] * len(first)), *labels], size


def _table(rows: Sequence[tuple[Record, list[int], list[int], int]]) -> Items:
    """Rows of ids and labels, padded on the right to the longest."""
    shape = len(rows), max((len(ids) for _, ids, _, _ in rows), default=0)
    ids, labels = np.zeros(shape, np.int32), np.full(shape, IGNORED, np.int32)
    for i, (_, row_ids, row_labels, _) in enumerate(rows):
        ids[i, : len(row_ids)], labels[i, : len(row_ids)] = row_ids, row_labels
    return Items(
        tuple(record.id for record, *_ in rows),
        tuple(record.source for record, *_ in rows),
        tuple(record.subject or "" for record, *_ in rows),
        tuple(size for *_, size in rows),
        ids,
        labels,
        np.asarray([len(row_ids) for _, row_ids, _, _ in rows], np.int32),
    )
