"""What goes into an adapter's maps is counted whole, and its directions are those of an SVD."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.errors import ConfigError
from classay.method import Method, Phase
from classay.methods import _activations as inputs

ALL = 8  # rows that the phase of the fixture offers


def matrix(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([rows], dtype=torch.float64)


def test_directions_and_how_many_are_needed_by_hand():
    # X = [[3, 0], [0, 1]]: singular values 3 and 1 along the axes, energies 9 and 1 of 10
    shares, u = inputs.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((1.0, 0.0), (0.0, 1.0)))
    assert shares[0].tolist() == pytest.approx([0.9, 0.1])
    assert u[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    counts = [int(inputs.needed(shares, threshold)) for threshold in (0.0, 0.1, 0.89, 0.91, 1.0)]
    assert counts == [0, 1, 1, 2, 2]


def test_what_is_kept_already_counts_towards_the_threshold():
    # the first axis is kept: 9/10 is held before anything is added
    shares, u = inputs.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((0.0, 0.0), (0.0, 1.0)))
    assert shares[0].tolist() == pytest.approx([0.1, 0.0])
    assert u[0, :, 0].tolist() == [0.0, 1.0]
    assert [int(inputs.needed(shares, threshold)) for threshold in (0.0, 0.89, 0.91)] == [0, 0, 1]
    # the second axis is kept, and holds 1/10
    shares, _ = inputs.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((1.0, 0.0), (0.0, 0.0)))
    assert [int(inputs.needed(shares, threshold)) for threshold in (0.05, 0.2, 1.0)] == [0, 1, 1]


def test_they_are_the_left_singular_vectors():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5, 40, generator=draw, dtype=torch.float64)
    m = torch.linalg.qr(torch.randn(5, 2, generator=draw, dtype=torch.float64))[0]
    free = torch.eye(5, dtype=torch.float64) - m @ m.T
    shares, u = inputs.directions((x @ x.T)[None], free[None])
    left, sigma, _ = torch.linalg.svd(free @ x, full_matrices=False)
    assert torch.allclose(shares[0], sigma**2 / (x**2).sum(), atol=1e-12)
    assert torch.allclose((u[0, :, :3] * left[:, :3]).sum(0).abs(), torch.ones(3).double())
    assert float((m.T @ u[0]).abs().max()) < 1e-12
    assert torch.equal(shares[0, 3:], torch.zeros(2).double())  # nothing else is free


def test_no_sign_is_left_open():
    g = matrix((2.0, 1.0), (1.0, 3.0))
    _, u = inputs.directions(g, torch.eye(2).double()[None])
    assert (u.gather(-2, u.abs().argmax(-2, keepdim=True)) > 0).all()


def test_a_threshold_of_one_keeps_every_direction_there_is_and_no_more():
    # rank 2 of 3: the third direction is rounding
    x = torch.tensor([[1.0, 0.0], [1.0, 1e-3], [1.0, 0.0]], dtype=torch.float64)
    shares, _ = inputs.directions((x @ x.T)[None], torch.eye(3).double()[None])
    assert int(inputs.needed(shares, 1.0)) == 2


def test_no_input_has_no_direction():
    shares, _ = inputs.directions(torch.zeros(1, 3, 3).double(), torch.eye(3).double()[None])
    assert not shares.any()
    assert int(inputs.needed(shares, 1.0)) == 0


def test_a_basis_spans_what_it_was_made_of_and_is_padded_with_zeros():
    draw = torch.Generator().manual_seed(1)
    wide = torch.randn(2, 6, 3, generator=draw, dtype=torch.float64)
    q = torch.linalg.qr(wide)[0]
    q[1, :, 1:] = 0.0
    widths = torch.tensor([3, 1])
    kept = inputs.basis(q @ q.mT, widths)
    assert kept.dtype == torch.float32
    assert kept.shape == (2, 6, 3)
    assert inputs.ranks(kept).tolist() == [3, 1]
    assert torch.allclose(inputs.projector(kept), q @ q.mT, atol=1e-6)
    # a projection to the last bit, although it was kept in float32
    again = inputs.projector(kept)
    assert float((again @ again - again).abs().max()) < 1e-14


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
