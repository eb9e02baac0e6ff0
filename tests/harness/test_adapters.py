"""Adapters beside linear maps, and the refusal of anything else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from peft.tuners.lora import LoraLayer

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


def test_one_adapter_learns_and_those_beside_it_only_answer(adapters):
    ours = adapters("all-linear")
    names = ("a", "b", "c")
    for phase, name in enumerate(names):
        ours.fresh(name, phase)
    ours.use("a", beside=("c",))
    learns = {name: {p.requires_grad for _, p in ours.named(name)} for name in names}
    assert learns == {"a": {True}, "b": {False}, "c": {False}}
    assert {tuple(layer.active_adapters) for layer in layers(ours)} == {("c", "a")}
    ours.use(None)
    assert {layer.disable_adapters for layer in layers(ours)} == {True}
    ours.use("b")
    assert {layer.disable_adapters for layer in layers(ours)} == {False}
    assert {tuple(layer.active_adapters) for layer in layers(ours)} == {("b",)}


@pytest.mark.parametrize(("name", "beside"), [("nosuch", ()), ("a", ("nosuch",)), ("", ())])
def test_an_adapter_that_is_not_there_does_not_answer(adapters, name, beside):
    """PEFT's layers would leave it out in silence, and the base would answer alone."""
    ours = adapters(["q_proj"])
    ours.fresh("a", 0)
    with pytest.raises(KeyError, match="of adapters there are"):
        ours.use(name, beside)
    assert (ours.active, ours.beside) == ("a", ())


def layers(ours):
    return [m for m in ours.model.modules() if isinstance(m, LoraLayer)]
