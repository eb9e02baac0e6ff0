"""How much lower does one method end up than another, seed by seed?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classay.errors import InsufficientEvidence


def learning_advantage(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Percentage by which the mean final loss of A lies below that of B, for each seed.

    ::

        A_s = 100 · (f_b − f_a) / f_b,   f = 1 / T · Σ_{j < T} L[s, T, j]

    a, b     (seeds, T + 1, T)   nats per token; same seeds in the same order, same stream
    returns  (seeds,) percent   > 0 where A ends lower
    raises   InsufficientEvidence   no seed
             ValueError   the two differ in shape; a final loss is missing or its mean not above 0
    source   the CRMA paper (learning advantage)
    choices  the ratio of the means over domains, not the mean of the ratios; relative to B, so
             swapping the two does not only turn the sign; final loss, so forgetting is in it
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    shape = first.shape
    if len(shape) != 3 or shape[1] != shape[2] + 1 or shape[2] < 1 or second.shape != shape:
        raise ValueError(
            f"learning_advantage got losses of shape {shape} and {second.shape}; it needs "
            f"(seeds, T + 1, T) twice.\n  Keep the seeds that both methods finished, in the same "
            f"order; row 0 is the evaluation before any training."
        )
    if shape[0] < 1:
        raise InsufficientEvidence("learning_advantage", have=0, need=1)
    final_a, final_b = first[:, -1].mean(axis=1), second[:, -1].mean(axis=1)
    for name, final in (("A", final_a), ("B", final_b)):
        if not np.all(np.isfinite(final) & (final > 0)):
            raise ValueError(
                f"learning_advantage is not computable: the mean final loss of {name} is "
                f"{final.tolist()} by seed and it needs numbers above 0.\n"
                f"  Evaluate every domain after the last phase; never fill a cell in."
            )
    advantage: NDArray[np.float64] = 100 * (final_b - final_a) / final_b
    return advantage
