"""At the end of a cell: every item and probe to the adapter that each router would have chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classay import evaluate, registry
from classay.evaluate import Scorer
from classay.method import Method
from classay.packing import IGNORED
from classay.prompts import Prompts, prompts
from classay.records import BASE_ALONE, Margin, Margins, RoutedAnswer, RouteRow, Sums
from classay.router import ORACLE, answering
from classay.routers import BASE, Decision, Evidence, Floats, Kept, decide, fitted
from classay.seeding import Seeds
from classay.stream import Tokens

if TYPE_CHECKING:
    from classay.bench import Bench

ROWS = 64  # of each domain's training text that routers are fitted to


class _Asked(NamedTuple):
    """The hold-out items and probes of one domain, and what every adapter makes of them."""

    own: int
    tokens: Tokens
    features: Floats  # (items, d)
    looks: Floats  # (probes, d), of the prompts
    # the last column of these is the base alone, which BASE points to from the end; nan where no
    # router can choose it
    nats: Floats  # (items, T + 1)
    right: NDArray[np.bool_]  # (probes, T + 1)
    surprise: Floats  # (probes, T), nats per token of the prompts

    @property
    def counts(self) -> NDArray[np.int64]:
        """Tokens that are scored, (items,)."""
        found: NDArray[np.int64] = (self.tokens.holdout.labels[:, 1:] != IGNORED).sum(axis=1)
        return found


def routed(bench: Bench, method: Method, after: int, learned: Sequence[str]) -> list[RouteRow]:
    """Score the hold-outs and ask the probes of the domains learned so far under every router.

    method   with an adapter a domain
    after    the phase that was just learned
    returns  one row a domain and router: which adapters the items were sent to and the nats of
             each under the one that it was sent to, and the same of the probes and their answers;
             for a router that uses it, under the base alone, which is asked once as an adapter is
    choices  a router sees of a probe the prompt alone; every adapter is asked once, whatever the
             number of routers, in the batches of the ordinary evaluation, so that the oracle's
             answers are the ordinary ones to the bit; a router that is fitted sees the first
             blocks of each domain's training text, which need not be among those offered
    """
    names, scorer = list(learned), bench.scorer
    routers = {name: registry.load("router", name) for name in bench.suite.evaluation.routers}
    domains = [bench.stream.domains[name] for name in names]
    said = [prompts(tokens.probes, tokens.probe_rows) for tokens in domains]
    with _base_alone(method):
        rows = tuple(_training(scorer, tokens) for tokens in domains)
        features = [evaluate.features(scorer, d.holdout.ids, d.holdout.lengths) for d in domains]
        looks = [_features(scorer, prompt, rows[0].shape[1]) for prompt in said]
        base = [_answers(scorer, tokens) for tokens in domains] if _use_base(routers) else None
    kept = {name: fitted(router, rows) for name, router in routers.items()}
    found = []
    for own, tokens in enumerate(domains):
        nats = np.full((len(tokens.holdout.names), len(names) + 1), np.nan)
        right = np.zeros((len(tokens.probes), len(names) + 1), np.bool_)
        surprise = np.empty((len(tokens.probes), len(names)))
        if base is not None:
            nats[:, BASE], right[:, BASE] = base[own]
        for k, name in enumerate(names):
            with answering(method, ORACLE, name):
                nats[:, k], right[:, k] = _answers(scorer, tokens)
                surprise[:, k] = _nats_per_token(scorer, said[own])
        asked = _Asked(own, tokens, features[own], looks[own], nats, right, surprise)
        for name, router in routers.items():
            items, questions = _decided(router, name, asked, kept[name], bench.seeds)
            size = sum(array.nbytes for array in kept[name])
            found.append(_row(after, name, names, asked, items, questions, size))
    return found


def _decided(
    router: ModuleType, name: str, asked: _Asked, kept: Kept, seeds: Seeds
) -> tuple[Decision, Decision]:
    """What a router makes of a domain's items, and of its probes."""

    def drawn(kind: str) -> np.random.Generator:
        return seeds.generator("router", name, kind, asked.tokens.name)

    per_token = asked.nats[:, :BASE] / asked.counts[:, None]
    items = Evidence(asked.own, per_token, asked.features, kept, drawn("items"))
    questions = Evidence(asked.own, asked.surprise, asked.looks, kept, drawn("probes"))
    return decide(router, items), decide(router, questions)


def _row(
    after: int,
    router: str,
    names: Sequence[str],
    asked: _Asked,
    items: Decision,
    questions: Decision,
    kept_bytes: int,
) -> RouteRow:
    tokens, to_base = asked.tokens, int((items.to == BASE).sum())
    return RouteRow(
        after=after,
        domain=tokens.name,
        router=router,
        sent={to: int((items.to == k).sum()) for k, to in enumerate(names)}
        | ({BASE_ALONE: to_base} if to_base else {}),
        total=Sums(
            nats=float(asked.nats[np.arange(len(items.to)), items.to].sum()),
            tokens=int(asked.counts.sum()),
            bytes=int(sum(tokens.holdout.bytes)),
            items=len(items.to),
        ),
        answers=[
            RoutedAnswer(
                item=probe.name,
                to=BASE_ALONE if k == BASE else names[k],
                correct=bool(asked.right[i, k]),
            )
            for i, (probe, k) in enumerate(zip(tokens.probes, questions.to, strict=True))
        ],
        margins={
            kind: _margins(decision, decision.margins, asked.own)
            for kind, decision in (("items", items), ("probes", questions))
            if decision.margins is not None
        },
        kept_bytes=kept_bytes,
    )


def _margins(decision: Decision, margins: Floats, own: int) -> Margins:
    known, to = np.isfinite(margins), decision.to

    def summed(which: NDArray[np.bool_]) -> Margin:
        chosen = margins[known & which]
        return Margin(total=math.fsum(chosen), items=len(chosen))

    return Margins(right=summed(to == own), wrong=summed((to != own) & (to != BASE)))


def _base_alone(method: Method) -> ExitStack:
    """No adapter and no mechanism: the features are the same for every method."""
    state = ExitStack()
    for mechanism in method.ablations().values():
        state.enter_context(mechanism)
    state.enter_context(method.adapters.answering(None))
    return state


def _use_base(routers: Mapping[str, ModuleType]) -> bool:
    return any(getattr(router, "USES_BASE_ALONE", False) for router in routers.values())


def _answers(scorer: Scorer, tokens: Tokens) -> tuple[Floats, list[bool]]:
    """Nats of every hold-out item and whether each probe is answered, in the model's state."""
    return evaluate.score(scorer, tokens.holdout), evaluate.answered(scorer, tokens)


def _training(scorer: Scorer, tokens: Tokens) -> Floats:
    """The features of a domain's first blocks of training text, (n, d)."""
    ids = tokens.train.ids[:ROWS]
    return evaluate.features(scorer, ids, np.full(len(ids), ids.shape[1]))


def _features(scorer: Scorer, said: Prompts, width: int) -> Floats:
    """The features of every prompt, (n, width); nan where it has no token."""
    found = np.full((len(said.lengths), width), np.nan)
    some = said.lengths > 0
    if some.any():
        found[some] = evaluate.features(scorer, said.ids[some], said.lengths[some])
    return found


def _nats_per_token(scorer: Scorer, said: Prompts) -> Floats:
    """Nats per scored token of every prompt, (n,); nan where none is scored."""
    found = np.full(len(said.lengths), np.nan)
    some = said.lengths > 1
    if some.any():
        nats = evaluate.score(scorer, Prompts(*(table[some] for table in said)))
        found[some] = nats / (said.lengths[some] - 1)
    return found
