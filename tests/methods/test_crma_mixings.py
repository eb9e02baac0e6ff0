"""CRMA-R's mixings, and the control that is none: by hand, their promises, their refusals."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from classay.errors import ConfigError
from classay.kernels.sinkhorn import sinkhorn_reference
from classay.methods.crma import Config, Crma
from classay.methods.crma.invariants import PROMISED, SUMS, trace
from classay.methods.crma.mixing import MIXINGS, BirkhoffSoftmax, Free, Kron2, Orthostochastic

CLOSED = ["birkhoff_softmax", "kron2", "orthostochastic"]


def close(found, expected) -> None:
    torch.testing.assert_close(found.double(), torch.tensor(expected).double(), rtol=0, atol=1e-6)


def drawn(mixing, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    """Numbers that nothing is special about."""
    draw = torch.Generator().manual_seed(seed)
    return mixing.start(1.0) + scale * torch.randn(mixing.start(1.0).shape, generator=draw)


def test_three_permutations_by_hand():
    # n = 3: 6 permutations, in order 012, 021, 102, 120, 201, 210. Weights log 3, log 2, log 1 of
    # the first, the second and the fourth, the others at −∞: 1/2 I, 1/3 of the exchange of the last
    # two, 1/6 of the shift that sends row 0 to column 1, 1 to 2 and 2 to 0
    off = -math.inf
    numbers = torch.tensor([math.log(3), math.log(2), off, 0.0, off, off])
    expected = [[5 / 6, 1 / 6, 0], [0, 1 / 2, 1 / 2], [1 / 6, 1 / 3, 1 / 2]]
    close(BirkhoffSoftmax(3).matrix(numbers), expected)


def test_a_kronecker_product_by_hand():
    # p = σ(log 3) = 3/4 outside, q = σ(−log 4) = 1/5 inside: blocks 3/4 Q on the diagonal and
    # 1/4 Q beside it, with Q = [[1/5, 4/5], [4/5, 1/5]]
    found = Kron2(4).matrix(torch.tensor([math.log(3), -math.log(4)]))
    first, second = [0.15, 0.6, 0.05, 0.2], [0.6, 0.15, 0.2, 0.05]
    close(found, [first, second, [0.05, 0.2, 0.15, 0.6], [0.2, 0.05, 0.6, 0.15]])


def test_a_squared_rotation_by_hand():
    # n = 2: exp [[0, θ], [−θ, 0]] turns by θ; with θ = 30° the squares are 3/4 and 1/4
    found = Orthostochastic(2).matrix(torch.tensor([math.pi / 6]))
    close(found, [[0.75, 0.25], [0.25, 0.75]])


def test_two_rotations_in_planes_of_their_own_by_hand():
    # n = 3, angles of the planes 01, 02, 12: 90° in the plane 12 exchanges the last two streams
    found = Orthostochastic(3).matrix(torch.tensor([0.0, 0.0, math.pi / 2]))
    close(found, [[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])


def test_for_two_streams_every_mixing_is_the_same_p():
    # [[p, 1 − p], [1 − p, p]]: with p = σ(0.4), weights 0.4 and 0, logit 0.4, cos²θ = p; Sinkhorn
    # of [[0.4, 0], [0, 0.4]]
    p = 1 / (1 + math.exp(-0.4))
    expected = [[p, 1 - p], [1 - p, p]]
    close(BirkhoffSoftmax(2).matrix(torch.tensor([0.4, 0.0])), expected)
    close(Kron2(2).matrix(torch.tensor([0.4])), expected)
    close(Orthostochastic(2).matrix(torch.tensor([math.acos(math.sqrt(p))])), expected)
    close(sinkhorn_reference(torch.tensor([[0.4, 0.0], [0.0, 0.4]]), 20).matrix, expected)


@pytest.mark.parametrize(("kind", "n"), [*((k, 2) for k in CLOSED), ("birkhoff_softmax", 4)])
@pytest.mark.parametrize("c", [1.0, 8.0])
def test_before_training_m_is_sinkhorns_of_c_i(kind, n, c):
    mixing = MIXINGS[kind](n)
    expected = sinkhorn_reference(c * torch.eye(n).double(), 50).matrix
    close(mixing.matrix(mixing.start(c)), expected.tolist())
    close(Free(n).start(c), expected.tolist())


def test_kron2_starts_with_sinkhorns_second_singular_value():
    for n in (2, 4, 8, 16):
        first, second, *_ = torch.linalg.svdvals(Kron2(n).matrix(Kron2(n).start(1.0)).double())
        expected = (math.e - 1) / (math.e - 1 + n)
        assert [first.item(), second.item()] == pytest.approx([1.0, expected], abs=1e-6)


@pytest.mark.parametrize("kind", CLOSED)
@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_a_closed_form_is_doubly_stochastic_whatever_was_learned(kind, n, scale):
    mixing = MIXINGS[kind](n)
    for seed in range(20):
        m = mixing.matrix(drawn(mixing, seed, scale))
        assert m.dtype == torch.float32
        assert m.min() >= 0
        # where 20 iterations of Sinkhorn would not have converged, this is still rounding
        ones = torch.ones(n).double()
        for sums in (m.double().sum(-1), m.double().sum(-2)):
            torch.testing.assert_close(sums, ones, rtol=0, atol=2.4e-7)
        first = torch.linalg.matrix_norm(m.double(), 2).item()
        assert first == pytest.approx(1.0, abs=2.4e-7)


@pytest.mark.parametrize("kind", ["orthostochastic", "kron2"])
def test_many_streams_keep_their_sums(kind):
    mixing = MIXINGS[kind](64)
    m = mixing.matrix(drawn(mixing, scale=3.0)).double()
    for sums in (m.sum(-1), m.sum(-2)):
        torch.testing.assert_close(sums, torch.ones(64).double(), rtol=0, atol=SUMS)


@pytest.mark.parametrize("kind", [*MIXINGS, "free"])
@pytest.mark.parametrize("n", [2, 4])
def test_its_gradient_is_that_of_finite_differences(kind, n):
    mixing = (MIXINGS | {"free": Free})[kind](n)
    numbers, upstream = drawn(mixing), torch.randn(n, n, generator=torch.Generator().manual_seed(9))

    def value(at: torch.Tensor) -> torch.Tensor:
        return (mixing.matrix(at) * upstream).sum()

    numbers.requires_grad_(True)
    (found,) = torch.autograd.grad(value(numbers), numbers)
    assert found.abs().max() > 1e-3
    step = 1e-2
    with torch.no_grad():
        for place in range(numbers.numel()):
            nudge = torch.zeros(numbers.numel())
            nudge[place] = step
            nudge = nudge.view(numbers.shape)
            slope = (value(numbers + nudge) - value(numbers - nudge)) / (2 * step)
            assert found.flatten()[place].item() == pytest.approx(slope.item(), abs=1e-3)


@pytest.mark.parametrize("kind", [*MIXINGS, "free"])
def test_a_batch_is_mixed_one_by_one(kind):
    mixing = (MIXINGS | {"free": Free})[kind](4)
    numbers = torch.stack([drawn(mixing, seed) for seed in range(6)])
    together = mixing.matrix(numbers.view(2, 3, *numbers.shape[1:]))
    alone = torch.stack([mixing.matrix(one) for one in numbers]).view(2, 3, 4, 4)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-7)


@pytest.mark.parametrize("preset", ["strong", "mhc"])
@pytest.mark.parametrize("kind", CLOSED)
def test_it_learns_moves_and_keeps_its_promises(make, learn, kind, preset):
    made = make(Crma, Config(preset=preset, mixing=kind))
    before = {key: tensor.detach().clone() for key, tensor in made.structure.own.items()}
    assert list(before) == [made.structure.mixing.key, "gate", "v"]
    learn(made)
    assert all((made.structure.own[key] != old).any() for key, old in before.items())
    found = trace(made.structure, ended=True)
    assert found.promised == PROMISED
    for name, (low, high) in found.promised.items():
        assert all(low <= value <= high for value in found.values[name]), name


def test_free_keeps_no_promise_and_makes_none(make, learn):
    made = make(Crma, Config(preset="strong", control="free"))
    start = trace(made.structure, ended=True)
    # it starts where Sinkhorn does, so that what it loses it has lost in training
    assert max(start.values["row sums, max |Σ − 1|"]) <= SUMS
    learn(made)
    found = trace(made.structure, ended=True)
    assert found.promised == {}
    for name in ("row sums, max |Σ − 1|", "column sums, max |Σ − 1|", "bound on ‖M‖₂", "σ₁(M)"):
        low, high = PROMISED[name]
        assert not any(low <= value <= high for value in found.values[name]), name


def test_schurs_bound_holds_for_entries_below_zero_too(make):
    made = make(Crma, Config(preset="strong", control="free"))
    with torch.no_grad():
        made.structure.own["mix"][:] = torch.tensor([[-2.0, 1.0], [1.0, -3.0]])
    found = trace(made.structure, ended=True)
    # |M| has row and column sums of at most 4; the eigenvalues are (−5 ± √5) / 2
    assert found.values["bound on ‖M‖₂"] == pytest.approx([4.0, 4.0])
    assert found.values["σ₁(M)"] == pytest.approx([(5 + math.sqrt(5)) / 2] * 2)
    assert found.values["least entry of M"] == [-3.0, -3.0]


def test_the_defaults_are_sinkhorn_in_the_stream(make):
    spelled = {"placement": "stream", "mixing": "sinkhorn", "control": "none", "policy": "live"}
    assert Config(preset="strong", anchor=None, gate="sigmoid", **spelled) == Config(
        preset="strong"
    )
    own = make(Crma, Config(preset="evidence")).structure.own
    assert list(own) == ["log_mix", "log_tau", "gate", "v"]
    assert torch.equal(own["log_mix"], torch.eye(2).expand(2, 2, 2))
    assert not own["log_tau"].any()
    assert own["gate"].tolist() == pytest.approx([math.log(0.01 / 0.99)] * 2)


@pytest.mark.parametrize("control", ["identity", "fixed_permutation", "free"])
def test_a_control_with_a_mixing_is_refused(control):
    with pytest.raises(ValueError, match=rf"'{control}' with mixing 'kron2'.*leave out mixing"):
        Config(preset="strong", control=control, mixing="kron2")


def test_streams_that_a_mixing_cannot_have_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"7! permutations of 7.*at most 6(?s:.)*kron2"):
        BirkhoffSoftmax(7)
    with pytest.raises(ConfigError, match=r"there are 6 streams; a power of two(?s:.)*rank"):
        Kron2(6)
