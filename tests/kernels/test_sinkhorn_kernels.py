"""sinkhorn's kernels against its definition in float64: matrices, gradients, certificates, bits."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.sinkhorn import (
    marginal_error,
    sinkhorn_fused,
    sinkhorn_reference,
    spectral_bound,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def drawn(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator)).to(DEVICE)


def forward_tolerance(span):
    return 2e-6 + 2**-24 * span


def gradient_tolerance(span):
    """Of the largest upstream gradient."""
    return 4e-6 + 2**-23 * span


def certifies(certificate, m):
    """A certificate says what a matrix misses, up to the rounding of a sum."""
    m, rounding = m.double(), m.shape[-1] * 2**-23
    rows, columns = (m.sum(-1) - 1).abs().amax(-1), (m.sum(-2) - 1).abs().amax(-1)
    torch.testing.assert_close(certificate.rows.double(), rows, rtol=0, atol=rounding)
    torch.testing.assert_close(certificate.columns.double(), columns, rtol=0, atol=rounding)
    assert torch.equal(certificate.least.double(), m.amin((-1, -2)))
    assert torch.equal(torch.maximum(rows, columns), marginal_error(m))
    assert (certificate.bound >= torch.linalg.matrix_norm(m, 2)).all()
    assert (certificate.bound <= spectral_bound(m) * (1 + 2 * rounding)).all()


LAWS = {
    "N(0, 0.1)": lambda n: drawn(n, n, scale=0.1, seed=1),
    "N(0, 1)": lambda n: drawn(n, n, seed=2),
    "N(0, 5)": lambda n: drawn(n, n, scale=5.0, seed=3),
    "N(0, 30)": lambda n: drawn(n, n, scale=30.0, seed=4),
    "near the identity": lambda n: 8 * torch.eye(n, device=DEVICE) - 8 + drawn(n, n, scale=0.1),
    "±10,000": lambda n: 1e4 * drawn(n, n, seed=5).sign(),
    "rows of equal values": lambda n: drawn(n, 1, scale=3.0, seed=6).expand(n, n),
    "far from 0": lambda n: 1000 + drawn(n, n, seed=7),
}
MILD, SPREAD = ("N(0, 1)", "near the identity"), ("N(0, 30)", "±10,000")


def of_laws(n, names=tuple(LAWS)):
    return torch.stack([LAWS[name](n) for name in names])


def agrees(logits, iterations):
    """The kernel does what the definition does, under a random upstream gradient."""
    ours = logits.clone().requires_grad_()
    golden = logits.double().requires_grad_()
    upstream = drawn(*logits.shape, seed=99)
    m, m_golden = (
        sinkhorn_fused(ours, iterations).matrix,
        sinkhorn_reference(golden, iterations).matrix,
    )
    m.backward(upstream)
    m_golden.backward(upstream.double())
    span = logits.double().amax((-1, -2)) - logits.double().amin((-1, -2))
    wrong = (m - m_golden).abs().amax((-1, -2))
    assert (wrong <= forward_tolerance(span)).all(), wrong
    wrong = (ours.grad - golden.grad).abs().amax((-1, -2)) / upstream.abs().amax((-1, -2))
    assert (wrong <= gradient_tolerance(span)).all(), wrong
    # rows are normalised first: a constant added to one of them changes nothing
    drift = ours.grad.double().sum(-1).abs().amax(-1) / upstream.abs().amax((-1, -2))
    assert (drift <= gradient_tolerance(span)).all(), drift


@pytest.mark.parametrize("iterations", [1, 5, 20, 50])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 16])
def test_small_matrices(n, iterations):
    agrees(of_laws(n), iterations)


@pytest.mark.parametrize(
    ("iterations", "laws"),
    [(1, LAWS), (5, (*MILD, *SPREAD)), (20, (MILD[0], SPREAD[1])), (50, (MILD[1], SPREAD[0]))],
)
@pytest.mark.parametrize("n", [24, 33, 64])
def test_matrices_that_fill_a_program(n, iterations, laws):
    agrees(of_laws(n, laws), iterations)


# Triton's interpreter takes a third of a second an iteration here: 200 and 256 share a kernel
@pytest.mark.parametrize(
    ("n", "iterations", "laws"),
    [
        *((n, 1, SPREAD) for n in (128, 200, 256)),
        *((n, 5, (MILD[0], SPREAD[0])) for n in (128, 200, 256)),
        *((n, 20, MILD[1:]) for n in (128, 200)),
        *((n, 50, MILD[1:]) for n in (128, 256)),
    ],
)
def test_matrices_a_tile_at_a_time(n, iterations, laws):
    agrees(of_laws(n, laws), iterations)


# all of it takes an interpreter too long for every change: make grid
@pytest.mark.exhaustive
@pytest.mark.parametrize("iterations", [1, 5, 20, 50])
@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 16, 24, 33, 64, 128, 200, 256])
def test_every_size_every_law_and_every_number_of_iterations(n, iterations):
    agrees(of_laws(n), iterations)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 20.0, 30.0])
def test_two_by_two_has_a_closed_form(scale):
    x = drawn(2000, 2, 2, scale=scale)
    m, certificate = sinkhorn_fused(x, 50)
    converged = torch.maximum(certificate.rows, certificate.columns) < 1e-7
    assert converged.sum() > 20
    (a, b), (c, d) = x.double().permute(1, 2, 0)
    expected = torch.sigmoid((a + d - b - c) / 2)
    assert (m[:, 0, 0] - expected)[converged].abs().max() <= 1e-6


# found by search: of these the potentials of the first iteration are as large as the logits' range
@pytest.mark.parametrize(
    "rows",
    [
        [[2.818424, 66.579376], [0.092060089, 67.875985]],
        [[0.0015183395, 134.441696], [4.5521317, 134.837524]],
        [[-0.016548395, 1040.66846], [31.1329975, 1081.23206]],
        [[8384.01270, -0.0336809047], [8609.27539, 218.068802]],
    ],
)
@pytest.mark.parametrize("iterations", [1, 5, 50])
def test_a_wide_matrix_is_rounded_by_its_entries_and_not_by_its_range(rows, iterations):
    x = torch.tensor(rows, device=DEVICE)
    agrees(x[None], iterations)
    _, certificate = sinkhorn_fused(x, iterations)
    assert certificate.columns <= 2 * 2**-23


@pytest.mark.parametrize("n", [2, 3, 16, 70])
def test_logits_further_apart_than_a_number_are_refused(n):
    """Their difference is −∞, which would be a zero that nobody asked for."""
    x = torch.zeros(2, n, n, device=DEVICE)
    x[0, 0, 0], x[0, 1, 1] = 3e38, -3e38
    m, certificate = sinkhorn_fused(x, 3)
    assert all(torch.equal(part.isnan(), torch.tensor([True, False])) for part in certificate)
    assert m[0].isnan().all()
    assert (m[1] - 1 / n).abs().max() <= forward_tolerance(0.0)


def test_more_matrices_than_a_third_of_an_int32_have_their_certificates(monkeypatch):
    """The last of four certificates begins behind three times as many numbers as there are."""
    from classay.kernels.sinkhorn import program

    # which another test may have asked for: it would write all of these 11 GB
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)
    batch = 715_827_883
    certificate = torch.empty(4, batch, device=DEVICE)  # nothing of it is touched but four numbers
    table = torch.tensor([[0, 2, 1, 0, 0]], device=DEVICE)
    logits, out = torch.zeros(4, device=DEVICE), torch.empty(4, device=DEVICE)
    program.forward[(1,)](logits, table, out, certificate, batch, 1.0, 0, 5, 2, 0, num_warps=4)
    assert certificate[:, 0].tolist() == [0.0, 0.0, 0.5, 1.0 + 2 * 2**-23]


@pytest.mark.parametrize("n", [1, 3, 16, 70])
@pytest.mark.parametrize(("logit", "temperature"), [(3.3e9, 1.0), (-3e38, 1.0), (1.23e8, 0.01)])
def test_equal_logits_are_equal_shares_however_large(n, logit, temperature):
    x = torch.full((n, n), logit, device=DEVICE).requires_grad_()
    m, certificate = sinkhorn_fused(x, 2, temperature)
    m.backward(torch.ones_like(m))
    assert (m - 1 / n).abs().max() <= forward_tolerance(0.0)
    assert x.grad.abs().max() <= gradient_tolerance(0.0) / temperature
    certifies(certificate, m)


@pytest.mark.parametrize("n", [4, 40, 70])
def test_a_temperature_divides(n):
    x = drawn(2, n, n)
    golden, warmth = x.double().requires_grad_(), torch.tensor([0.5, 2.0], device=DEVICE)
    cold = warmth.double().requires_grad_()
    upstream = drawn(2, n, n, seed=9)
    sinkhorn_reference(golden, 4, cold).matrix.backward(upstream.double())
    ours, learned = x.clone().requires_grad_(), warmth.clone().requires_grad_()
    sinkhorn_fused(ours, 4, learned).matrix.backward(upstream)
    assert (ours.grad - golden.grad).abs().max() <= gradient_tolerance(0.0) * upstream.abs().max()
    torch.testing.assert_close(learned.grad.double(), cold.grad, rtol=1e-4, atol=1e-5)

    fixed = x[:1].clone().requires_grad_()
    sinkhorn_fused(fixed, 4, 0.5).matrix.backward(upstream[:1])
    wrong = (fixed.grad - golden.grad[:1]).abs().max()
    assert wrong <= gradient_tolerance(0.0) * upstream.abs().max()


@pytest.mark.parametrize("n", [3, 16, 64, 130])
@pytest.mark.parametrize("scale", [0.5, 20.0])
def test_the_certificate_is_what_the_matrix_misses(n, scale):
    m, certificate = sinkhorn_fused(drawn(2, n, n, scale=scale), 3)
    certifies(certificate, m)


@pytest.mark.parametrize("n", [5, 16, 70])
def test_a_permutation_of_the_logits_permutes_the_matrix(n):
    x, order = drawn(2, n, n), torch.randperm(n, generator=torch.Generator().manual_seed(0))
    order = order.to(DEVICE)
    m, permuted = sinkhorn_fused(x, 5).matrix, sinkhorn_fused(x[:, order], 5).matrix
    assert (permuted - m[:, order]).abs().max() <= forward_tolerance(0.0)
    other = sinkhorn_fused(x[:, :, order], 5).matrix
    assert (other - m[:, :, order]).abs().max() <= forward_tolerance(0.0)


@pytest.mark.parametrize("n", [4, 17, 66])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_number_that_is_none_makes_the_matrix_and_its_certificate_nan(n, wrong):
    x = drawn(3, n, n)
    x[1, 2, 3] = wrong
    x.requires_grad_()
    m, certificate = sinkhorn_fused(x, 2)
    for tensor in (m.flatten(1), torch.stack(certificate, 1)):
        assert tensor.isnan().all(1).tolist() == [False, True, False]
        assert tensor.isnan().any(1).tolist() == [False, True, False]
    m.sum().backward()
    assert x.grad[1].isnan().all()
    assert not x.grad[::2].isnan().any()


@pytest.mark.parametrize("n", [4, 18, 66])
def test_zeros_are_zeros_where_the_definition_has_them(n):
    x = drawn(4, n, n)
    x[0, : n // 2, n // 2 :] = x[0, n // 2 :, : n // 2] = -math.inf  # two blocks
    x[1, 0, 1:] = -math.inf  # the first column of every other row is on no positive diagonal
    x[2, 0] = -math.inf
    upstream = drawn(4, n, n, seed=1)
    golden = x.double().requires_grad_()
    x.requires_grad_()
    m, certificate = sinkhorn_fused(x, 3)
    m_golden = sinkhorn_reference(golden, 3).matrix
    assert m.flatten(1).isnan().all(1).tolist() == [False, True, True, False]
    assert certificate.bound.isnan().tolist() == [False, True, True, False]
    m.backward(upstream)
    m_golden.backward(upstream.double())
    within = {"rtol": 0, "equal_nan": True}
    torch.testing.assert_close(m.double(), m_golden, atol=forward_tolerance(0.0), **within)
    most = gradient_tolerance(0.0) * upstream.abs().max().item()
    torch.testing.assert_close(x.grad.double(), golden.grad, atol=most, **within)
    assert (m[0] == 0).equal(x[0].isneginf())
    m = sinkhorn_fused(x, 3, zeros=False).matrix
    assert m.flatten(1).isnan().all(1).tolist() == [True, True, True, False]


def test_what_the_temperature_drives_to_infinity_is_refused():
    x = torch.tensor([[-1e38, 0.0], [0.0, -1e38]], device=DEVICE)
    for temperature in (1e-2, torch.tensor(1e-2, device=DEVICE)):
        assert sinkhorn_fused(x, 5, temperature).matrix.isnan().all()


def test_a_matrix_too_large_is_refused():
    with pytest.raises(ValueError, match=r"of 257 rows; at most 256 was needed.\n  Call sinkhorn_"):
        sinkhorn_fused(drawn(257, 257), 1)
    with pytest.raises(TypeError, match=r"float64; float32 or bfloat16 was needed.\n  Call sinkho"):
        sinkhorn_fused(drawn(2, 2).double(), 1)
