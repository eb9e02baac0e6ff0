"""The settings of CRMA-R: one preset of strengths, and what is done with the structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field


class Preset(NamedTuple):
    """The strengths; all are ours [A]."""

    streams: int  # n
    rank: int  # r, of every stream
    alpha: float  # α before training
    projection_rate: float  # of V, times the suite's learning rate


PRESETS = {
    # n and r fit two published parameter counts; so near the identity that it is nearly a placebo
    "evidence": Preset(2, 4, 0.01, 0.1),
    # the stream count of mHC (arXiv:2512.24880), to which CRMA is said to be inspired
    "mhc": Preset(4, 4, 0.01, 0.1),
    # a gate that is half open, so that there is something to measure
    "strong": Preset(2, 4, 0.5, 1.0),
}
ITERATIONS = 20


@dataclass(frozen=True, kw_only=True)
class Config:
    """The preset decides how much the structure can do, so it has no default."""

    preset: Literal["evidence", "mhc", "strong"]
    policy: Literal["live", "snapshot", "freeze_after_first", "single", "anchored"] = "live"
    anchor: Annotated[float, Field(ge=0)] | None = None  # λ, of policy anchored alone
    # what M mixes: streams of a projection of every layer's output, groups of its coordinates, the
    # coordinates inside every adapted matrix, or copies of the residual stream
    placement: Literal["stream", "group", "rank", "mhc"] = "stream"
    mixing: Literal["sinkhorn", "birkhoff_softmax", "kron2", "orthostochastic"] = "sinkhorn"
    control: Literal["none", "identity", "fixed_permutation", "free"] = "none"
    # exact: α itself is learned, starts at 0 whatever the preset, and is put back into [0, 1] after
    # every step, so that an untrained structure is the identity to the bit; open: α = 1
    gate: Literal["sigmoid", "exact", "open"] = "sigmoid"
    # where V of placement stream starts; random serves bases whose layers have no down_proj
    start: Literal["down_proj", "random"] = "down_proj"

    def __post_init__(self) -> None:
        if self.control != "none" and self.mixing != "sinkhorn":
            raise ValueError(
                f"control {self.control!r} with mixing {self.mixing!r}; a control stands in the "
                f"place of the mixing: leave out mixing, or the control"
            )
        if self.placement != "stream" and self.start != "down_proj":
            raise ValueError(
                f"start {self.start!r} with placement {self.placement!r}; start says where the "
                f"projection of placement 'stream' begins, and no other has one: leave it out"
            )
        if (self.anchor is None) == (self.policy == "anchored"):
            raise ValueError(
                f"policy {self.policy!r} with anchor {self.anchor}; 'anchored' needs a strength, "
                f"no other policy has one: give it, or take it out"
            )
        unlearned = self.control == "fixed_permutation" and self.placement in ("group", "rank")
        if self.policy == "anchored" and (
            self.control == "identity" or (unlearned and self.gate == "open")
        ):
            raise ValueError(
                f"policy 'anchored' with control {self.control!r} and gate {self.gate!r} in "
                f"placement {self.placement!r}; nothing of that structure trains, and an anchor "
                f"holds what trains: take another policy, or leave out the control"
            )
        if self.placement == "mhc" and self.gate != "sigmoid":
            raise ValueError(
                f"gate {self.gate!r} with placement 'mhc'; it has three gates a layer of its own, "
                f"which may take any value: leave gate out"
            )
        if self.placement == "mhc" and self.control == "identity":
            raise ValueError(
                "control 'identity' with placement 'mhc'; with M = I its streams are still read "
                "and written by what is learned, which is no placebo: take the method frozen"
            )
