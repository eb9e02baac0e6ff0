"""The diagonal of the Fisher matrix of a causal language model, estimated in one of four ways.

::

    empirical   (1/n) Σ_x g(x, y)²                        y: the text's labels
    sampled     (1/n) Σ_x g(x, y)²                        y: labels drawn from p
    exact       (1/n) Σ_x m⁻² Σ_t Σ_v p_t(v) (∂ ln p_t(v) / ∂θ)²          what ``sampled`` expects
    batched     (1/n) Σ_b |b| g(b)²                       b: rows as many as a training batch has

    g = ∂ℓ/∂θ, ℓ the mean over the m labels of what it is given; p_t(v) given the text before t

Three are means of squares. ``batched`` squares means: gradients of one batch cancel in it.

source  van de Ven 2025 (arXiv:2502.11756), who names them EMPIRICAL, SAMPLE, EXACT and BATCHED; of
        tokens the labels are drawn, or summed over, one position at a time, under the text's own
        earlier tokens, because no one can sum over all texts
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from classay.packing import IGNORED

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor, nn

    from classay.method import Batch

Variant = Literal["empirical", "sampled", "exact", "batched"]
AT_ONCE = 256  # tokens whose gradients ``exact`` holds in memory together


def diagonal(
    model: Any,
    parameters: Sequence[nn.Parameter],
    rows: Sequence[Batch],
    variant: Variant,
    labels: Generator,
) -> Tensor:
    """The diagonal of the Fisher matrix at the model's weights, (parameters,).

    rows     what one gradient each is taken of: a row of text, or of ``batched`` several
    labels   what ``sampled`` draws labels with
    choices  ``exact`` takes as many gradients of a row as it has labels, times the vocabulary: it
             is for small bases
    """
    import torch

    total, count = torch.zeros_like(torch.cat([p.detach().flatten() for p in parameters])), 0
    for row in rows:
        size = len(row["labels"])
        if variant == "exact":
            total += _expected(model, parameters, row)
        else:
            given = _sampled(model, row, labels) if variant == "sampled" else row
            loss = model(**given, use_cache=False).loss
            gradients = torch.autograd.grad(loss, parameters)
            total += size * torch.cat([gradient.flatten() for gradient in gradients]) ** 2
        count += size
    return total / count


def _scored(model: Any, row: Batch) -> tuple[Tensor, Tensor]:
    """Which labels are learned, and the logits that they are scored with: (m, vocabulary)."""
    learned = row["labels"][:, 1:] != IGNORED
    return learned, model(**row, use_cache=False).logits[:, :-1][learned].float()


def _sampled(model: Any, row: Batch, labels: Generator) -> Batch:
    """The row, with every label that is learned drawn from the model."""
    import torch

    with torch.no_grad():
        learned, logits = _scored(model, row)
    # a running sum has no reproducible order of additions on a GPU
    below = logits.double().softmax(-1).cpu().cumsum(-1)
    drawn = torch.searchsorted(below, torch.from_numpy(labels.random((len(below), 1))))
    tokens = drawn.squeeze(1).clamp(max=below.shape[1] - 1)
    own = row["labels"].clone()
    own[:, 1:][learned] = tokens.to(own)
    return {**row, "labels": own}


def _expected(model: Any, parameters: Sequence[nn.Parameter], row: Batch) -> Tensor:
    """What the square of the gradient is on average, when labels are drawn from the model."""
    import torch

    log_p = _scored(model, row)[1].log_softmax(-1)
    root = log_p.detach().exp().sqrt()
    total = torch.zeros_like(torch.cat([p.detach().flatten() for p in parameters]))
    for position in range(len(log_p)):
        for start in range(0, log_p.shape[1], AT_ONCE):
            chosen = slice(start, start + AT_ONCE)
            gradients = torch.autograd.grad(
                log_p[position, chosen],
                parameters,
                torch.diag(root[position, chosen]),
                retain_graph=True,
                is_grads_batched=True,
            )
            total += torch.cat([g.flatten(1) for g in gradients], dim=1).square().sum(0)
    return total / len(log_p) ** 2
