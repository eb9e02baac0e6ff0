"""Adapters beside linear maps, and the refusal of anything else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import ConfigError
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec


@pytest.fixture
def adapters(tiny_base):
    def on(targets):
        base = Base(locate(BaseSpec(path=str(tiny_base))), "fp32", "cpu")
        return Adapters(base.model, AdapterSpec(rank=2, alpha=4, targets=targets), Seeds(0))

    return on


@pytest.mark.parametrize("targets", [["embed_tokens"], ["embed_tokens", "q_proj"]])
def test_an_embedding_is_refused_and_not_left_out(adapters, targets):
    """PEFT would adapt it by other parameters, which nobody here draws, trains or saves."""
    with pytest.raises(
        ConfigError, match=r"leads to .*lora_embedding_A.*; linear modules were need"
    ):
        adapters(targets).fresh("shared", 0)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj"], ["q_proj", "lm_head"]])
def test_every_parameter_that_is_added_is_known(adapters, targets):
    ours = adapters(targets)
    ours.fresh("shared", 0)
    added = sum(p.numel() for name, p in ours.model.named_parameters() if "lora_" in name)
    assert added == sum(p.numel() for p in ours.parameters()) > 0
