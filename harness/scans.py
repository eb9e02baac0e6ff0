"""Scans of the data before any training: does the test leak into the training, or the answer into
the question?
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from classay.errors import StreamError
from classay.sources import Record, Records
from classay.suite import Stream

SHORT = 4  # words; less stands in any text
# Thai, Lao, Burmese, Khmer, kana, and Han: one letter each; else a run of letters and digits
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\U00020000-\U0003ffff"
)
WORD = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]+")
GRAM = 13  # words; GPT-3's contamination analysis (arXiv:2005.14165, appendix C)


class Overlap(NamedTuple):
    """How much of one domain's hold-out stands in any train record of the stream."""

    domain: str
    items: int
    exact: tuple[str, ...]  # ids of items whose normalised text is that of a train record
    shared: tuple[str, ...]  # ids of items with more shared 13-grams than the suite allows
    largest: float  # the largest share of one item's 13-grams found in train records


class Leak(NamedTuple):
    """How often a domain's evaluation prompts name a domain of the stream."""

    domain: str
    prompts: int
    own: int  # prompts with the domain's own name in them
    others: int  # prompts with another domain's name in them


def overlap(parts: Sequence[Records], stream: Stream) -> list[Overlap]:
    """Exact and 13-gram overlap of every hold-out and probe with all train records.

    parts    the records of every evaluated domain
    returns  one row a domain
    raises   StreamError   if an item is a train record, or shares more 13-grams than
                           ``stream.max_shared_ngrams``
    choices  words are lower-cased runs of letters and digits, after Unicode's NFKC; in scripts that
             put no space between words each letter is one; an item of fewer than 13 words counts as
             a train record if all of it stands in one, from four words on
    """
    short = {
        n
        for p in parts
        for r in (*p.holdout, *p.probe)
        if SHORT <= (n := len(_words(r.text))) < GRAM
    }
    texts, grams = set[str](), set[int]()
    for part in parts:
        for record in part.train:
            words = _words(record.text)
            texts.add(" ".join(words))
            grams.update(_grams(words, GRAM))
            for size in short:
                grams.update(_grams(words, size))
    rows = [_overlap(part, texts, grams, stream.max_shared_ngrams) for part in parts]
    for row in rows:
        if bad := (*row.exact, *row.shared):
            raise StreamError(
                f"domain {row.domain!r}: {len(row.exact)} hold-out item(s) stand in the training "
                f"data word for word, and {len(row.shared)} share more than "
                f"{stream.max_shared_ngrams:.0%} of their 13-grams with it "
                f"({', '.join(bad[:5])}{', …' if len(bad) > 5 else ''}).\n"
                f"  A hold-out must be unseen. Take those records out of one side, or raise "
                f"stream.max_shared_ngrams, which the report will show."
            )
    return rows


def leak(parts: Sequence[Records], stream: Stream) -> list[Leak]:
    """Domain names written into evaluation prompts: with them, a model is told which task it is.

    raises   StreamError   if more than ``stream.max_named_prompts`` of a domain's prompts name it
    """
    names = {part.domain for part in parts}
    rows = []
    for part in parts:
        prompts = [_words(r.prompt) for r in (*part.holdout, *part.probe) if r.prompt]
        own = sum(_names(part.domain, words) for words in prompts)
        others = sum(any(_names(n, words) for n in names - {part.domain}) for words in prompts)
        rows.append(Leak(part.domain, len(prompts), own, others))
        if prompts and own / len(prompts) > stream.max_named_prompts:
            raise StreamError(
                f"domain {part.domain!r}: {own} of its {len(prompts)} evaluation prompts contain "
                f"its name, which tells a model which task it faces.\n"
                f"  Take the name out of the prompts, or raise stream.max_named_prompts, which the "
                f"report will show."
            )
    return rows


def _overlap(part: Records, texts: set[str], grams: set[int], allowed: float) -> Overlap:
    exact, shared, largest = [], [], 0.0
    unseen: tuple[Record, ...] = (*part.holdout, *part.probe)
    for record in unseen:
        words = _words(record.text)
        if " ".join(words) in texts:
            exact.append(record.id)
        own = list(_grams(words, GRAM if len(words) >= GRAM else max(len(words), SHORT)))
        share = sum(gram in grams for gram in own) / len(own) if own else 0.0
        largest = max(largest, share)
        if share > allowed:
            shared.append(record.id)
    return Overlap(part.domain, len(unseen), tuple(exact), tuple(shared), largest)


def _names(domain: str, words: Sequence[str]) -> bool:
    """Whether a domain's name stands in the words, as one word or as several."""
    return f" {domain.replace('_', ' ')} " in f" {' '.join(words)} ".replace("_", " ")


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _grams(words: Sequence[str], size: int) -> Iterator[int]:
    return (hash(tuple(words[i : i + size])) for i in range(len(words) - size + 1))
