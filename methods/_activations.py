"""What goes into the linear maps of an adapter, and the directions in which it lies.

A LoRA module is two linear maps: lora_A reads the module's input, after dropout, and lora_B reads
the rank-dimensional output of lora_A. Of each map's inputs x, one a token::

    G = Σ_x x xᵀ                                     (d, d), d = the map's inputs
    P G P = U diag(λ₁ ≥ λ₂ ≥ …) Uᵀ                   P projects on what is still free

The columns of U are the left singular vectors of P X, and λ their squared singular values, where X
(d, tokens) has the inputs as columns. X itself, whose size grows with the tokens, is never held.

choices     sums and eigenvectors in float64: λ are squares, so float32 would leave of the singular
            values below 2 · 10⁻⁴ of the largest nothing but rounding
            every token of a row counts, whether it has a label or not: all of them go through the
            map; the model is in evaluation mode, so without dropout
            a direction with less than 10⁻¹² of Σ λ is rounding of float32 inputs, and no direction
            the largest entry of every column of U is positive, so that no sign is left open
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from classay.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from classay.adapters import Adapters
    from classay.method import Phase
    from classay.seeding import Seeds

FLOOR = 1e-12  # of all energy


def require(phase: Phase, examples: int, method: str) -> None:
    """Refuse a phase that offers fewer rows than are to be read, before it is trained on."""
    rows = sum(len(batch["input_ids"]) for batch in phase.batches)
    if rows < examples:
        raise ConfigError(
            f"domain {phase.domain!r} is offered {rows} rows, and methods.{method}.examples asks "
            f"for {examples}.\n  Lower examples, or raise training.tokens_per_domain."
        )


def second_moments(
    adapters: Adapters, phase: Phase, examples: int, seeds: Seeds, which: str = "lora_"
) -> dict[str, Tensor]:
    """G of every linear map of the active adapter.

    examples  rows of the phase that are read, drawn without replacement by a stream of their own:
              the same rows however often they are read in a phase
    which     the maps that are wanted, ``lora_A`` or ``lora_B``; both, if it is not given
    returns   name of the map's weight -> (d, d) float64
    """
    import torch

    model = adapters.model
    rows = torch.cat([batch["input_ids"] for batch in phase.batches])
    drawn = seeds.generator("activations", phase.index).choice(len(rows), examples, replace=False)
    names = {id(p): key for key, p in adapters.named(adapters.active) if which in key}
    sums: dict[str, Tensor] = {}

    def adding(key: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2).double()
            if key in sums:
                sums[key].addmm_(x.T, x)
            else:
                sums[key] = x.T @ x

        return add

    training = model.training
    with ExitStack() as hooks, torch.no_grad():
        for module in model.modules():
            key = names.get(id(getattr(module, "weight", None)))
            if key is not None:
                hooks.enter_context(module.register_forward_pre_hook(adding(key)))
        model.eval()
        for ids in rows[drawn.tolist()].split(len(phase.batches[0]["input_ids"])):
            model(input_ids=ids, use_cache=False)
        model.train(training)
    return {key: sums[key] for key in names.values()}


def by_shape(named: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The names of matrices, those of equal shape together, under "rows x columns"."""
    groups: dict[str, list[str]] = {}
    for key, tensor in named.items():
        groups.setdefault("x".join(map(str, tensor.shape)), []).append(key)
    return groups


def projector(basis: Tensor) -> Tensor:
    """M Mᵀ in float64, (n, d, d), of orthonormal columns kept in float32 with zeros behind them."""
    import torch

    # the rounding of the kept columns is taken out again: P has to be a projection to the last bit
    q = torch.linalg.qr(basis.double())[0] * basis.any(dim=1, keepdim=True)
    return q @ q.mT


def basis(projection: Tensor, widths: Tensor) -> Tensor:
    """Orthonormal columns that span what a projection projects on, with zeros behind them.

    projection  (n, d, d), orthogonal
    widths      (n,), their ranks
    returns     (n, d, greatest of the widths) float32
    """
    import torch

    vectors = torch.linalg.eigh(projection)[1].flip(-1)  # of the eigenvalues 1 first, then of 0
    return _first(_signed(vectors), widths)[:, :, : int(widths.max())].float().contiguous()


def directions(moments: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Where the inputs lie within what is free, the strongest first.

    moments  G, (n, d, d)
    free     P, (n, d, d)
    returns  λ / Σ of all energy (n, d), 0 where there is no direction; U (n, d, d), every column in
             what is free
    """
    import torch

    values, vectors = torch.linalg.eigh(free @ moments @ free)
    energy = moments.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    shares = values.flip(-1) / torch.where(energy > 0, energy, 1.0)
    # a weak direction comes out mixed with what is not free, where P G P is 0
    return torch.where(shares > FLOOR, shares, 0.0), _signed(free @ vectors.flip(-1))


def needed(shares: Tensor, threshold: float) -> Tensor:
    """The least k with which what was kept before and k more hold their part of the energy.

    ::

        1 − Σ_j λ_j / Σ  +  Σ_{j ≤ k} λ_j / Σ  ≥  threshold

    shares   (n, d), from ``directions``
    returns  (n,); 0 for a threshold of 0, every direction there is for a threshold of 1
    """
    import torch

    within = torch.cumsum(shares, -1) - shares
    before = (1 - shares.sum(-1, keepdim=True)).clamp(min=0) + within
    return ((before < threshold) & (shares > 0)).sum(-1)


def spanned(vectors: Tensor, counts: Tensor) -> Tensor:
    """The projection on the first ``counts`` columns, (n, d, d)."""
    kept = _first(vectors, counts)
    return kept @ kept.mT


def ranks(kept: Tensor) -> Tensor:
    """How many columns of a basis are no zeros behind them, (n,)."""
    return kept.any(dim=1).sum(-1)


def stacked(named: Mapping[str, Tensor], keys: Sequence[str]) -> Tensor:
    """Matrices of one shape in one tensor, (n, rows, columns)."""
    import torch

    return torch.stack([named[key] for key in keys])


def layer(key: str) -> str:
    """The module of the base that a weight of an adapter belongs to."""
    return key.removeprefix("base_model.model.").partition(".lora_")[0]


def _first(vectors: Tensor, counts: Tensor) -> Tensor:
    """The first columns of each matrix, and zeros in place of the others."""
    import torch

    places = torch.arange(vectors.shape[-1], device=vectors.device)
    return vectors * (places < counts[:, None])[:, None, :]


def _signed(vectors: Tensor) -> Tensor:
    largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
    return vectors * largest.sign()
