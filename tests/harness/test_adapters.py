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


@pytest.mark.parametrize("targets", [["embed_tokens"], ["q_proj", "embed_tokens"]])
def test_an_embedding_is_refused_and_not_left_out(adapters, targets):
    """PEFT would adapt it by other parameters, which nobody here draws, trains or saves."""
    with pytest.raises(
        ConfigError, match=r"has 'embed_tokens', which leads to Embedding in this base; linear mo"
    ):
        adapters(targets)


@pytest.mark.parametrize("targets", [["nosuch"], ["q_proj", "nosuch"], ["proj"]])
def test_a_target_that_is_not_there_is_refused_and_not_left_out(adapters, targets):
    """Of two names PEFT takes the one that it finds, and says nothing of the other."""
    with pytest.raises(
        ConfigError, match=r"leads to nothing .*\n.* Name some of .*k_proj, .*q_proj, .*all-linear"
    ):
        adapters(targets)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj"], ["self_attn.q_proj", "lm_head"]])
def test_every_parameter_that_is_added_is_known(adapters, targets):
    ours = adapters(targets)
    ours.fresh("shared", 0)
    added = sum(p.numel() for name, p in ours.model.named_parameters() if "lora_" in name)
    assert added == sum(p.numel() for p in ours.parameters()) > 0
