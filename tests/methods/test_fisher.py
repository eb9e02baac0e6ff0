"""The Fisher matrix: four estimates that agree where they should, and one that cancels."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from classay.methods import _fisher
from classay.methods.naive_lora import NaiveLoRA
from classay.packing import IGNORED

LN3 = math.log(3)


class Coin(torch.nn.Module):
    """Two tokens; after x the logits are (w x, 0), so that p(0) is the sigmoid of w x."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([w]))
        self.seen: list[list[int]] = []

    def forward(self, input_ids, labels, use_cache):
        self.seen += labels.tolist()
        logits = torch.stack([self.w * input_ids, torch.zeros_like(input_ids)], dim=-1)
        flat, own = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        loss = torch.nn.functional.cross_entropy(flat, own, ignore_index=IGNORED)
        return SimpleNamespace(loss=loss, logits=logits)


def row(*xs: float, labels: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """One row; the last x is followed by nothing, and the first label by nothing before it."""
    return {
        "input_ids": torch.tensor([[*xs, 0.0]]),
        "labels": torch.tensor([[IGNORED, *labels]]),
    }


def fisher(model, rows, variant: str, seed: int = 0) -> float:
    found = _fisher.diagonal(
        model, list(model.parameters()), rows, variant, np.random.default_rng(seed)
    )
    assert found.shape == (1,)
    return found.item()


@pytest.mark.parametrize(
    ("variant", "expected"), [("empirical", 1), ("sampled", 1), ("exact", 1), ("batched", 0)]
)
def test_two_opposite_gradients_give_one_unless_they_are_batched(variant, expected):
    # p = ½ and x = 2: the gradient is −1 for label 0 and 1 for label 1
    one, other = row(2.0, labels=(0,)), row(2.0, labels=(1,))
    both = {key: torch.cat([one[key], other[key]]) for key in one}
    rows = [both] if variant == "batched" else [one, other]
    assert fisher(Coin(0.0), rows, variant) == pytest.approx(expected, abs=1e-6)


def test_the_empirical_one_by_hand():
    # p(0) = ¾: the gradient is (¾ − 1) · 1 for label 0 and ¾ for label 1
    rows = [row(1.0, labels=(0,)), row(1.0, labels=(1,))]
    assert fisher(Coin(LN3), rows, "empirical") == pytest.approx((1 / 16 + 9 / 16) / 2)


def test_the_exact_one_by_hand():
    # p(0) is ¾ after x = 1 and 9/10 after 2: p (1 − p) x² each, over the square of two positions
    found = fisher(Coin(LN3), [row(1.0, 2.0, labels=(0, 1))], "exact")
    assert found == pytest.approx((3 / 16 + 0.09 * 4) / 4)


def test_the_exact_one_does_not_read_the_labels():
    one, other = (row(1.0, 2.0, labels=labels) for labels in ((0, 1), (1, 0)))
    assert fisher(Coin(LN3), [one], "exact") == fisher(Coin(LN3), [other], "exact")
    assert fisher(Coin(LN3), [one], "empirical") != fisher(Coin(LN3), [other], "empirical")


def test_the_batched_one_by_hand():
    # p = ½ and label 0: the gradient is −x / 2
    rows = [row(x, labels=(0,)) for x in (1.0, 3.0, 5.0)]
    pair = {key: torch.cat([rows[0][key], rows[1][key]]) for key in rows[0]}
    # means of gradients −1 and −2.5: (2 · 1² + 1 · 2.5²) / 3
    assert fisher(Coin(0.0), [pair, rows[2]], "batched") == pytest.approx(8.25 / 3)
    # one row a batch is the empirical one: (0.5² + 1.5² + 2.5²) / 3
    assert fisher(Coin(0.0), rows, "batched") == pytest.approx(8.75 / 3)
    assert fisher(Coin(0.0), rows, "empirical") == pytest.approx(8.75 / 3)


def test_the_sampled_one_is_the_exact_one_on_average():
    text = row(1.0, 2.0, labels=(0, 1))
    found = fisher(Coin(LN3), [text] * 3000, "sampled")
    # the standard error is about 0.005 of 0.137
    assert found == pytest.approx(fisher(Coin(LN3), [text], "exact"), abs=0.02)
    assert abs(found - fisher(Coin(LN3), [text], "empirical")) > 0.05


def test_labels_are_drawn_with_the_models_own_probabilities_and_where_there_are_some():
    model, text = Coin(LN3), row(1.0, 1.0, 1.0, labels=(1, IGNORED, 1))
    fisher(model, [text] * 1000, "sampled")
    drawn = model.seen[1::2]  # before each, the row itself is read
    assert all(labels[:1] == labels[2:3] == [IGNORED] for labels in drawn)
    assert np.mean([labels[1] == 0 for labels in drawn]) == pytest.approx(0.75, abs=0.05)
    assert np.mean([labels[3] == 0 for labels in drawn]) == pytest.approx(0.75, abs=0.05)
    assert text["labels"].tolist() == [[IGNORED, 1, IGNORED, 1]]


def test_the_draws_are_the_generators():
    text = row(1.0, 2.0, labels=(0, 1))
    first, again, other = (fisher(Coin(LN3), [text] * 5, "sampled", seed) for seed in (1, 1, 2))
    assert first == again != other


def test_on_a_model_the_exact_one_is_the_loop_over_the_vocabulary(make, learn, offered):
    method = make(NaiveLoRA)
    learn(method, [0])
    ids = offered(0).batches[0]["input_ids"][:1]
    text = {"input_ids": ids, "labels": ids.clone()}
    text["labels"][:, :-1] = IGNORED  # one position is left
    parameters = list(method.parameters())
    found = _fisher.diagonal(method.model, parameters, [text], "exact", np.random.default_rng(0))
    log_p = method.model(**text, use_cache=False).logits[0, -2].log_softmax(-1)
    assert len(log_p) > _fisher.AT_ONCE
    expected = torch.zeros_like(found)
    for token in range(len(log_p)):
        gradients = torch.autograd.grad(log_p[token], parameters, retain_graph=True)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        expected += log_p[token].detach().exp() * flat**2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7 * float(expected.max()))
    assert found.any()
