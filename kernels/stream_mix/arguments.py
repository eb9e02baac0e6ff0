"""What can be wrong with the arguments of ``stream_mix``, said before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

# the type of M, Q and α, in which everything is computed -> what h may be
TYPES = {
    torch.float32: (torch.bfloat16, torch.float32, torch.float64),
    torch.float64: (torch.float64,),
}


def check(h: Tensor, m: Tensor, q: Tensor, alpha: Tensor) -> None:
    """Refuse what ``stream_mix`` has no meaning for.

    h       (..., d)
    m       (n, n)
    q       (n r, d)
    alpha   ()
    raises  ValueError   shapes that do not fit, types it does not compute in, two devices
    """
    n = len(m) if m.dim() else 0
    if n == 0 or m.shape != (n, n):
        raise ValueError(
            f"m has the shape {tuple(m.shape)}; M mixes n streams and is (n, n), n ≥ 1.\n  "
            f"Call stream_mix once for every M."
        )
    if q.dim() != 2 or len(q) == 0 or len(q) % n:
        raise ValueError(
            f"q has the shape {tuple(q.shape)}; with {n} streams of r coordinates each it is "
            f"({n} r, d), r ≥ 1.\n  Give r rows to every stream."
        )
    if h.dim() == 0 or h.shape[-1] != q.shape[1]:
        raise ValueError(
            f"h has the shape {tuple(h.shape)} and q projects vectors of {q.shape[1]} coordinates; "
            f"the last dimension of h was needed to be {q.shape[1]}.\n  Take the q of this h."
        )
    if alpha.dim():
        raise ValueError(
            f"alpha has the shape {tuple(alpha.shape)}; one number without a dimension was "
            f"needed.\n  Index it by the layer, or squeeze it."
        )
    types = {t.dtype for t in (m, q, alpha)}
    if len(types) > 1 or m.dtype not in TYPES or h.dtype not in TYPES[m.dtype]:
        raise ValueError(
            f"h, m, q and alpha are {', '.join(_name(t) for t in (h, m, q, alpha))}; the last "
            f"three are float32 and h is bfloat16, float32 or float64, or all four are float64.\n  "
            f"Keep the structure in float32, and cast h."
        )
    if len({t.device for t in (h, m, q, alpha)}) > 1:
        raise ValueError(
            f"h, m, q and alpha are on {', '.join(str(t.device) for t in (h, m, q, alpha))}; one "
            f"device was needed.\n  Move the structure to the device of h."
        )


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
