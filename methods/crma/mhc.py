"""Placement ``mhc``: n copies of the residual stream, mixed anew for every token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from classay.adapters import Adapters
from classay.methods.crma.operators import Operators, decoder_layers
from classay.methods.crma.presets import PRESETS, Config
from classay.methods.crma.structure import Structure
from classay.seeding import Seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

NEAR = 8.0  # how far the identity's logits are above all others before training
EPSILON = 1e-20


class Maps(NamedTuple):
    """How one layer reads its streams, mixes them and writes to them, for every token; float32."""

    pre: Tensor  # (..., n)
    post: Tensor  # (..., n)
    m: Tensor  # (..., n, n)


class Wrapped(Structure):
    """Every decoder layer h + F(h) as a layer of n streams X ∈ ℝⁿˣᵈ.

    ::

        X ← M X + H_postᵀ F(H_pre X),    at first every stream is h, at last h is their mean
        H_pre = σ(α₁ x φ₁ + b₁),  H_post = 2σ(α₂ x φ₂ + b₂),  M = mixing(α₃ x φ₃ + b₃)
        x = vec(X) / RMS(vec(X))

    adapters   on the base whose layers are wrapped, found before an adapter renames a module
    config     mixing, control, and of the preset its streams and the start of α₁, α₂ and α₃
    seeds      the cell's random streams
    source     mHC (arXiv:2512.24880): the three maps, 20 iterations, α = 0.01, ε = 1e-20. Public
               re-implementations start M's logits at 0 on the diagonal and −8 beside it
    departures a whole decoder layer is wrapped, not its attention and its MLP; the norm has no
               weights
    choices    [A] b₁ = logit(1 / n) and b₂ = 0: with φ = 0 the wrapper is the identity; φ is normal
               with variance 1 / (n d), so that α is the size of what a token changes in a logit;
               the mean, where mHC sums, as the base expects one stream's scale. Streams begin equal
               and end averaged, so that a doubly stochastic M of the first and of the last layer
               changes nothing: only the layers between them mix
    """

    def __init__(self, adapters: Adapters, config: Config, seeds: Seeds) -> None:
        import torch

        super().__init__(config, PRESETS[config.preset].streams)
        found = decoder_layers(adapters.model)
        self.layers, count = tuple(name for name, _ in found), len(found)
        start = self._mixing_start(count, NEAR)
        wide = self.n * int(adapters.model.config.hidden_size)
        self.sizes = (self.n, self.n, start[self.mixing.key][0].numel())
        draws = [
            seeds.generator("crma", "maps", name).standard_normal((wide, sum(self.sizes)))
            for name in self.layers
        ]
        phi = torch.stack([torch.from_numpy(draw) for draw in draws]) / math.sqrt(wide)
        pre, post, res = phi.split(self.sizes, -1)
        start |= {
            "gate": torch.full((count, 3), self.preset.alpha),  # α₁, α₂, α₃
            "b_pre": torch.full((count, self.n), -math.log(self.n - 1)),
            "b_post": torch.zeros(count, self.n),
            "phi_pre": pre,
            "phi_post": post,
            "phi_mix": res,
        }
        self._begin(adapters.model, start)
        self._streams: Any = None  # between two layers of a forward pass: X,
        self._maps: Any = None  # the maps of the layer that runs,
        self._read: Any = None  # and what it was given
        self._seen: dict[int, Tensor] = {}  # place -> M of every token that was last trained on
        for place, (_, layer) in enumerate(found):
            layer.register_forward_pre_hook(self._reads(place), with_kwargs=True)
            layer.register_forward_hook(self._writes(place))

    def operators(self) -> Operators:
        """M of every token that was last trained on, (L, tokens, n, n), or without a token; α₃."""
        import torch

        m = self._mixing().unsqueeze(1)
        if len(self._seen) == len(self.layers):
            m = torch.stack([self._seen[place] for place in range(len(self.layers))])
        return Operators(m, self._in_force["gate"][:, 2])

    def shown(self, alpha: Tensor, m: Tensor, ended: bool) -> dict[str, Tensor]:
        import torch

        if not ended:  # one decomposition a token
            return {"α": alpha}
        distance = torch.linalg.matrix_norm(m - torch.eye(self.n), 2)
        return {"α": alpha, "‖M − I‖": distance.amax(1)}

    def maps(self, streams: Tensor, place: int) -> Maps:
        """How one layer reads, mixes and writes these streams, (..., n, d)."""
        import torch

        now = {key: tensor[place] for key, tensor in self._in_force.items()}
        wide = streams.float().flatten(-2)
        x = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON)
        phi = torch.cat([now["phi_pre"], now["phi_post"], now["phi_mix"]], -1)
        pre, post, res = (x @ phi).split(self.sizes, -1)
        numbers, (first, second, third) = now[self.mixing.key], now["gate"].unbind()
        if self.config.control == "fixed_permutation":
            m = self._mixing()[place].expand(*x.shape[:-1], self.n, self.n)
        else:
            m = self.mixing.matrix(third * res.unflatten(-1, numbers.shape) + numbers)
        return Maps(
            torch.sigmoid(first * pre + now["b_pre"]),
            2 * torch.sigmoid(second * post + now["b_post"]),
            m,
        )

    def _members(self) -> dict[str, Sequence[str]]:
        return {
            "mix": (self.mixing.key, "phi_mix"),
            "gate": ("gate",),
            "maps": ("b_pre", "b_post", "phi_pre", "phi_post"),
        }

    def _prepare(self, *_: Any) -> None:
        """Nothing is ready before a forward pass: M depends on the token."""

    def _reads(self, place: int) -> Any:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> Any:
            import torch

            if not self.on:
                return None
            h = args[0] if args else kwargs["hidden_states"]
            if place == 0:
                self._streams = h.unsqueeze(-2).expand(*h.shape[:-1], self.n, h.shape[-1])
            self._maps = self.maps(self._streams, place)
            if torch.is_grad_enabled():
                self._seen[place] = self._maps.m.detach().flatten(0, -3)
            self._read = read(self._streams, self._maps)
            if args:
                return (self._read, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": self._read}

        return hook

    def _writes(self, place: int) -> Any:
        def hook(_: nn.Module, args: Any, output: Any) -> Any:
            if not self.on:
                return None
            h = output[0] if isinstance(output, tuple) else output
            self._streams = written(self._streams, self._maps, h.float() - self._read.float())
            h = self._streams.float().mean(-2).to(h.dtype)
            if place == len(self.layers) - 1:  # what is kept would keep the whole graph
                self._streams = self._maps = self._read = None
            return (h, *output[1:]) if isinstance(output, tuple) else h

        return hook


def read(streams: Tensor, maps: Maps) -> Tensor:
    """H_pre X, (..., d), computed in float32 and rounded once to the type of X."""
    return (maps.pre.unsqueeze(-2) @ streams.float()).squeeze(-2).to(streams.dtype)


def written(streams: Tensor, maps: Maps, update: Tensor) -> Tensor:
    """M X + H_postᵀ F for an update F, (..., d), rounded once to the type of X."""
    wide = maps.m @ streams.float() + maps.post.unsqueeze(-1) * update.unsqueeze(-2)
    return wide.to(streams.dtype)
