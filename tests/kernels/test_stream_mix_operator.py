"""stream_mix as torch sees it: operator, graphs, types, shapes, which path is taken, messages."""

import logging
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels import stream_mix as package
from classay.kernels.stream_mix import stream_mix, stream_mix_compiled, stream_mix_reference
from classay.kernels.stream_mix.operator import stream_mix_fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PATHS = pytest.mark.parametrize("path", [stream_mix_reference, stream_mix_fused])


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def arguments(tokens, d, n, r):
    """h, M, Q, α, any of them."""
    q = draw(n * r, d, seed=2) / d**0.5
    alpha = torch.tensor(0.6, device=DEVICE)
    return draw(tokens, d, seed=0), draw(n, n, seed=1), q, alpha


def with_gradients(path, given, dy):
    # detached, but laid out in memory as it was given
    leaves = [t.detach().requires_grad_() for t in given]
    y = path(*leaves)
    return [y.detach(), *torch.autograd.grad(y, leaves, dy)]


def test_torch_takes_it_for_an_operator():
    given = [t.requires_grad_() for t in arguments(5, 16, 2, 2)]
    found = torch.library.opcheck(torch.ops.classay.stream_mix.default, given)
    assert set(found.values()) == {"SUCCESS"}
    summed = [draw(5, width, seed=seed) for seed, width in enumerate((4, 7, 4, 7))]
    found = torch.library.opcheck(torch.ops.classay.stream_mix_token_sums.default, summed)
    assert set(found.values()) == {"SUCCESS"}


def second(path, of):
    """The derivative by Q of the squared gradient of an argument."""
    given = [t.requires_grad_() for t in arguments(5, 16, 2, 2)]
    loss = (path(*given) * draw(5, 16, seed=9)).sum()
    (first,) = torch.autograd.grad(loss, given[of], create_graph=True)
    return torch.autograd.grad((first**2).sum(), given[2])[0]


@pytest.mark.parametrize("of", [1, 2, 3])
def test_a_gradient_of_the_structure_has_no_gradient_of_its_own_and_says_so(of):
    with pytest.raises(RuntimeError, match=r"no autograd formula was registered"):
        second(stream_mix_fused, of)


def test_the_gradient_of_h_is_mixed_itself_and_has_a_gradient():
    expected = second(stream_mix_reference, 0)
    torch.testing.assert_close(second(stream_mix_fused, 0), expected, rtol=1e-4, atol=1e-5)


# PyTorch imports what it has deprecated itself
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_no_forward_derivative_is_taken_for_nothing():
    h, m, q, alpha = arguments(5, 16, 2, 2)
    with pytest.raises(
        RuntimeError, match=r"tensor with a tangent, of forward-mode differentiation"
    ):
        torch.func.jvp(lambda x: stream_mix_fused(x, m, q, alpha), (h,), (h,))


@pytest.mark.parametrize("path", [stream_mix_fused, stream_mix])
def test_one_graph_holds_it_with_its_gradients(path):
    given, dy = arguments(5, 16, 2, 2), draw(5, 16, seed=9)
    compiled = torch.compile(path, fullgraph=True, backend="aot_eager")
    eager = with_gradients(path, given, dy)
    for one, other in zip(with_gradients(compiled, given, dy), eager, strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
# inductor asks torch itself for what torch has deprecated
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_the_compiler_gets_as_far():
    given = arguments(5, 16, 2, 2)
    golden = stream_mix_reference(*(t.double() for t in given))
    torch.testing.assert_close(stream_mix_compiled(*given).double(), golden, rtol=0, atol=1e-6)


@PATHS
def test_autocast_does_not_reach_inside(path):
    given = arguments(5, 64, 2, 4)
    with torch.autocast(DEVICE, torch.bfloat16):
        inside = path(*given)
    assert torch.equal(inside, path(*given))


def test_any_leading_shape_in_any_order_of_memory():
    given, dy = arguments(6, 64, 2, 4), draw(6, 64, seed=9)
    y, *gradients = with_gradients(stream_mix_fused, given, dy)
    strided = [t.mT.contiguous().mT if t.dim() == 2 else t for t in given]
    for one, other in zip(
        with_gradients(stream_mix_fused, strided, dy.mT.contiguous().mT),
        [y, *gradients],
        strict=True,
    ):
        assert torch.equal(one, other)
    h, *structure = given
    assert torch.equal(stream_mix_fused(h.view(2, 3, 64), *structure), y.view(2, 3, 64))
    assert torch.equal(stream_mix_fused(h[0], *structure), y[0])


@PATHS
def test_a_batch_without_tokens(path):
    given = arguments(0, 16, 2, 4)
    y, *gradients = with_gradients(path, given, given[0])
    assert y.shape == (0, 16)
    assert [g.shape for g in gradients] == [t.shape for t in given]
    assert all((g == 0).all() for g in gradients)


@PATHS
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"m": (3, 2)}, r"m has the shape \(3, 2\); M mixes n streams and is \(n, n\)"),
        ({"q": (7, 16)}, r"q has the shape \(7, 16\); with 2 streams .* Give r rows"),
        ({"h": (5, 15)}, r"h has the shape \(5, 15\) and q projects vectors of 16 .* this h"),
        ({"alpha": (1,)}, r"alpha has the shape \(1,\); one number .* Index it by the layer"),
        ({"h": torch.float16}, "are float16, float32, float32, float32; .* cast h"),
        ({"q": torch.bfloat16}, "are float32, float32, bfloat16, float32; .* in float32, and"),
    ],
)
def test_what_is_refused(path, wrong, said):
    given = dict(zip(("h", "m", "q", "alpha"), arguments(5, 16, 2, 4), strict=True))
    for name, change in wrong.items():
        given[name] = (
            given[name].to(change) if isinstance(change, torch.dtype) else draw(*change, seed=1)
        )
    with pytest.raises(ValueError, match=f"(?s){said}"):
        path(**given)


def test_more_coordinates_than_a_program_holds_are_refused():
    with pytest.raises(ValueError, match=r"(?s)q has 66 rows; .* holds 64\..* a lower rank"):
        stream_mix_fused(*arguments(1, 128, 2, 33))


def test_golden_values_are_left_to_the_definition():
    with pytest.raises(ValueError, match=r"(?s)got float64; .* Use stream_mix_reference"):
        stream_mix_fused(*(t.double() for t in arguments(1, 16, 2, 4)))


@pytest.mark.skipif(DEVICE == "cuda", reason="there the fused kernel is taken")
def test_elsewhere_the_definition_is_taken_and_that_is_said_once(caplog):
    package._say.cache_clear()
    given = arguments(5, 64, 2, 4)
    with caplog.at_level(logging.INFO, "classay.kernels"):
        found = [stream_mix(*given) for _ in range(2)]
    assert torch.equal(found[0], stream_mix_reference(*given))
    assert [record.message for record in caplog.records] == [
        "stream_mix computes with its reference on cpu: the fused kernel needs CUDA"
    ]


def test_the_definition_needs_no_triton():
    code = "import sys, classay.kernels.stream_mix; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
