"""Naive sequential LoRA: one adapter, trained on each domain in turn, with no protection.

source      Hu et al. 2021 (arXiv:2106.09685)
departures  none
"""

from __future__ import annotations

from dataclasses import dataclass

from classay.method import Method


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set: rank, alpha and learning rate belong to the suite, the same for all."""


class NaiveLoRA(Method):
    """Every default of ``Method``."""

    plain_first_phase = True


METHOD = NaiveLoRA
EXAMPLE = Config()  # runs in the conformance tests
