"""The router that looks which domain's training text a question is most like."""

from __future__ import annotations

import numpy as np

from classay.routers import Evidence, Floats

TITLE = "Nearest centroid"
NEEDS = "nothing but the question; it keeps one vector a domain"
UNIT = "cosine"


def fit(rows: tuple[Floats, ...]) -> tuple[Floats]:
    """The centroid of each domain's rows, (T, d) of unit length: 8 T d bytes.

    ::

        c_k ∝ Σ f(x) over training rows of k,   f(x) = h̄(x)/‖h̄(x)‖

    source   nearest class mean (Mensink et al. 2013); h̄ is the mean last hidden state of the base
             alone, adapters off
    """
    means = np.stack([own.mean(axis=0) for own in rows])
    return (means / np.linalg.norm(means, axis=1, keepdims=True),)


def scores(evidence: Evidence) -> Floats:
    """The cosine of each domain's centroid with the item's features.

    ::

        s_k(x) = ⟨f(x), c_k⟩

    choices  of a probe x is the prompt alone; an item without a token has no direction
    """
    (centroids,) = evidence.fitted
    cosines: Floats = evidence.features @ centroids.T
    return cosines
