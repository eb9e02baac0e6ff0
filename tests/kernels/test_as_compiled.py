"""Kernels as they are compiled for a Hopper GPU, emulated: against float64, and their bits.

Triton's interpreter sees none of this: no inline assembly, no number that another thread holds.
"""

import json
import math
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.sinkhorn import Certificate, launch, program, sinkhorn_reference
from classay.kernels.stream_mix import stream_mix_reference
from classay.kernels.stream_mix.operator import TRITON

from .emulated.program import Program
from .test_sinkhorn_kernels import certifies, drawn, forward_tolerance, gradient_tolerance
from .test_stream_mix import SUMS, UNIT, arguments, magnitudes

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "ptx.py"
ITERATIONS = program.SHIPPED[0].constexprs["ITERATIONS"]
# that fill a padded size and that do not; the last of each is streamed, of those that do not on the
# way back
SIZES = [2, 4, 8, 16, 32, 64, 128, 256, 3, 7, 12, 24, 40, 100]
CASES = [(n, torch.float32) for n in SIZES] + [(16, torch.bfloat16), (7, torch.bfloat16)]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, launches):
    """Launches a kernel in the emulator; each is compiled once."""
    # by a process of its own: Triton reads TRITON_INTERPRET when a kernel is defined
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("triton"))
    command = [sys.executable, "-P", str(SCRIPT), str(launches)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as compiler:

        @cache
        def kernel(*which):
            compiler.stdin.write(json.dumps(which) + "\n")
            compiler.stdin.flush()
            answer = compiler.stdout.readline()
            assert answer, "the compiler has died, and its last words are on the standard error"
            found = json.loads(answer)
            return Program(found["ptx"]), found["shared"]

        def launched(which, grid, *arguments):
            emulated, shared = kernel(*which)
            # Triton's own two: scratch of which no kernel of ours has any
            emulated.run(grid, [*map(numbers, arguments), 0, 0], shared)

        yield launched


def numbers(argument):
    """What the emulator takes, and writes to: an array on a tensor, of bfloat16 its bits."""
    if not isinstance(argument, torch.Tensor):
        return argument
    flat = argument.view(-1)
    return (flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat).numpy()


def tabled(counts, sizes, iterations):
    return launch._tabled.__wrapped__(tuple(counts), tuple(sizes), iterations, torch.device("cpu"))


def forward(compiled, logits, counts, sizes):
    one = tabled(counts, sizes, None)
    out = torch.full_like(logits, math.nan, dtype=torch.float32)
    certificate = torch.full((4, sum(counts)), math.nan)
    which = ("sinkhorn", "forward", TRITON[logits.dtype], one.full, one.part)
    last = sum(counts), 1.0, 1
    compiled(which, len(one.table), logits, one.table, out, certificate, *last)
    return out, certificate


def backward(compiled, logits, upstream, counts, sizes):
    one = tabled(counts, sizes, ITERATIONS)
    scratch = torch.full((one.scratch,), math.nan)
    found = torch.full_like(logits, math.nan)
    which = ("sinkhorn", "backward", TRITON[logits.dtype], one.full, one.part)
    compiled(which, len(one.table), logits, one.table, upstream, found, scratch, 1.0, 1)
    return found


@pytest.fixture(autouse=True)
def one_program_takes_all_tiles_of_a_size(monkeypatch):
    # on the way back, as on a GPU that is full
    monkeypatch.setattr(launch, "_slots", lambda registers, device: 1)


def matrices(count, n, dtype):
    """Of the last three one is wide and one no matrix, and the last is an ordinary one."""
    x = drawn(count, n, n, scale=2**0.5, seed=n).cpu()
    x[-3] = 200 * torch.rand(n, n, generator=torch.Generator().manual_seed(n)) - 100
    x[-3, 0, 0], x[-3, -1, -1] = 100.0, -100.0
    x[-2, n // 2, 0] = math.nan
    return x.to(dtype)


def spans(x):
    return x.double().amax((-1, -2)) - x.double().amin((-1, -2))


@pytest.mark.parametrize(("n", "dtype"), [*CASES, (200, torch.float32)], ids=str)
def test_matrices_and_certificates(compiled, n, dtype):
    # a tile that is not full, where there are tiles of several
    x = matrices(max(3, program.held(launch.padded(n), False) - 1), n, dtype)
    out, certificate = forward(compiled, x.view(-1), [len(x)], [n])
    m = out.view(x.shape)
    none = torch.arange(len(x)) == len(x) - 2
    for found in (m.flatten(1), certificate.T):
        assert found.isnan().all(1).equal(none)
        assert found.isnan().any(1).equal(none)
    golden = sinkhorn_reference(x.double(), ITERATIONS).matrix
    wrong = (m - golden).abs().amax((-1, -2))[~none]
    assert (wrong <= forward_tolerance(spans(x)[~none])).all(), wrong
    certifies(Certificate(*certificate[:, ~none]), m[~none])


@pytest.mark.parametrize(("n", "dtype"), CASES, ids=str)
def test_gradients(compiled, n, dtype):
    # a full tile of ordinary matrices, then one that is not full
    tile = program.held(launch.padded(n), True)
    x = matrices(3 + (tile if tile > 1 else 0), n, dtype)
    upstream = drawn(*x.shape, seed=1).cpu()
    found = backward(compiled, x.view(-1), upstream.view(-1), [len(x)], [n]).view(x.shape)
    none = torch.arange(len(x)) == len(x) - 2
    assert found.isnan().flatten(1).all(1).equal(none)
    assert found.isnan().flatten(1).any(1).equal(none)
    golden = x.double().requires_grad_()
    sinkhorn_reference(golden, ITERATIONS).matrix.backward(upstream.double())
    off = (found - golden.grad).abs()
    if dtype == torch.bfloat16:
        off -= UNIT[dtype] / 2 * golden.grad.abs()
    wrong = (off.amax((-1, -2)) / upstream.abs().amax((-1, -2)))[~none]
    assert (wrong <= gradient_tolerance(spans(x)[~none])).all(), wrong


def test_a_matrix_has_the_same_bits_alone_and_beside_others_of_other_sizes(compiled):
    sizes = sorted((64, 16, 4, 12, 3), key=launch.last)
    counts = [program.held(launch.padded(n), False) for n in sizes]  # full tiles
    scales = torch.tensor([1.0, 40.0])  # every second is wide
    many = [
        drawn(count, n, n, seed=n).cpu() * scales.repeat(count // 2)[:, None, None]
        for count, n in zip(counts, sizes, strict=True)
    ]
    upstream = [drawn(*x.shape, seed=x.shape[-1] + 1).cpu() for x in many]
    flat, flat_upstream = (torch.cat([x.view(-1) for x in each]) for each in (many, upstream))
    shares = [x.numel() for x in many]
    out, certificates = forward(compiled, flat, counts, sizes)
    found = backward(compiled, flat, flat_upstream, counts, sizes)
    for n, x, g, m, certificate, dx in zip(
        sizes, many, upstream, out.split(shares), certificates.split(counts, 1),
        found.split(shares), strict=True,
    ):  # fmt: skip
        for i in (0, len(x) - 1):
            m_alone, certificate_alone = forward(compiled, x[i].view(-1), [1], [n])
            dx_alone = backward(compiled, x[i].view(-1), g[i].view(-1), [1], [n])
            assert torch.equal(m_alone, m.view(len(x), -1)[i]), (n, i)
            assert torch.equal(certificate_alone[:, 0], certificate[:, i]), (n, i)
            assert torch.equal(dx_alone, dx.view(len(x), -1)[i]), (n, i)


@pytest.mark.parametrize(
    ("d", "dtype"), [(200, torch.float32), (200, torch.bfloat16), (3000, torch.float32)], ids=str
)
def test_streams_are_mixed(compiled, d, dtype):
    tokens, n, r = 7, 2, 4
    given = arguments(tokens, d, n, r, dtype)
    terms = magnitudes(given, torch.ones_like(given[0]))[0].cpu()
    given = [t.cpu() for t in given]
    y, streams = torch.full_like(given[0], math.nan), torch.full((tokens, n * r), math.nan)
    # two tokens at a time: one program takes two turns, and of the last two one is not there
    compiled(("mix", TRITON[dtype], n, r, d), 3, *given, y, streams, tokens)
    h, m, q, alpha = (t.double() for t in given)
    golden = stream_mix_reference(h, m, q, alpha)
    off = (y - golden).abs() - UNIT[dtype] / 2 * golden.abs()  # half a unit, as on a GPU
    assert (off <= SUMS * terms).all(), off.max()
    off = (streams - h @ q.mT).abs()
    assert (off <= SUMS * (h.abs() @ q.abs().mT)).all(), off.max()
