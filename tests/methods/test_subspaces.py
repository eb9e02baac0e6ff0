"""Subspaces of inputs: they are those of an SVD, and as wide as the energy asks for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay.methods import _subspaces as subspaces


def matrix(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([rows], dtype=torch.float64)


def test_directions_and_how_many_are_needed_by_hand():
    # X = [[3, 0], [0, 1]]: singular values 3 and 1 along the axes, energies 9 and 1 of 10
    shares, u = subspaces.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((1.0, 0.0), (0.0, 1.0)))
    assert shares[0].tolist() == pytest.approx([0.9, 0.1])
    assert u[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    counts = [int(subspaces.needed(shares, threshold)) for threshold in (0.0, 0.1, 0.89, 0.91, 1.0)]
    assert counts == [0, 1, 1, 2, 2]


def test_what_is_kept_already_counts_towards_the_threshold():
    # the first axis is kept: 9/10 is held before anything is added
    shares, u = subspaces.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((0.0, 0.0), (0.0, 1.0)))
    assert shares[0].tolist() == pytest.approx([0.1, 0.0])
    assert u[0, :, 0].tolist() == [0.0, 1.0]
    assert [int(subspaces.needed(shares, threshold)) for threshold in (0.0, 0.89, 0.91)] == [
        0,
        0,
        1,
    ]
    # the second axis is kept, and holds 1/10
    shares, _ = subspaces.directions(matrix((9.0, 0.0), (0.0, 1.0)), matrix((1.0, 0.0), (0.0, 0.0)))
    assert [int(subspaces.needed(shares, threshold)) for threshold in (0.05, 0.2, 1.0)] == [0, 1, 1]


def test_they_are_the_left_singular_vectors():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(5, 40, generator=draw, dtype=torch.float64)
    m = torch.linalg.qr(torch.randn(5, 2, generator=draw, dtype=torch.float64))[0]
    free = torch.eye(5, dtype=torch.float64) - m @ m.T
    shares, u = subspaces.directions((x @ x.T)[None], free[None])
    left, sigma, _ = torch.linalg.svd(free @ x, full_matrices=False)
    assert torch.allclose(shares[0], sigma**2 / (x**2).sum(), atol=1e-12)
    assert torch.allclose((u[0, :, :3] * left[:, :3]).sum(0).abs(), torch.ones(3).double())
    assert float((m.T @ u[0]).abs().max()) < 1e-12
    assert torch.equal(shares[0, 3:], torch.zeros(2).double())  # nothing else is free


def test_no_sign_is_left_open():
    g = matrix((2.0, 1.0), (1.0, 3.0))
    _, u = subspaces.directions(g, torch.eye(2).double()[None])
    assert (u.gather(-2, u.abs().argmax(-2, keepdim=True)) > 0).all()


def test_a_threshold_of_one_keeps_every_direction_there_is_and_no_more():
    # rank 2 of 3: the third direction is rounding
    x = torch.tensor([[1.0, 0.0], [1.0, 1e-3], [1.0, 0.0]], dtype=torch.float64)
    shares, _ = subspaces.directions((x @ x.T)[None], torch.eye(3).double()[None])
    assert int(subspaces.needed(shares, 1.0)) == 2


def test_no_input_has_no_direction():
    shares, _ = subspaces.directions(torch.zeros(1, 3, 3).double(), torch.eye(3).double()[None])
    assert not shares.any()
    assert int(subspaces.needed(shares, 1.0)) == 0


def test_a_basis_spans_what_it_was_made_of_and_is_padded_with_zeros():
    draw = torch.Generator().manual_seed(1)
    wide = torch.randn(2, 6, 3, generator=draw, dtype=torch.float64)
    q = torch.linalg.qr(wide)[0]
    q[1, :, 1:] = 0.0
    kept = subspaces.basis(q @ q.mT)
    assert kept.dtype == torch.float32
    assert kept.shape == (2, 6, 3)
    assert subspaces.columns(kept).tolist() == [3, 1]
    assert torch.allclose(subspaces.projector(kept), q @ q.mT, atol=1e-6)
    # a projection to the last bit, although it was kept in float32
    again = subspaces.projector(kept)
    assert float((again @ again - again).abs().max()) < 1e-14
