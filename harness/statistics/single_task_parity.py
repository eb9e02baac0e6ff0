"""Did a method learn each domain as well as a learner that saw only that domain?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classay.errors import InsufficientEvidence


def single_task_parity(losses: ArrayLike, isolated: ArrayLike) -> NDArray[np.float64]:
    """Percentage by which the loss just after learning lies above an isolated learner's.

    ::

        P[s, j] = 100 · (L[s, j+1, j] − I[s, j]) / I[s, j]

    losses     (seeds, T + 1, T)   nats per token; row 0 before training, row p after phase p
    isolated   (seeds, T)          nats per token; trained on domain j alone, just after it
    returns  (seeds, T) percent   > 0 learned less than alone, < 0 more
    raises   InsufficientEvidence   no seed
             ValueError   shapes that do not fit; a loss is missing; an isolated one not above 0
    source   Chaudhry et al. 2018 (intransigence), with the isolated learner as the reference
    choices  isolated and not joint training as the reference; just after learning, so forgetting
             is not in it; relative to the reference
    """
    values, alone = np.asarray(losses, dtype=np.float64), np.asarray(isolated, dtype=np.float64)
    shape = values.shape
    fits = len(shape) == 3 and shape[1] == shape[2] + 1 and shape[2] >= 1
    if not fits or alone.shape != (shape[0], shape[2]):
        raise ValueError(
            f"single_task_parity got losses of shape {shape} and isolated losses of shape "
            f"{alone.shape}; it needs (seeds, T + 1, T) and (seeds, T).\n"
            f"  Keep the seeds that both finished, in the same order, and every domain."
        )
    if shape[0] < 1:
        raise InsufficientEvidence("single_task_parity", have=0, need=1)
    learned = np.diagonal(values, offset=-1, axis1=1, axis2=2)
    for name, cells in (("the loss just after learning", learned), ("the isolated loss", alone)):
        bad = np.argwhere(~np.isfinite(cells))
        if bad.size:
            seed, domain = bad[0]
            raise ValueError(
                f"single_task_parity is not computable: {name} of seed number {seed} (from 0) on "
                f"domain {domain + 1} is missing.\n  Evaluate that checkpoint; never fill it in."
            )
    if np.any(alone <= 0):
        raise ValueError(
            f"single_task_parity is not computable: an isolated loss is {alone.min():g} and it "
            f"needs one above 0.\n  Check that the losses are nats per token."
        )
    parity: NDArray[np.float64] = 100 * (learned - alone) / alone
    return parity
