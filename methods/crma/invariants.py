"""What is measured of the structure: after every step what is cheap, at a phase's end the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classay.method import Trace
from classay.methods.crma.presets import Config

if TYPE_CHECKING:
    from classay.methods.crma.structure import Structure

ROWS, COLUMNS = "row sums, max |Σ − 1|", "column sums, max |Σ − 1|"
LEAST, BOUND = "least entry of M", "bound on ‖M‖₂"
PROJECTION, FIRST = "QQᵀ, max |Δ| from I", "σ₁(M)"
# What a name may be, least and greatest. A sum misses 1 by rounding, 2 · 10⁻⁶ up to n = 64, once
# Sinkhorn has converged; where 20 iterations are too few, the promise is broken and is seen to be.
SUMS = 2e-6
NORM = 2.4e-7
ORTHONORMAL = 1e-5  # a float32 Cholesky
PROMISED = {
    ROWS: (0.0, SUMS),
    COLUMNS: (0.0, SUMS),
    LEAST: (0.0, 1.0),
    BOUND: (1.0 - SUMS, 1.0 + SUMS),
    PROJECTION: (0.0, ORTHONORMAL),
    FIRST: (1.0 - NORM, 1.0 + NORM),
}


def trace(structure: Structure, ended: bool) -> Trace:
    """The structure as it is now, layer by layer.

    ::

        bound on ‖M‖₂ = √(max row sum · max column sum)        Schur's test on |M|; needs no SVD
        ‖g − I‖₂ = α ‖M − I‖₂                                  as the rows of Q are orthonormal

    ended    singular values of M as well
    returns  computed in float64 from the float32 that is in force, of a layer's matrices the worst;
             α, ‖g − I‖ and σ₂ promise nothing, and control ``free`` promises nothing at all
    """
    import torch

    from classay.kernels.sinkhorn import spectral_bound

    with torch.no_grad():
        operators = structure.operators()
        m, alpha = operators.m.double().cpu(), operators.alpha.double().cpu()
        m = m.view(len(m), -1, *m.shape[-2:])  # (L, matrices, n, n)
        found = {
            ROWS: (m.sum(-1) - 1).abs().flatten(1).amax(-1),
            COLUMNS: (m.sum(-2) - 1).abs().flatten(1).amax(-1),
            LEAST: m.flatten(1).amin(-1),
            BOUND: spectral_bound(m.abs()).amax(-1),
        }
        if operators.q is not None:
            q = operators.q.double().cpu()
            found[PROJECTION] = (q @ q.mT - torch.eye(q.shape[1])).abs().flatten(1).amax(-1)
        found |= structure.shown(alpha, m, ended)
        if ended:
            first, second, *_ = torch.linalg.svdvals(m).amax(1).unbind(-1)
            found |= {FIRST: first, "σ₂(M)": second}
    promised = promises(structure.config)
    return Trace(
        structure.layers,
        {name: tensor.tolist() for name, tensor in found.items()},
        {name: PROMISED[name] for name in found if name in promised},
    )


def promises(config: Config) -> set[str]:
    """The names that a setting promises something of, where it has them."""
    if config.control == "free":
        return set()
    if (config.placement, config.mixing, config.control) == ("mhc", "sinkhorn", "none"):
        # so near a permutation 20 iterations do not converge: only what the last step made is sure
        return {COLUMNS, LEAST}
    return set(PROMISED)
