"""The base in 4-bit NormalFloat: what a matrix is expanded to, and that nothing moves it."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from classay import quantisation
from classay.adapters import Adapters
from classay.base import Base, locate
from classay.errors import ConfigError
from classay.seeding import Seeds
from classay.suite import AdapterSpec, BaseSpec

# Dettmers et al. 2023, appendix E: the sixteen values of NF4, to seven digits
CODES = [
    -1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0,
    0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0,
]  # fmt: skip


def quantised(values: torch.Tensor) -> torch.Tensor:
    from bitsandbytes.nn import Params4bit

    return Params4bit(values.clone(), quant_type="nf4", compress_statistics=True).to("cpu")


@pytest.fixture
def base(tiny_base):
    return lambda dtype="nf4": Base(locate(BaseSpec(path=str(tiny_base))), dtype, "cpu")


def ids() -> torch.Tensor:
    return torch.randint(2, 300, (4, 16), generator=torch.Generator().manual_seed(0))


def loss(base: Base) -> torch.Tensor:
    with torch.inference_mode():
        return base.model(input_ids=ids(), labels=ids(), use_cache=False).loss


# one block of 64 whose greatest is 3: its scale is the only one, so it is exact, and every entry
# that is 3 times a code comes back as it was
def test_a_block_of_codes_by_hand():
    values = 3 * torch.tensor(CODES).repeat(4).reshape(8, 8)
    expanded = quantisation.dense(quantised(values))
    assert torch.allclose(expanded, values, atol=1e-6, rtol=0)


# between 0 and 0.0795803 lies 0.0397901, and between 0.7229568 and 1 lies 0.8614784
@pytest.mark.parametrize(("entry", "code"), [(0.0397, 0.0), (0.0399, 0.0795803), (0.9, 1.0)])
def test_an_entry_goes_to_the_nearest_code(entry, code):
    values = torch.full((8, 8), entry)
    values[0, 0] = 1.0
    expanded = quantisation.dense(quantised(values))
    assert expanded[1:].unique().tolist() == pytest.approx([code], abs=1e-6)


def test_what_is_not_quantised_is_itself():
    weight = torch.nn.Parameter(torch.ones(2, 3))
    assert torch.equal(quantisation.dense(weight), weight)
    assert not quantisation.dense(weight).requires_grad
    assert list(quantisation.statistics(weight)) == []


def test_the_layers_are_quantised_twice_and_the_rest_is_not(base):
    model = base().model
    four = {n: p for n, p in model.named_parameters() if p.dtype == torch.uint8}
    assert {n.rsplit(".", 2)[1] for n in four} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    }
    assert len(four) == 2 * 7
    assert all(p.quant_state.nested and p.quant_state.quant_type == "nf4" for p in four.values())
    rest = {p.dtype for n, p in model.named_parameters() if n not in four}
    assert rest == {torch.float32}
    assert {p.dtype for p in base("nf4_bf16").model.parameters()} == {torch.uint8, torch.bfloat16}


def test_it_is_another_base_with_a_loss_not_far_away(base):
    whole, four = base("fp32"), base()
    assert whole.digest() != four.digest()
    assert loss(four) != loss(whole)
    assert abs(loss(four) - loss(whole)) < 0.1 * loss(whole)


def test_the_same_files_give_the_same_bits(base):
    assert base().digest() == base().digest()


# bitsandbytes packs a matrix anew in a forward pass under these conditions, and says so by its flag
def test_an_evaluation_moves_no_byte_of_it(base):
    four = base()
    before = four.digest()
    found = [m for m in four.model.modules() if hasattr(m, "support_avx512bf16_for_cpu")]
    assert len(found) == 14
    assert not any(module.support_avx512bf16_for_cpu for module in found)
    assert not four.model.training
    first = loss(four)
    four.model.train()
    assert torch.equal(first, loss(four))
    assert four.digest() == before


def test_training_an_adapter_moves_no_byte_of_it(base):
    four = base()
    before = four.digest()
    adapters = Adapters(four.model, AdapterSpec(rank=2, alpha=4), Seeds(0))
    adapters.fresh("one", 0)
    assert {p.dtype for p in adapters.parameters()} == {torch.float32}
    optimizer = torch.optim.AdamW(list(adapters.parameters()), lr=0.02)
    four.model.train()
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        now = four.model(input_ids=ids(), labels=ids(), use_cache=False).loss
        now.backward()
        optimizer.step()
        losses.append(now.item())
    assert losses[-1] < losses[0]
    assert four.digest() == before
    with adapters.answering(None):
        alone = loss(four)
    assert torch.equal(alone, loss(base()))


@pytest.mark.parametrize("part", ["absmax", "nested_absmax", "quant_map"])
def test_what_it_is_expanded_with_is_part_of_the_digest(base, part):
    four = base()
    before = four.digest()
    matrix = four.model.model.layers[1].mlp.down_proj.weight
    parts = dict(quantisation.statistics(matrix))
    with torch.no_grad():
        parts[part].view(-1)[0] += 1
    assert four.digest() != before


def test_a_matrix_that_is_packed_anew_is_another_base(base):
    four = base()
    before = four.digest()
    matrix = four.model.model.layers[0].mlp.up_proj.weight
    matrix.data = matrix.data.flip(0)
    assert four.digest() != before


def test_crma_starts_from_the_expanded_matrix(base):
    from classay.methods.crma.start import projection

    model = base().model
    layers = [(str(i), layer) for i, layer in enumerate(model.model.layers)]
    rows = projection(layers, model, 8, "down_proj", Seeds(0))
    left, _, _ = torch.linalg.svd(quantisation.dense(layers[0][1].mlp.down_proj.weight).double())
    # each row is a left singular vector of what is multiplied with, up to its sign
    assert torch.allclose((rows[0] @ left[:, :8]).abs(), torch.eye(8).double(), atol=1e-6)


def test_without_bitsandbytes_it_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(quantisation, "find_spec", lambda name: None)
    quantisation.check("fp32")
    with pytest.raises(
        ConfigError,
        match=r"base\.dtype is nf4, and bitsandbytes.* is not installed\.\n  pip install bitsandb",
    ):
        quantisation.check("nf4")


STAND_IN = """
import sys
print("asked the hub", file=sys.stderr)
def get_kernel(*names, **more):
    raise OSError("no hub")
"""
EVALUATE = """
from classay.determinism import no_hub_kernels
if {hidden}:
    no_hub_kernels()
import ctypes, torch
from bitsandbytes import functional
functional.has_avx512bf16 = lambda: True  # as on a processor with bfloat16 instructions
import bitsandbytes.backends.cpu.ops as ops
if not {hidden}:
    from kernels import get_kernel  # what bitsandbytes does on such a processor
from classay.base import Base, locate
from classay.suite import BaseSpec
base = Base(locate(BaseSpec(path={path!r})), "nf4", "cpu")
ids = torch.arange(2, 18)[None]
with torch.inference_mode():
    print("loss", float(base.model(input_ids=ids, labels=ids, use_cache=False).loss))
"""


def test_no_kernel_is_fetched_from_a_hub_for_it(tiny_base, tmp_path):
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").write_text(STAND_IN)

    def run(hidden: bool) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + EVALUATE.format(
            hidden=hidden, path=str(tiny_base)
        )
        return subprocess.run(
            [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
        )

    seen, hidden = run(hidden=False), run(hidden=True)
    assert "asked the hub" in seen.stderr  # the stand-in is found where it is not hidden
    assert "asked the hub" not in hidden.stderr
    assert hidden.stdout.startswith("loss ")
    assert hidden.stdout == seen.stdout
