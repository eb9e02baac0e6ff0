"""The domains, in order, as tokens: what every method is offered, and what it is measured on.

Text is tokenised once. Train records are joined with the end-of-text token and cut into blocks of a
fixed length (no padding, so every step has the same shape and the same number of tokens); the order
of the blocks is a function of (seed, domain, epoch) alone, so it does not depend on the method, nor
on where in the stream the domain stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from safetensors.numpy import save as save_arrays

from classay.errors import StreamError
from classay.layout import write_atomically
from classay.packing import Batch, Items, Probe, Tokenizer, items, pack, probe_rows
from classay.records import digest
from classay.seeding import Seeds
from classay.sources import Record, Records
from classay.suite import Domain, Suite

TEXT = ("names", "sources", "subjects", "bytes")  # the fields of Items that go into JSON
TABLES = ("ids", "labels", "lengths")  # and those that are arrays


@dataclass(frozen=True)
class Tokens:
    """One domain, tokenised."""

    name: str
    records: str  # digest
    train: Batch  # (N, L): every block
    train_records: int
    holdout: Items  # what is scored; in a search the validation records
    validation: Items
    probe_rows: Items
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class Stream:
    """Every domain of a suite, tokenised."""

    domains: Mapping[str, Tokens]
    batch: int
    steps: int

    def offered(self, domain: str, seed: int) -> list[Batch]:
        """The batches that every method is offered while it learns ``domain``.

        returns  ``steps`` batches of (batch, block) tokens; when the blocks run out they come
                 again in another order
        """
        train, needed = self.domains[domain].train, self.steps * self.batch
        order: list[int] = []
        for epoch in range(-(-needed // len(train.ids))):
            generator = Seeds(seed).generator("order", domain, epoch)
            order.extend(generator.permutation(len(train.ids)).tolist())
        rows = np.asarray(order[:needed]).reshape(self.steps, self.batch)
        return [Batch(train.ids[r], train.labels[r]) for r in rows]

    def digest(self, order: Sequence[str], seed: int) -> str:
        """One digest for everything offered and everything scored, in this order of domains."""
        return digest(
            {
                "offered": [[name, offered_digest(self.offered(name, seed))] for name in order],
                "scored": {
                    name: [t.holdout.digest, t.validation.digest, t.probe_rows.digest]
                    for name, t in self.domains.items()
                },
            }
        )


def offered_digest(batches: Sequence[Batch]) -> str:
    """One digest for a sequence of batches."""
    return digest([batch.digest for batch in batches])


def build(suite: Suite, records: Sequence[Records], tokenizer: Tokenizer) -> Stream:
    """Tokenise and pack.

    records  of every evaluated domain, in the suite's order
    raises   StreamError   when a domain gives no block or no item that can be scored
    """
    domains = {
        part.domain: _tokens(suite, domain, part, tokenizer)
        for domain, part in zip(suite.evaluated(), records, strict=True)
    }
    return Stream(domains, suite.training.batch, suite.steps)


def save(stream: Stream, folder: Path) -> None:
    """Write a stream, for the processes that run its cells."""
    about: dict[str, Any] = {"batch": stream.batch, "steps": stream.steps, "domains": {}}
    for name, tokens in stream.domains.items():
        arrays = {"train.ids": tokens.train.ids, "train.labels": tokens.train.labels}
        parts = {}
        for part in ("holdout", "validation", "probe_rows"):
            rows: Items = getattr(tokens, part)
            arrays |= {f"{part}.{key}": getattr(rows, key) for key in TABLES}
            parts[part] = [getattr(rows, key) for key in TEXT]
        data = save_arrays({k: np.ascontiguousarray(v) for k, v in arrays.items()})
        write_atomically(_file(folder, name), data)
        about["domains"][name] = {
            "records": tokens.records,
            "train_records": tokens.train_records,
            "parts": parts,
            "probes": [asdict(probe) for probe in tokens.probes],
        }
    # not sorted: the order of the domains is the suite's
    write_atomically(folder / "stream.json", json.dumps(about).encode())


def load(folder: Path) -> Stream:
    """Read what ``save`` wrote."""
    about = json.loads((folder / "stream.json").read_text("utf-8"))
    domains = {}
    for name, meta in about["domains"].items():
        arrays = load_file(_file(folder, name))
        parts = {
            part: _items(columns, [arrays[f"{part}.{key}"] for key in TABLES])
            for part, columns in meta["parts"].items()
        }
        probes = tuple(Probe(**{**p, "rows": tuple(p["rows"])}) for p in meta["probes"])
        train = Batch(arrays["train.ids"], arrays["train.labels"])
        domains[name] = Tokens(
            name, meta["records"], train, meta["train_records"], probes=probes, **parts
        )
    return Stream(domains, about["batch"], about["steps"])


def _items(columns: Sequence[Sequence[Any]], tables: Sequence[Any]) -> Items:
    names, sources, subjects, sizes = map(tuple, columns)
    ids, labels, lengths = tables
    return Items(names, sources, subjects, sizes, ids, labels, lengths)


def _file(folder: Path, domain: str) -> Path:
    return folder / f"{domain}.safetensors"


def _tokens(suite: Suite, domain: Domain, records: Records, tokenizer: Tokenizer) -> Tokens:
    share, plan = suite.stream.validation_share, suite.evaluation
    held = {r.id for r in records.train if _fraction(r.id) < share}
    kept = [r for r in records.train if r.id not in held]
    validation = [r for r in records.train if r.id in held]
    count, limit = plan.items_per_domain, plan.tokens_per_item
    searching = plan.scored == "validation"
    # a search sees neither a hold-out item nor a probe
    asked, scored = ([], validation) if searching else (records.probe, records.holdout)
    probes, rows = probe_rows(asked, plan.probes_per_domain, limit, tokenizer)
    completion = domain.loss_on == "completion"
    holdout = items(scored, count, limit, completion, tokenizer)
    if not holdout.names:
        kind, raised = (
            ("validation", ", or stream.validation_share") if searching else ("hold-out", "")
        )
        raise StreamError(
            f"domain {domain.name!r}: none of its {len(scored)} {kind} records has a "
            f"token that can be scored within {limit} tokens.\n"
            f"  Raise evaluation.tokens_per_item{raised}, or score all tokens (loss_on: all)."
        )
    return Tokens(
        name=domain.name,
        records=records.digest,
        train=_train(suite, domain, kept, tokenizer),
        train_records=len(kept),
        holdout=holdout,
        validation=items([] if searching else validation, count, limit, completion, tokenizer),
        probe_rows=rows,
        probes=probes,
    )


def _train(suite: Suite, domain: Domain, records: Sequence[Record], tokenizer: Tokenizer) -> Batch:
    if domain is suite.stream.general:  # evaluated, never trained on
        return Batch(*(np.zeros((0, suite.stream.block), np.int32) for _ in range(2)))
    completion = domain.loss_on == "completion"
    return pack(records, suite.stream.block, completion, domain.name, tokenizer)


def _fraction(name: str) -> float:
    """A number in [0, 1) that depends on the record alone: 52 bits of its hash."""
    return int(sha256(f"validation\x1f{name}".encode()).hexdigest()[:13], 16) / 16**13
