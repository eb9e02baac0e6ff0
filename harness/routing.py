"""At the end of a cell: every item and probe to the adapter that each router would have chosen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from classay import evaluate, registry
from classay.evaluate import Scorer
from classay.method import Method
from classay.packing import IGNORED
from classay.prompts import Prompts, prompts
from classay.records import RoutedAnswer, RouteRow, Sums
from classay.router import ORACLE, answering
from classay.routers import Evidence

if TYPE_CHECKING:
    from classay.bench import Bench

ROWS = 64  # of training text that a centroid is made from
Floats = NDArray[np.float64]


def routed(bench: Bench, method: Method, after: int, learned: Sequence[str]) -> list[RouteRow]:
    """Score the hold-outs and ask the probes of the domains learned so far under every router.

    method   with an adapter a domain
    after    the phase that was just learned
    returns  one row a domain and router: which adapters the items were sent to and the nats of
             each under the one that it was sent to, and the same of the probes and their answers
    choices  a router sees of a probe the prompt alone; every adapter is asked once, whatever the
             number of routers, in the batches of the ordinary evaluation, so that the oracle's
             answers are the ordinary ones to the bit
    """
    names, scorer = list(learned), bench.scorer
    domains = [bench.stream.domains[name] for name in names]
    said = [prompts(tokens.probes, tokens.probe_rows) for tokens in domains]
    with _base_alone(method):
        centroids = np.stack([_centroid(bench, name) for name in names])
        features = [evaluate.features(scorer, d.holdout.ids, d.holdout.lengths) for d in domains]
        looks = [_features(scorer, prompt, centroids.shape[1]) for prompt in said]
    rows = []
    for own, tokens in enumerate(domains):
        nats = np.empty((len(tokens.holdout.names), len(names)))
        asked = np.empty((len(tokens.probes), len(names)))
        right = np.empty(asked.shape, np.bool_)
        for k, name in enumerate(names):
            with answering(method, ORACLE, name):
                nats[:, k] = evaluate.score(scorer, tokens.holdout)
                asked[:, k] = _nats_per_token(scorer, said[own])
                right[:, k] = evaluate.answered(scorer, tokens)
        counts = (tokens.holdout.labels[:, 1:] != IGNORED).sum(axis=1)
        items = Evidence(own, nats / counts[:, None], features[own], centroids)
        questions = Evidence(own, asked, looks[own], centroids)
        for router in bench.suite.evaluation.routers:
            choose = registry.load("router", router).choose
            sent = choose(items)
            total = Sums(
                nats=float(nats[np.arange(len(sent)), sent].sum()),
                tokens=int(counts.sum()),
                bytes=int(sum(tokens.holdout.bytes)),
                items=len(sent),
            )
            to = choose(questions) if tokens.probes else []
            rows.append(
                RouteRow(
                    after=after,
                    domain=names[own],
                    router=router,
                    sent={name: int((sent == k).sum()) for k, name in enumerate(names)},
                    total=total,
                    answers=[
                        RoutedAnswer(item=probe.name, to=names[k], correct=bool(right[i, k]))
                        for i, (probe, k) in enumerate(zip(tokens.probes, to, strict=True))
                    ],
                )
            )
    return rows


def _base_alone(method: Method) -> ExitStack:
    """No adapter and no mechanism: the features are the same for every method."""
    state = ExitStack()
    for mechanism in method.ablations().values():
        state.enter_context(mechanism)
    state.enter_context(method.adapters.answering(None))
    return state


def _centroid(bench: Bench, domain: str) -> Floats:
    ids = bench.stream.domains[domain].train.ids[:ROWS]
    lengths = np.full(len(ids), ids.shape[1])
    mean = evaluate.features(bench.scorer, ids, lengths).mean(axis=0)
    unit: Floats = mean / np.linalg.norm(mean)
    return unit


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
