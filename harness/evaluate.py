"""Hold-out nats, tokens and bytes per item, and answered probes: sums, never means.

The plan of an evaluation (which items, in which order, in batches of what size, padded to what
length) is fixed before the first model is loaded and its digest stands beside every result: the
same weights under another plan give other bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from classay.errors import Diverged
from classay.layout import RunFolder, write_atomically
from classay.method import Method
from classay.packing import IGNORED, Items
from classay.prompts import Prompts
from classay.records import AnswerRow, EvalRow, Sums, digest
from classay.router import ORACLE, answering
from classay.stream import Tokens

if TYPE_CHECKING:
    from torch import Tensor, nn

RATER = "least summed nats over the choices"


class Scorer(NamedTuple):
    """What every evaluation of a run has in common."""

    folder: RunFolder
    model: nn.Module
    batch: int  # items
    device: str


def holdout(
    scorer: Scorer,
    method: Method | None,
    tokens: Tokens,
    after: int,
    split: str,
    process: str,
    ablation: str | None = None,
) -> EvalRow:
    """Score one split of one domain.

    ::

        nats(item) = − Σ_t log p(x_t | x_<t)        over the tokens that the mask scores

    method    None is the base alone
    after     the last phase that was learned; −1 before training
    ablation  the method's mechanism that is off; None: none is
    returns   the row; nats of every item are in the side file that it names
    choices   natural logarithm; the beginning-of-text token is context and is not scored;
              log-softmax in float32, sums over tokens in float64
    """
    items = tokens.holdout if split == "holdout" else tokens.validation
    started = time.perf_counter()
    with answering(method, ORACLE, tokens.name, ablation):
        nats = score(scorer, items)
    seconds = time.perf_counter() - started
    if not np.isfinite(nats).all():
        raise Diverged(
            f"after phase {after}, {tokens.name}: {int((~np.isfinite(nats)).sum())} of "
            f"{len(nats)} items have a loss that is no finite number; finite numbers were needed.\n"
            f"  The parameters have left their range. Lower the learning rate or the method's "
            f"strength."
        )
    counts = (items.labels[:, 1:] != IGNORED).sum(axis=1)
    data = save({"nats": nats, "tokens": counts, "bytes": np.asarray(items.bytes, np.int64)})
    name = sha256(data).hexdigest()
    if not scorer.folder.items(name).exists():
        write_atomically(scorer.folder.items(name), data)
    return EvalRow(
        after=after,
        domain=tokens.name,
        split=split,
        route=ORACLE,
        process="fresh" if process == "fresh" else "cell",
        total=_sums(items, nats, counts, range(len(nats))),
        by_source=_groups(items, nats, counts, items.sources),
        by_subject=_groups(items, nats, counts, items.subjects),
        plan=digest([items.digest, scorer.batch]),
        per_item=name,
        seconds=seconds,
        ablation=ablation,
    )


def probes(scorer: Scorer, method: Method | None, tokens: Tokens, after: int) -> list[AnswerRow]:
    """Answer the probes of one domain, each as a question about it."""
    with answering(method, ORACLE, tokens.name):
        right = answered(scorer, tokens)
    return [
        AnswerRow(
            after=after,
            domain=tokens.name,
            item=probe.name,
            source=probe.source,
            prompt=probe.prompt,
            expected=probe.expected,
            correct=correct,
            choices=probe.rows[1] - probe.rows[0],
            rater=RATER,
        )
        for probe, correct in zip(tokens.probes, right, strict=True)
    ]


def answered(scorer: Scorer, tokens: Tokens) -> list[bool]:
    """Whether each probe of a domain is answered correctly, in the state the model is in.

    choices  the answer is the choice with the least sum of nats over its tokens (lm-eval's
             ``acc``), not per token or byte (``acc_norm``); of equals the first
    """
    if not tokens.probes:
        return []
    nats = score(scorer, tokens.probe_rows)
    return [int(np.argmin(nats[slice(*probe.rows)])) == probe.right for probe in tokens.probes]


def score(scorer: Scorer, items: Items | Prompts) -> NDArray[np.float64]:
    """Summed nats of every item, (n,)."""
    import torch
    from torch.nn.functional import cross_entropy

    scorer.model.eval()
    nats = np.zeros(len(items.lengths))
    for first in range(0, len(nats), scorer.batch):
        rows = slice(first, first + scorer.batch)
        width = int(items.lengths[rows].max())
        ids, labels = (
            torch.from_numpy(table[rows, :width].astype(np.int64)).to(scorer.device)
            for table in (items.ids, items.labels)
        )
        with torch.inference_mode():
            logits = scorer.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            each = cross_entropy(
                logits.flatten(0, 1),
                labels[:, 1:].flatten(),
                reduction="none",
                ignore_index=IGNORED,
            )
        nats[rows] = each.double().view(len(ids), width - 1).sum(dim=1).cpu().numpy()
    return nats


def features(
    scorer: Scorer, ids: NDArray[np.integer], lengths: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The mean last hidden state of every row, of unit length, in the state the model is in.

    ids      (n, L), padded at the right
    lengths  (n,)
    returns  (n, d)
    """
    import torch

    scorer.model.eval()
    found = []
    for first in range(0, len(ids), scorer.batch):
        rows = slice(first, first + scorer.batch)
        table = torch.from_numpy(ids[rows].astype(np.int64)).to(scorer.device)
        with torch.inference_mode():
            out = scorer.model(input_ids=table, use_cache=False, output_hidden_states=True)
        last = out.hidden_states[-1].double().cpu().numpy()
        inside = np.arange(last.shape[1]) < np.asarray(lengths[rows])[:, None]
        found.append((last * inside[:, :, None]).sum(axis=1))
    summed = np.concatenate(found)
    unit: NDArray[np.float64] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return unit


def hidden_states(scorer: Scorer, method: Method, tokens: Tokens, count: int) -> list[Tensor]:
    """Hidden states of the first hold-out items, one tensor a layer, embeddings first."""
    import torch

    scorer.model.eval()
    width = int(tokens.holdout.lengths[:count].min())  # unpadded
    ids = torch.from_numpy(tokens.holdout.ids[:count, :width].astype(np.int64)).to(scorer.device)
    with answering(method, ORACLE, tokens.name), torch.inference_mode():
        out = scorer.model(input_ids=ids, use_cache=False, output_hidden_states=True)
    return [state.float().cpu() for state in out.hidden_states]


def drift(now: Sequence[Tensor], learned: Sequence[Tensor]) -> list[float]:
    """Representation drift of each layer.

    ::

        ‖h_now − h_learned‖_F / ‖h_learned‖_F
    """
    return [
        float((a - b).double().norm() / b.double().norm())
        for a, b in zip(now, learned, strict=True)
    ]


def _groups(
    items: Items, nats: NDArray[np.float64], counts: NDArray[np.int64], names: Sequence[str]
) -> dict[str, Sums]:
    return {
        name: _sums(items, nats, counts, [i for i, own in enumerate(names) if own == name])
        for name in sorted(set(names) - {""})
    }


def _sums(
    items: Items,
    nats: NDArray[np.float64],
    counts: NDArray[np.int64],
    rows: Sequence[int],
) -> Sums:
    return Sums(
        nats=math.fsum(nats[i] for i in rows),  # exact, so that it does not depend on the order
        tokens=int(sum(counts[i] for i in rows)),
        bytes=sum(items.bytes[i] for i in rows),
        items=len(rows),
    )
