"""What goes into an adapter's maps is counted whole, without dropout and without a trace."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.errors import ConfigError
from classay.method import Method, Phase
from classay.methods import _activations as inputs

ALL = 8  # rows that the phase of the fixture offers


def fresh(make, phase, dropout: float = 0.0) -> Method:
    """A plain method whose lora_B is no longer 0."""
    method = make(Method, dropout=dropout)
    method.begin_phase(phase)
    draw = torch.Generator().manual_seed(2)
    for key, tensor in method.adapters.tensors("shared").items():
        if "lora_B" in key:
            tensor.copy_(torch.randn(tensor.shape, generator=draw) / 10)
    return method


def read(method, phase, examples: int = ALL) -> dict[str, torch.Tensor]:
    return inputs.second_moments(method.adapters, phase, examples, method.seeds)


def test_every_token_is_counted_once(make, offered):
    method, phase = fresh(make, offered(0)), offered(0)
    found = read(method, phase)
    # the inputs of the first layer are normed embeddings: no adapter lies before them
    base = method.model.model
    ids = torch.cat([batch["input_ids"] for batch in phase.batches])
    x = base.layers[0].input_layernorm(base.embed_tokens(ids)).detach().flatten(0, 1).double()
    for name in ("q_proj", "k_proj", "v_proj"):
        key = f"base_model.model.model.layers.0.self_attn.{name}.lora_A.weight"
        assert torch.allclose(found[key], x.T @ x)
    assert found.keys() == method.adapters.tensors("shared").keys()


def test_what_lora_b_reads_is_what_lora_a_makes_of_its_inputs(make, offered):
    method = fresh(make, offered(0))
    found = read(method, offered(0))
    for key, a in method.adapters.tensors("shared").items():
        if "lora_A" in key:
            made = a.double() @ found[key] @ a.double().T
            assert torch.allclose(found[key.replace("lora_A", "lora_B")], made, rtol=1e-4)


def test_the_order_of_rows_and_the_size_of_batches_change_nothing(make, offered):
    method, phase = fresh(make, offered(0)), offered(0)
    whole = {key: torch.cat([b[key] for b in phase.batches]).flip(0) for key in phase.batches[0]}
    first, second = read(method, phase), read(method, Phase(0, phase.domain, (whole,)))
    assert all(torch.allclose(first[key], second[key], rtol=1e-5) for key in first)


def test_dropout_is_off_and_the_model_is_left_as_it_was(make, offered):
    calm = read(fresh(make, offered(0)), offered(0))
    method = fresh(make, offered(0), dropout=0.5)
    method.model.train()
    state = torch.get_rng_state()
    found = read(method, offered(0))
    assert all(torch.equal(calm[key], found[key]) for key in calm)
    assert method.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in method.model.modules())


def test_as_many_rows_are_read_as_were_asked_for_and_the_same_ones_again(make, offered):
    method, rows = fresh(make, offered(0)), []
    handle = method.model.model.embed_tokens.register_forward_pre_hook(
        lambda _, ids: rows.extend(map(tuple, ids[0].tolist()))
    )
    for _ in range(2):
        read(method, offered(0), examples=5)
    handle.remove()
    assert len(rows) == 10
    assert len(set(rows[:5])) == 5
    assert rows[:5] == rows[5:]


def test_only_the_maps_that_are_wanted_are_read(make, offered):
    method = fresh(make, offered(0))
    found = inputs.second_moments(method.adapters, offered(0), 2, method.seeds, "lora_A")
    assert found.keys() == {k for k in method.adapters.tensors("shared") if "lora_A" in k}


def test_fewer_rows_than_are_to_be_read_are_refused(offered):
    with pytest.raises(ConfigError, match=r"offered 8 rows, and methods.gpm.examples asks for 9"):
        inputs.require(offered(0), 9, "gpm")
    inputs.require(offered(0), 8, "gpm")
