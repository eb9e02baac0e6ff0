"""Which patterns of zeros Sinkhorn's iteration can respect: those with total support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np


def has_total_support(pattern: np.ndarray) -> bool:
    """Whether every entry of a pattern lies on a diagonal that has no zero.

    ::

        a permutation σ with pattern[i, σ(i)] for all i            exists, and
        i → k where pattern[i, σ(k)]                               stays inside strong components

    pattern  (n, n) bool, at least one row
    source   Sinkhorn & Knopp 1967, Pacific J. Math. 21(2), theorem: the iteration converges to a
             doubly stochastic matrix with the zeros of the pattern and no other iff it has total
             support; Dulmage & Mendelsohn 1958, Canad. J. Math. 10: the test above. An entry
             (i, σ(k)) lies on such a diagonal iff a cycle leads from k back to i
    """
    import numpy as np
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

    match = maximum_bipartite_matching(csr_matrix(pattern), perm_type="column")
    if (match < 0).any():
        return False
    edges = pattern[:, match]
    _, component = connected_components(csr_matrix(edges), connection="strong")
    row, column = np.nonzero(edges)
    return bool((component[row] == component[column]).all())


@torch.library.custom_op("classay::lacks_total_support", mutates_args=())
def lacks_total_support(logits: Tensor) -> Tensor:
    """Which matrices have zeros, as logits of −∞, in a pattern without total support.

    logits   (..., n, n)
    returns  (...) bool
    choices  decided on the host, and only where there is a −∞: on a GPU one flag is read back. It
             is an operator because torch.compile cannot look into the decision
    """
    zeros = torch.isneginf(logits)
    found = zeros.new_zeros(logits.shape[:-2])
    if not zeros.any():
        return found
    patterns = ~zeros.flatten(0, -3) if logits.dim() > 2 else ~zeros[None]
    some = (~patterns).flatten(1).any(1).nonzero().flatten()
    lacking = [not has_total_support(p) for p in patterns[some].cpu().numpy()]
    found.view(-1)[some] = torch.tensor(lacking, device=logits.device)
    return found


@lacks_total_support.register_fake
def _(logits: Tensor) -> Tensor:
    return logits.new_empty(logits.shape[:-2], dtype=torch.bool)
