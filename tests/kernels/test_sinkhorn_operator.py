"""sinkhorn's kernels as operators: what PyTorch may do to a call without changing its answer."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.compilation import VARIABLE, fp_fusion
from classay.kernels.sinkhorn import (
    sinkhorn,
    sinkhorn_fused,
    sinkhorn_fused_many,
    sinkhorn_reference,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@pytest.mark.parametrize("n", [4, 66])
def test_the_operators_keep_what_they_promise(n):
    flat = drawn(2 * n * n).requires_grad_()
    torch.library.opcheck(torch.ops.classay.sinkhorn, (flat, [2], [n], 2, 1.0, True))
    upstream = drawn(2 * n * n, seed=1)
    settings = (flat.detach(), upstream, [2], [n], 2, 1.0, True)
    torch.library.opcheck(torch.ops.classay.sinkhorn_backward, settings)
    torch.library.opcheck(torch.ops.classay.lacks_total_support, (drawn(2, n, n),))


@pytest.mark.parametrize("entry", [sinkhorn, sinkhorn_fused])
def test_it_compiles_whole(entry):
    x = drawn(3, 5, 5).requires_grad_()

    def loss(logits):
        m, certificate = entry(logits * 2, 3)
        return (m * m).sum(), certificate.bound

    eager, bound = loss(x)
    (expected,) = torch.autograd.grad(eager, x)
    compiled, compiled_bound = torch.compile(loss, fullgraph=True, backend="aot_eager")(x)
    (found,) = torch.autograd.grad(compiled, x)
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(compiled_bound, bound)
    torch.testing.assert_close(found, expected)


def test_it_compiles_whole_whatever_the_sizes_are():
    def one(x):
        return sinkhorn_fused(x, 3).matrix

    def several(lots):
        return [found.matrix for found in sinkhorn_fused_many(lots, 2)]

    compiled = torch.compile(one, backend="aot_eager", fullgraph=True)
    for n in (4, 5, 6):  # from the second on n is a symbol
        assert torch.equal(compiled(drawn(2, n, n)), one(drawn(2, n, n)))
    dynamic = torch.compile(one, backend="aot_eager", dynamic=True, fullgraph=True)
    assert torch.equal(dynamic(drawn(2, 4, 4)), one(drawn(2, 4, 4)))
    lots = [drawn(2, 3, 3), drawn(4, 4, seed=1)]
    found = torch.compile(several, backend="aot_eager", fullgraph=True)(lots)
    assert all(torch.equal(a, b) for a, b in zip(found, several(lots), strict=True))


def test_the_operators_read_every_second_number_where_that_is_what_they_are_given():
    spaced, upstream = drawn(64)[::2], drawn(64, seed=1)[::2]
    forward, backward = torch.ops.classay.sinkhorn, torch.ops.classay.sinkhorn_backward
    settings = ([2], [4], 2, 1.0, True)
    assert torch.equal(forward(spaced, *settings)[0], forward(spaced.clone(), *settings)[0])
    found = backward(spaced, upstream, *settings)
    assert torch.equal(found, backward(spaced.clone(), upstream.clone(), *settings))


@pytest.mark.parametrize("numbers", [drawn(31), drawn(2, 4, 4)])
def test_the_operators_refuse_other_numbers_than_the_matrices_have(numbers):
    with pytest.raises(
        ValueError, match=r"numbers of shape \[.*\]; one dimension of 32 was needed"
    ):
        torch.ops.classay.sinkhorn(numbers, [2], [4], 2, 1.0, True)


# PyTorch imports what it has deprecated itself
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_no_forward_derivative_is_taken_for_nothing():
    x = drawn(3, 3)
    with pytest.raises(
        RuntimeError, match=r"tensor with a tangent, of forward-mode differentiation"
    ):
        torch.func.jvp(lambda z: sinkhorn_fused(z, 3).matrix, (x,), (x,))


@pytest.mark.parametrize("temperature", [1e-39, 1e39])
def test_a_temperature_that_is_no_normal_float32_is_refused(temperature):
    for entry in (sinkhorn_fused, sinkhorn_reference):
        with pytest.raises(ValueError, match=r"a normal number of float32, in which it computes"):
            entry(drawn(3, 3), 3, temperature)
    sinkhorn_reference(drawn(3, 3).double(), 3, temperature)


@pytest.mark.parametrize("entry", [sinkhorn, sinkhorn_fused])
def test_a_temperature_in_float64_leaves_it_in_float32(entry):
    warmth = torch.tensor(0.7, dtype=torch.float64, device=DEVICE).requires_grad_()
    m = entry(drawn(3, 3), 3, warmth).matrix
    assert m.dtype == torch.float32
    assert torch.autograd.grad(m[0, 0], warmth)[0].dtype == torch.float64


@pytest.mark.parametrize("entry", [sinkhorn, sinkhorn_fused])
def test_autocast_leaves_it_in_float32(entry):
    x = drawn(3, 5, 5)
    with torch.autocast(DEVICE, torch.bfloat16):
        m, certificate = entry(x, 3)
        low = entry(x.bfloat16(), 3).matrix
    assert m.dtype == certificate.rows.dtype == low.dtype == torch.float32
    assert torch.equal(m, entry(x, 3).matrix)
    assert torch.equal(low, entry(x.bfloat16().float(), 3).matrix)


def test_bfloat16_logits_get_a_bfloat16_gradient():
    x = drawn(3, 5, 5).bfloat16()
    low, wide = x.clone().requires_grad_(), x.float().requires_grad_()
    upstream = drawn(3, 5, 5, seed=1)
    for each in (low, wide):
        sinkhorn_fused(each, 3).matrix.backward(upstream)
    assert low.grad.dtype == torch.bfloat16
    # one step of bfloat16: where a GPU rounds, Triton's interpreter truncates
    torch.testing.assert_close(low.grad.float(), wide.grad, rtol=2**-7, atol=0)


@pytest.mark.parametrize("n", [5, 66])
def test_the_layout_in_memory_does_not_matter(n):
    x = drawn(2, n, n)
    turned = x.mT.contiguous().mT
    assert not turned.is_contiguous()
    spaced = x.repeat_interleave(2, -1)[..., ::2]
    assert spaced.reshape(-1).stride() == (2,)  # a view of every second number, flat as well
    found = []
    for each in (x.clone(), turned, spaced):
        each = each.detach().requires_grad_()
        m = sinkhorn_fused(each, 2).matrix
        # an expanded gradient has no memory of its own for each entry
        m.backward(drawn(n, 1, seed=1).expand(2, n, n))
        found.append((m, each.grad))
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 66, 66)])
def test_no_matrices_are_no_launch(shape):
    x = drawn(*shape).requires_grad_()
    m, certificate = sinkhorn_fused(x, 3)
    m.sum().backward()
    assert m.shape == x.grad.shape == shape
    assert all(one.shape == shape[:-2] for one in certificate)


def test_nothing_flows_back_from_a_certificate():
    for entry in (sinkhorn, sinkhorn_fused):
        _, certificate = entry(drawn(3, 3).requires_grad_(), 2)
        assert not any(one.requires_grad for one in certificate)


def test_batched_shapes_are_kept():
    x = drawn(2, 3, 4, 4)
    m, certificate = sinkhorn_fused(x, 3)
    expected, _ = sinkhorn_reference(x, 3)
    torch.testing.assert_close(m, expected)
    assert certificate.least.shape == (2, 3)


def test_whether_products_are_fused_is_said_and_set(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert fp_fusion()
    monkeypatch.setenv(VARIABLE, "0")
    assert not fp_fusion()
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(ValueError, match=r"is 'yes' in the environment; 0 or 1 was needed.\n  Uns"):
        fp_fusion()


@pytest.mark.skipif(DEVICE == "cuda", reason="the kernels run on this machine's GPU")
def test_without_a_gpu_and_without_the_interpreter_the_kernels_say_so():
    code = (
        "import torch; from classay.kernels.sinkhorn import sinkhorn_fused\n"
        "sinkhorn_fused(torch.zeros(2, 2), 1)"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "HOME": "/nonexistent"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "got logits on cpu; a CUDA device was needed.\n  Call sinkhorn, which" in run.stderr
