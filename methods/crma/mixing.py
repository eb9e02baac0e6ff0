"""How M is made: learned numbers into doubly stochastic matrices, and into one that is not.

Each is made for n streams. ``key`` is what its numbers are called in the structure, ``start(c)``
are those before training, and ``matrix`` turns (..., numbers) into (..., n, n). Every closed form
is computed in float64 and rounded once, so that its sums miss 1 by float32's rounding alone.

Before training M is one that Sinkhorn makes of c I, where a mixing can reach it::

    M₀ = ((eᶜ − 1) I + 1 1ᵀ) / (eᶜ − 1 + n)        σ₂(M₀) = (eᶜ − 1) / (eᶜ − 1 + n)
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING

from classay.errors import ConfigError
from classay.methods.crma.presets import ITERATIONS

if TYPE_CHECKING:
    from torch import Tensor

MOST_PERMUTED = 6  # 720 permutations; the next has 5,040


class Sinkhorn:
    """Rows and columns of exp(numbers) normalised in turn: doubly stochastic in the limit."""

    key = "log_mix"

    def __init__(self, n: int) -> None:
        self.n = n

    def start(self, c: float) -> Tensor:
        import torch

        return c * torch.eye(self.n)

    def matrix(self, numbers: Tensor) -> Tensor:
        from classay.kernels.sinkhorn import sinkhorn

        return sinkhorn(numbers, ITERATIONS, zeros=False).matrix


class BirkhoffSoftmax:
    """Σ_k softmax(numbers)_k P_k over all n! permutations: doubly stochastic by Birkhoff's theorem.

    source  mHC-lite (arXiv:2601.05732), whose weights begin at 0 for the identity and −8 elsewhere
    raises  ConfigError   for more than 720 permutations
    """

    key = "weights"

    def __init__(self, n: int) -> None:
        import torch

        if n > MOST_PERMUTED:
            raise ConfigError(
                f"mixing birkhoff_softmax has one weight for each of the {n}! permutations of {n} "
                f"streams; at most {MOST_PERMUTED} streams are possible.\n  Take mixing kron2 or "
                f"orthostochastic, or under placement rank an adapter of a lower rank."
            )
        self.n = n
        self.permutations = torch.stack(  # the identity first
            [torch.eye(n, dtype=torch.float64)[list(order)] for order in permutations(range(n))]
        )

    def start(self, c: float) -> Tensor:
        import torch

        # 1 + (eᶜ − 1)(n − 1)! for the identity and 1 for every other: their mixture is M₀
        weights = torch.zeros(len(self.permutations))
        weights[0] = math.log1p(math.expm1(c) * math.factorial(self.n - 1))
        return weights

    def matrix(self, numbers: Tensor) -> Tensor:
        flat = self.permutations.to(numbers.device).flatten(1)
        mixed = numbers.double().softmax(-1) @ flat
        return mixed.unflatten(-1, (self.n, self.n)).float()


class Kron2:
    """⊗_k [[p_k, 1 − p_k], [1 − p_k, p_k]] with p_k = σ(numbers_k), the first factor outermost.

    source  KromHC (arXiv:2601.21579), with factors of size 2
    choices every factor starts with σ₂ = σ₂(M₀)
    raises  ConfigError   n is no power of two
    """

    key = "logits"

    def __init__(self, n: int) -> None:
        self.n, self.factors = n, n.bit_length() - 1
        if n < 2 or n != 2**self.factors:
            raise ConfigError(
                f"mixing kron2 multiplies matrices of size 2, and there are {n} streams; a power "
                f"of two was needed.\n  Take another mixing, or under placement rank an adapter "
                f"whose rank is a power of two."
            )

    def start(self, c: float) -> Tensor:
        import torch

        # the σ₂ of a factor is tanh(logit / 2)
        return torch.full((self.factors,), math.log1p(2 * math.expm1(c) / self.n))

    def matrix(self, numbers: Tensor) -> Tensor:
        import torch

        wide = numbers.double()
        stay, swap = wide.sigmoid(), (-wide).sigmoid()
        pairs = torch.stack([stay, swap, swap, stay], -1).unflatten(-1, (2, 2))  # (..., k, 2, 2)
        first, *others = pairs.unbind(-3)
        for factor in others:
            grid = first[..., :, None, :, None] * factor[..., None, :, None, :]
            first = grid.flatten(-4, -3).flatten(-2, -1)
        return first.float()


class Orthostochastic:
    """O ∘ O of the rotation O = exp(A − Aᵀ), the numbers above the diagonal of A.

    departures  O is an exponential and not Newton–Schulz's iteration, whose result is orthogonal in
                the limit only. Rotations reach all there is: the sign of a row is not seen in O ∘ O
    choices     A starts with arctan(exp(−c / 2)) beside the diagonal, so that two streams start at
                M₀; at A = 0 every gradient would be 0, as O ∘ O is flat there
    """

    key = "angles"

    def __init__(self, n: int) -> None:
        import torch

        self.n = n
        self.rows, self.columns = torch.triu_indices(n, n, 1)

    def start(self, c: float) -> Tensor:
        beside = self.columns == self.rows + 1
        return beside.float() * math.atan(math.exp(-c / 2))

    def matrix(self, numbers: Tensor) -> Tensor:
        import torch

        wide = numbers.double()
        upper = wide.new_zeros(*wide.shape[:-1], self.n, self.n)
        upper[..., self.rows, self.columns] = wide
        return torch.matrix_exp(upper - upper.mT).square().float()


class Free:
    """The numbers themselves: starts as M₀ and promises nothing."""

    key = "mix"

    def __init__(self, n: int) -> None:
        self.n = n

    def start(self, c: float) -> Tensor:
        import torch

        share = math.expm1(c)
        return (share * torch.eye(self.n) + 1) / (share + self.n)

    def matrix(self, numbers: Tensor) -> Tensor:
        return numbers


Mixing = Sinkhorn | BirkhoffSoftmax | Kron2 | Orthostochastic | Free
MIXINGS: dict[str, type[Mixing]] = {
    "sinkhorn": Sinkhorn,
    "birkhoff_softmax": BirkhoffSoftmax,
    "kron2": Kron2,
    "orthostochastic": Orthostochastic,
}
