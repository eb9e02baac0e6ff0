"""What a probe says before its choices: all that a router may see of a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from classay.packing import IGNORED, Ints, Items, Probe


class Prompts(NamedTuple):
    """One row a probe, in the probes' order, padded on the right."""

    ids: Ints  # (n, L), 0 beyond the end
    labels: Ints  # (n, L), IGNORED where nothing is scored
    lengths: Ints  # (n,); 0 where no whole token stands before the choices


def prompts(probes: Sequence[Probe], rows: Items) -> Prompts:
    """The tokens of each probe that stand before its choices, and which of them are scored.

    ::

        x_0 … x_{s−1}  of the row with the least s,   s the place of its first token of the choice

    probes   of one domain
    rows     one a choice, as ``packing.probe_rows`` makes them
    returns  every token but the first is scored: the first is the beginning of text, which is
             context, or has nothing before it
    choices  a token that spans the prompt and a choice belongs to the choice, so the rows of one
             probe can differ there; the shortest is what all of them say, and does not depend on
             which choice is right; of equals the first
    """
    starts = [int(np.argmax(row != IGNORED)) for row in rows.labels]
    chosen = [min(range(*probe.rows), key=starts.__getitem__) for probe in probes]
    lengths = np.asarray([starts[row] for row in chosen], np.int32)
    inside = np.arange(max(lengths, default=0)) < lengths[:, None]
    ids = np.where(inside, rows.ids[chosen, : inside.shape[1]], 0).astype(np.int32)
    labels = np.where(inside, ids, IGNORED).astype(np.int32)
    labels[:, :1] = IGNORED
    return Prompts(ids, labels, lengths)
