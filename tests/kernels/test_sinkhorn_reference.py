"""sinkhorn's definition: numbers known by hand, laws, certificates, and what is refused."""

import itertools
import logging
import math

import pytest

torch = pytest.importorskip("torch")

import numpy as np

from classay.kernels.sinkhorn import (
    dispatch,
    marginal_error,
    sinkhorn,
    sinkhorn_many,
    sinkhorn_reference,
    spectral_bound,
)
from classay.kernels.sinkhorn.support import has_total_support


def drawn(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_by_hand():
    # with logits [[a, 0], [0, a]] the limit is reached at once: e^a / (1 + e^a) on the diagonal
    a = 0.7
    m = sinkhorn_reference(torch.tensor([[a, 0.0], [0.0, a]], dtype=torch.float64), 1).matrix
    assert m[0, 0].item() == pytest.approx(math.exp(a) / (1 + math.exp(a)))


def test_rows_first_columns_last():
    m = sinkhorn_reference(torch.log(torch.tensor([[1.0, 1.0], [1.0, 3.0]])), 1).matrix
    # rows to (1/2, 1/2), (1/4, 3/4); then the columns, which summed to 3/4 and 5/4
    torch.testing.assert_close(m, torch.tensor([[2 / 3, 2 / 5], [1 / 3, 3 / 5]]))


@pytest.mark.parametrize("n", [2, 3, 17, 64])
def test_marginal_error_shrinks_and_bounds_the_spectral_norm(n):
    x = drawn(8, n, n, scale=3.0)
    errors = [marginal_error(sinkhorn_reference(x, k).matrix).max() for k in (1, 4, 16, 64)]
    assert errors == sorted(errors, reverse=True)
    m = sinkhorn_reference(x, 4).matrix
    assert (torch.linalg.matrix_norm(m, 2) <= spectral_bound(m) + 1e-12).all()


def test_the_certificate_is_what_the_matrix_misses():
    m, certificate = sinkhorn_reference(drawn(2, 5, 4, 4, scale=3.0), 5)
    assert torch.equal(torch.maximum(certificate.rows, certificate.columns), marginal_error(m))
    assert torch.equal(certificate.least, m.amin((-1, -2)))
    torch.testing.assert_close(certificate.bound, spectral_bound(m))
    assert (certificate.bound >= torch.linalg.matrix_norm(m, 2)).all()


def test_the_gradient_is_the_derivative():
    # the temperature's too
    x, temperature = drawn(2, 3, 3, scale=2.0).requires_grad_(), drawn(2).exp().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, t: sinkhorn_reference(x, 4, t).matrix, (x, temperature)
    )


def test_the_gradient_of_the_temperature_passes_zeros_by():
    x = drawn(3, 3)
    x[0, 1] = -math.inf
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: sinkhorn_reference(x, 4, t).matrix, (temperature,))


def test_a_temperature_divides():
    x = drawn(4, 5, 5)
    for temperature in (0.25, torch.tensor(0.25)):
        m = sinkhorn_reference(x, 5, temperature).matrix
        assert torch.equal(m, sinkhorn_reference(4 * x, 5).matrix)
    m = sinkhorn_reference(x, 5, torch.tensor([1.0, 0.0, -1.0, 2.0])).matrix
    assert m.isnan().flatten(1).all(1).tolist() == [False, True, True, False]


def test_bfloat16_is_computed_in_float32():
    x = drawn(3, 4, 4).bfloat16()
    assert torch.equal(sinkhorn(x, 3).matrix, sinkhorn_reference(x.float(), 3).matrix)


def test_matrices_of_many_sizes_are_what_each_is_alone():
    sizes = [drawn(2, 3, 3), drawn(5, 5), drawn(0, 4, 4)]
    together = sinkhorn_many(sizes, 3)
    for x, (m, certificate) in zip(sizes, together, strict=True):
        assert torch.equal(m, sinkhorn(x, 3).matrix)
        assert m.shape == x.shape
        assert certificate.bound.shape == x.shape[:-2]
    assert sinkhorn_many([], 3) == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_number_that_is_none_makes_the_matrix_and_its_certificate_nan(wrong):
    x = drawn(3, 4, 4).requires_grad_()
    with torch.no_grad():
        x[1, 2, 3] = wrong
    m, certificate = sinkhorn_reference(x, 1)
    for tensor in (m.flatten(1), torch.stack(certificate, 1)):
        assert tensor.isnan().all(1).tolist() == [False, True, False]
    m.sum().backward()
    assert x.grad[1].isnan().all()
    assert not x.grad[::2].isnan().any()


def test_zeros_stay_where_the_rest_can_be_doubly_stochastic():
    x = drawn(4, 4)
    x[:2, 2:] = x[2:, :2] = -math.inf
    m, certificate = sinkhorn_reference(x, 50)
    assert (m == 0).equal(x.isneginf())
    assert certificate.rows < 1e-12
    assert certificate.least == 0
    assert sinkhorn_reference(x, 50, zeros=False).matrix.isnan().all()


@pytest.mark.parametrize(
    "pattern",
    [[[1, 1], [0, 1]], [[0, 0], [1, 1]], [[0, 1], [0, 1]]],
    ids=["support alone", "empty row", "empty column"],
)
def test_zeros_are_refused_where_it_cannot(pattern):
    x = torch.tensor(pattern, dtype=torch.float64).log()
    m, certificate = sinkhorn_reference(torch.stack([x, torch.zeros(2, 2)]), 5)
    assert m[0].isnan().all()
    assert all(one[0].isnan() for one in certificate)
    assert not m[1].isnan().any()


def test_what_the_temperature_drives_to_infinity_is_refused():
    x = torch.tensor([[-1e38, 0.0], [0.0, -1e38]])
    assert sinkhorn_reference(x, 5, 1e-2).matrix.isnan().all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_total_support_is_that_every_entry_is_on_a_positive_diagonal(n):
    for entries in itertools.product([False, True], repeat=n * n):
        pattern = np.array(entries).reshape(n, n)
        covered = np.zeros((n, n), bool)
        for order in itertools.permutations(range(n)):
            if pattern[range(n), order].all():
                covered[range(n), order] = True
        assert has_total_support(pattern) == (pattern.any() and (covered == pattern).all())


def test_what_has_no_meaning_is_refused():
    x = torch.zeros(2, 2)
    with pytest.raises(TypeError, match=r"logits of torch\.int64; float32, bfloat16 or float64"):
        sinkhorn(x.long(), 1)
    with pytest.raises(ValueError, match=r"shape \[2, 3\]; square matrices .* needed.\n  Only"):
        sinkhorn(torch.zeros(2, 3), 1)
    with pytest.raises(ValueError, match=r"0 iterations; at least 1 was needed.\n  Without one"):
        sinkhorn(x, 0)
    for temperature in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"temperature of .*; a finite number above 0 was"):
            sinkhorn(x, 1, temperature)


def test_the_reference_says_once_that_it_runs(caplog):
    dispatch._say_once.cache_clear()
    with caplog.at_level(logging.INFO, "classay.kernels"):
        for _ in range(3):
            sinkhorn(torch.zeros(2, 2), 1)
    said = [record for record in caplog.records if record.name == "classay.kernels"]
    assert [record.levelname for record in said] == ["INFO"]
    assert "runs its reference in plain PyTorch" in said[0].getMessage()


def test_no_variable_of_the_environment_decides_what_runs_on_a_cpu():
    # whatever it is set to here: to the last bit the definition, which no kernel is
    x = drawn(6, 7, 7).float()
    assert torch.equal(sinkhorn(x, 20).matrix, sinkhorn_reference(x, 20).matrix)
