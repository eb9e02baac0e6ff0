"""The router that asks every adapter and takes the one that finds the question least surprising."""

from __future__ import annotations

from classay.routers import Evidence, Floats

TITLE = "Likelihood"
NEEDS = "nothing but the question; it costs one forward pass an adapter"
UNIT = "nats/token"


def scores(evidence: Evidence) -> Floats:
    """Log likelihood per token of the item under the adapter of each domain.

    ::

        s_k(x) = log p_k(x) / |x|

    source   maximum likelihood over task adapters
    choices  the hold-out item that is scored is the item that is routed by, so the loss under this
             router is the least of all adapters' on each item: a lower bound of what a router could
             reach that sees only part of the text; a probe is routed by its prompt alone, without
             its choices; no adapter can find an item without a token to score less surprising than
             another
    """
    return -evidence.nats
