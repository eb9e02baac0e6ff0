"""The router that learns to tell the domains apart by features of their training text."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from classay.routers import Evidence, Floats, Kept

TITLE = "Logistic regression"
NEEDS = (
    "nothing but the question; it keeps features of training text of every domain, and the weights "
    "fitted to them"
)
UNIT = "nats of log odds"

GRADIENT = 1e-5  # the largest that is left of any weight's; the weights are then right to its norm
CONSTANT = 1e-9  # a feature that varies less is not scaled


def fit(rows: tuple[Floats, ...]) -> Kept:
    """Multinomial logistic regression on features of the base alone.

    ::

        min  ½‖W‖² + Σ_i − log softmax(W z_i + b)_{y_i},    z = (f − μ)/σ

    rows     what it sees: of each learned domain, the features of the first 64 blocks of training
             text, whether the method was offered them or not; no hold-out item and no probe
    returns  all that is kept, 8 (N + T)(d + 1) bytes for N rows in all: the features (N, d) and the
             index of their domain (N,), then W/σ (T, d) and b − Wμ/σ (T,), to be used on f itself
    raises   ValueError   when the minimum was not reached
    source   multinomial logit (for instance Bishop 2006, §4.3.4) with a ridge penalty
    choices  fitted once, after the last domain, to the rows of all; W has no value that a learner
             could update from a new domain's rows alone, so one that goes on must keep the features
             of the earlier ones, and they are counted; the penalty is 1, b is free; μ and σ are of
             all rows; L-BFGS from 0, which keeps Σ_k b_k = 0, so the minimum is one and the same
             bytes come out of the same rows
    """
    features = np.concatenate(rows)
    labels = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > CONSTANT, scale, 1.0)
    z, y = (features - mean) / scale, np.eye(len(rows))[labels]
    start = np.zeros((len(rows), z.shape[1] + 1)).ravel()
    found = minimize(
        objective, start, (z, y), "L-BFGS-B", jac=True,
        options={"gtol": GRADIENT, "ftol": 0.0, "maxiter": 10_000, "maxfun": 100_000},
    )  # fmt: skip
    left = float(np.abs(found.jac).max())
    if not left <= GRADIENT:
        raise ValueError(
            f"logistic_regression stopped where a weight's gradient is {left:g}; {GRADIENT:g} or "
            f"less was needed ({found.message}).\n"
            f"  Look whether the features of the base are finite, or take the router out."
        )
    w = found.x.reshape(len(rows), -1)
    weights = w[:, :-1] / scale
    return features, labels, weights, w[:, -1] - weights @ mean


def scores(evidence: Evidence) -> Floats:
    """Log probability of each domain; a difference of two is their log odds.

    ::

        s_k(x) = log softmax(W z(x) + b)_k

    choices  of a probe x is the prompt alone; nothing is known of an item without a token
    """
    *_, weights, bias = evidence.fitted
    found: Floats = log_softmax(evidence.features @ weights.T + bias, axis=1)
    return found


def objective(flat: Floats, z: Floats, y: Floats) -> tuple[float, Floats]:
    """The penalised loss and its gradient.

    flat  W beside b, (T, d + 1) as one row
    z     (N, d) standardised features
    y     (N, T) one-hot
    """
    w = flat.reshape(y.shape[1], -1)
    logs = log_softmax(z @ w[:, :-1].T + w[:, -1], axis=1)
    miss = np.exp(logs) - y
    gradient = np.column_stack([miss.T @ z + w[:, :-1], miss.sum(axis=0)])
    return float((w[:, :-1] ** 2).sum() / 2 - logs[y > 0].sum()), gradient.ravel()
