"""sinkhorn's kernels give a matrix the same bits whenever, and whatever is computed beside it."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from classay.kernels.multiprocessors import multiprocessors
from classay.kernels.sinkhorn import (
    dispatch,
    launch,
    program,
    sinkhorn_fused,
    sinkhorn_fused_many,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def drawn(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator)).to(DEVICE)


# where a program has one matrix, its neighbours are out of sight: a few of them are enough
@pytest.mark.parametrize(
    ("n", "iterations", "count"), [(3, 20, 1000), (8, 2, 1000), (20, 2, 20), (65, 1, 6)]
)
def test_a_matrix_has_the_same_bits_alone_and_in_a_batch(n, iterations, count):
    alike(n, iterations, count)


# without a GPU there are no registers to be had, and only the turns of the way back are seen
@pytest.mark.parametrize("n", [full or part - 1 for full, part in program.REGISTERS])
def test_a_matrix_has_the_same_bits_alone_and_where_programs_wait(n):
    # twice as many tiles as run at once with all registers
    at_once = program.at_once(program.ALL) * multiprocessors(torch.device(DEVICE))
    count = 2 * at_once * program.held(launch.padded(n), False)
    for back in (None, 2):
        few = launch._tabled((count,), (n,), back, torch.device(DEVICE))
        assert few.registers == program.registers(few.full, few.part, back is not None, True)
    alike(n, 2, count)


def alike(n, iterations, count):
    # every second is wide and takes the other domain, whoever it shares a program with
    scales = torch.tensor([1.0, 40.0], device=DEVICE).repeat(count // 2)[:, None, None]
    many = (drawn(count, n, n) * scales).requires_grad_()
    upstream = drawn(count, n, n, seed=1)
    m, certificate = sinkhorn_fused(many, iterations)
    m.backward(upstream)
    for place in (0, 1, count * 3 // 5, count - 1):
        alone = many.detach()[place].clone().requires_grad_()
        m_alone, certificate_alone = sinkhorn_fused(alone, iterations)
        m_alone.backward(upstream[place])
        assert torch.equal(m_alone, m[place])
        assert torch.equal(alone.grad, many.grad[place])
        assert all(map(torch.equal, certificate_alone, [one[place] for one in certificate]))


@pytest.mark.parametrize("n", [6, 64, 100])
def test_twice_the_same_bits(n):
    found = []
    for _ in range(2):
        x = drawn(3, n, n, scale=10.0).requires_grad_()
        m = sinkhorn_fused(x, 4).matrix
        m.backward(drawn(3, n, n, seed=1))
        found.append((m, x.grad))
    assert all(map(torch.equal, *found))


def test_matrices_of_many_sizes_are_what_each_is_alone():
    shapes = [(3, 4, 4), (70, 70), (2, 2, 3, 3), (4, 4), (0, 9, 9), (5, 16, 16), (33, 33), (2, 2)]
    many = [drawn(*shape, seed=k).requires_grad_() for k, shape in enumerate(shapes)]
    upstream = [drawn(*shape, seed=k + 50) for k, shape in enumerate(shapes)]
    together = sinkhorn_fused_many(many, 4)
    torch.autograd.backward([m for m, _ in together], upstream)
    for x, (m, certificate), dm in zip(many, together, upstream, strict=True):
        alone = x.detach().clone().requires_grad_()
        m_alone, certificate_alone = sinkhorn_fused(alone, 4)
        m_alone.backward(dm)
        assert torch.equal(m, m_alone)
        assert torch.equal(x.grad, alone.grad)
        assert all(map(torch.equal, certificate, certificate_alone))
    assert sinkhorn_fused_many([], 4) == []


def test_one_launch_each_way_whatever_the_sizes(monkeypatch):
    launched = []

    class Counted:
        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            launched.append((self.kernel, grid))
            return self.kernel[grid]

    for name in ("forward", "backward"):
        monkeypatch.setattr(program, name, Counted(getattr(program, name)))
    many = [drawn(2, n, n).requires_grad_() for n in (2, 3, 16, 40, 64, 65)]
    torch.autograd.backward([m.sum() for m, _ in sinkhorn_fused_many(many, 1)])
    # every size has a program of its own
    assert len(launched) == 2
    assert all(grid >= (6,) for _, grid in launched)


@pytest.mark.parametrize("slots", [1, 3, 396])
@pytest.mark.parametrize("count", [1, 64, 65, 1000, 25_345])  # 25,345 are 397 tiles of 64
def test_programs_of_the_way_back_run_all_at_once_and_have_every_matrix_once(
    monkeypatch, count, slots
):
    monkeypatch.setattr(launch, "_slots", lambda registers, device: slots)
    table, scratch, *_ = launch._tabled.__wrapped__((count,), (8,), 2, torch.device("cpu"))
    number, n, held, matrix, own = table.T
    assert len(table) <= slots
    assert held.max() <= 64 * math.ceil(math.ceil(count / 64) / slots)
    assert held.sum() == count
    assert torch.equal(matrix, held.cumsum(0) - held)
    assert torch.equal(number, 64 * matrix)
    assert (n == 8).all()
    # two vectors of every matrix of a tile of 64
    room = torch.cat([own, torch.tensor([scratch])]).diff()
    assert torch.equal(room, 2 * 8 * held.clamp(max=64))


def test_a_program_has_fewer_registers_only_where_others_wait(monkeypatch):
    # 65,536 registers an SM: 2 programs of 128 threads with 255, which take 256, and 3 with 168
    assert list(map(program.at_once, (255, 168, 128, 64))) == [2, 3, 4, 8]
    monkeypatch.setattr(launch, "multiprocessors", lambda device: 132)
    assert [launch._slots(each, None) for each in (255, 168, 128)] == [264, 396, 528]

    def registers(count, n, more=()):
        tabled = launch._tabled.__wrapped__
        counts, sizes = zip((count, n), *more, strict=True)
        return [tabled(counts, sizes, back, torch.device("cpu")).registers for back in (None, 2)]

    all_run = 2 * 132 * 64  # matrices of 8 rows, 64 in a tile on the way back
    assert registers(all_run, 8) == [255, 255]
    assert registers(all_run + 1, 8) == [255, 168]
    assert registers(2 * all_run, 8) == [255, 168]
    assert registers(2 * all_run + 1, 8) == [128, 168]
    assert registers(2 * all_run + 1, 7) == [255, 255]
    assert registers(2 * all_run + 1, 8, [(1, 4)]) == [255, 255]


def test_sizes_out_of_order_are_refused_before_a_wrong_number_is_read():
    flat, settings = drawn(9 + 16), (1, 1.0, False)
    with pytest.raises(
        ValueError, match=r"of 3, 4 rows .* needed first.*\n  Call sinkhorn_fused_ma"
    ):
        torch.ops.classay.sinkhorn(flat, [1, 1], [3, 4], *settings)
    m, _ = torch.ops.classay.sinkhorn(flat, [1, 1], [4, 3], *settings)
    assert torch.equal(m[:16].view(4, 4), sinkhorn_fused(flat[:16].view(4, 4), 1).matrix)


def test_what_is_sent_to_the_kernels_is_what_they_hold():
    assert dispatch.FUSED == launch.LARGEST
