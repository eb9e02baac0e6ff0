"""stream_mix: by hand, against the float64 definition with every gradient, laws."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.stream_mix import operator, stream_mix_reference
from classay.kernels.stream_mix.operator import stream_mix_fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PATHS = pytest.mark.parametrize("path", [stream_mix_reference, stream_mix_fused])
NAMES = ("y", "∂h", "∂M", "∂Q", "∂α")
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])

# What may differ from float64, number by number. A sum in float32 loses at most 2⁻²⁴ of its terms'
# magnitudes at every addition; of the hundreds of additions here most errors cancel, and what is
# left stays below 8 such units. ``magnitudes`` is the same sum with every term positive.
SUMS = 8 * 2**-24
# y and ∂h are rounded once to the type of h: by half a unit on a GPU, by up to a whole one under
# Triton's interpreter, which makes bfloat16 of float32 by cutting it off.
UNIT = {torch.float32: 2**-23, torch.bfloat16: 2**-7}


def draw(*shape, seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(DEVICE, dtype)


def arguments(tokens, d, n, r, dtype=torch.float32, seed=0):
    """h, M, Q, α; M is doubly stochastic, and Q has orthonormal rows where d allows them."""
    order = torch.arange(n)
    shares = draw(n, seed=seed + 1, dtype=torch.float64).softmax(0)
    m = shares[(order[:, None] - order) % n]  # a mixture of the cyclic shifts
    q = draw(n * r, d, seed=seed + 2, dtype=torch.float64)
    q = torch.linalg.qr(q.mT)[0].mT if n * r <= d else q / d**0.5
    alpha = torch.tensor(0.6, device=DEVICE)
    return draw(tokens, d, seed=seed, dtype=dtype), m.float(), q.float().contiguous(), alpha


def with_gradients(path, given, dy):
    leaves = [t.detach().clone().requires_grad_() for t in given]
    y = path(*leaves)
    y.backward(dy.to(y))
    return [y.detach(), *(leaf.grad for leaf in leaves)]


def magnitudes(given, dy):
    """The sums that ``with_gradients`` computes, of the absolute values of their terms."""
    h, m, q, alpha = (t.double().abs() for t in given)
    m = m + 2 * torch.eye(len(m), device=DEVICE)  # |M| + I in the place of M − I
    return with_gradients(stream_mix_reference, (h, m, q, alpha), dy.abs())


@PATHS
def test_two_streams_by_hand(path):
    # (M − I) (1, 3) = (½, −½), and half of it: (1 + ¼, 3 − ¼)
    h, q = torch.tensor([[1.0, 3.0]], device=DEVICE), torch.eye(2, device=DEVICE)
    m = torch.tensor([[0.75, 0.25], [0.25, 0.75]], device=DEVICE)
    y = path(h, m, q, torch.tensor(0.5, device=DEVICE))
    assert y.tolist() == [[1.25, 2.75]]


@PATHS
def test_a_projection_by_hand(path):
    # Q h = (3, 2), swapped (2, 3): the first row of Q loses 1 and the second wins 1
    h = torch.tensor([[5.0, 0.0, 2.0]], device=DEVICE)
    q = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]], device=DEVICE)
    m = torch.tensor([[0.0, 1.0], [1.0, 0.0]], device=DEVICE)
    y = path(h, m, q, torch.tensor(1.0, device=DEVICE))
    torch.testing.assert_close(y.cpu(), torch.tensor([[4.4, -0.8, 3.0]]), rtol=0, atol=1e-6)


@PATHS
def test_streams_that_are_averaged(path):
    # M = J/2 and r = 2: coordinates 0 and 2 meet, and 1 and 3
    h, q = torch.tensor([[1.0, 2.0, 5.0, 8.0]], device=DEVICE), torch.eye(4, device=DEVICE)
    m = torch.full((2, 2), 0.5, device=DEVICE)
    y = path(h, m, q, torch.tensor(1.0, device=DEVICE))
    assert y.tolist() == [[3.0, 5.0, 3.0, 5.0]]


@PATHS
@DTYPES
@pytest.mark.parametrize(("n", "r"), [(2, 4), (8, 8)])
def test_nothing_is_changed_by_the_identity_or_a_closed_gate(path, dtype, n, r):
    h, m, q, alpha = arguments(5, 200, n, r, dtype)
    assert torch.equal(path(h, torch.eye(n, device=DEVICE), q, alpha), h)
    assert torch.equal(path(h, m, q, torch.zeros_like(alpha)), h)


def off_by(given, dy, unit):
    """The largest distance from float64 beyond the tolerance, of y and of every gradient."""
    golden = with_gradients(stream_mix_reference, [t.double() for t in given], dy)
    found, terms = with_gradients(stream_mix_fused, given, dy), magnitudes(given, dy)
    units = [unit, unit, *[UNIT[torch.float32]] * 3]
    return {
        name: ((one.double() - gold).abs() - u * gold.abs() - SUMS * sums).max().item()
        for name, one, gold, sums, u in zip(NAMES, found, golden, terms, units, strict=True)
    }


@DTYPES
@pytest.mark.parametrize("tokens", [1, 5, 33])
@pytest.mark.parametrize("d", [7, 64, 200, 260])
@pytest.mark.parametrize(("n", "r"), [(2, 4), (4, 2), (2, 1), (8, 8)])
def test_fused_and_every_gradient_against_float64(dtype, tokens, d, n, r):
    given, dy = arguments(tokens, d, n, r, dtype), draw(tokens, d, seed=9, dtype=dtype)
    found = off_by(given, dy, UNIT[dtype])
    assert max(found.values()) <= 0, found


@DTYPES
def test_sums_over_more_tokens_and_coordinates_than_one_program_takes(dtype):
    given, dy = arguments(700, 200, 2, 1, dtype), draw(700, 200, seed=9, dtype=dtype)
    found = off_by(given, dy, UNIT[dtype])
    assert max(found.values()) <= 0, found


def test_the_definition_agrees_with_finite_differences():
    given = [t.double().requires_grad_() for t in arguments(3, 6, 2, 2)]
    assert torch.autograd.gradcheck(stream_mix_reference, given)


@pytest.mark.parametrize("gate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("n", "r"), [(2, 4), (4, 8)])
def test_no_norm_grows_under_a_doubly_stochastic_matrix(gate, n, r):
    _, m, q, _ = arguments(1, 64, n, r)
    alpha = torch.tensor(gate, device=DEVICE)
    operator = stream_mix_fused(torch.eye(64, device=DEVICE), m, q, alpha)
    assert torch.linalg.matrix_norm(operator.double(), 2) <= 1 + 1e-6


@pytest.mark.parametrize(("n", "r"), [(2, 4), (4, 8)])
def test_it_is_linear_and_leaves_alone_what_q_does_not_see(n, r):
    h, m, q, alpha = arguments(6, 64, n, r)
    a, b = h[:3], h[3:]
    unseen = h - h @ q.mT @ q
    of_a, of_b, of_both = (stream_mix_fused(x, m, q, alpha) for x in (a, b, 2 * a - b))
    torch.testing.assert_close(of_both, 2 * of_a - of_b, rtol=0, atol=5e-6)
    torch.testing.assert_close(stream_mix_fused(unseen, m, q, alpha), unseen, rtol=0, atol=2e-6)


@DTYPES
@pytest.mark.parametrize(("n", "r"), [(2, 4), (8, 8)])
def test_a_token_has_the_same_bits_alone_and_in_a_batch(dtype, n, r):
    h, m, q, alpha = arguments(33, 201, n, r, dtype)  # an odd width: slices begin anywhere
    together = stream_mix_fused(h, m, q, alpha)
    alone = [stream_mix_fused(h[i : i + 1], m, q, alpha) for i in (0, 7, 32)]
    assert torch.equal(torch.cat(alone), together[[0, 7, 32]])


@pytest.mark.parametrize(("n", "r"), [(2, 4), (8, 8)])
def test_the_same_call_twice_gives_the_same_bits(n, r):
    given, dy = arguments(33, 200, n, r), draw(33, 200, seed=9)
    first, second = (with_gradients(stream_mix_fused, given, dy) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_frozen_structure_gets_no_gradient_and_no_sums(monkeypatch):
    monkeypatch.setattr(operator, "_token_sums", None)  # a call of it would raise
    h, *structure = arguments(5, 16, 2, 2)
    y = stream_mix_fused(h.requires_grad_(), *structure)
    y.backward(torch.ones_like(y))
    assert h.grad is not None
    assert all(t.grad is None for t in structure)
