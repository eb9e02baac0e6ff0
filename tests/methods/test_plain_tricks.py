"""Plain tricks: each does what it says, from the second domain on, and nothing else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from classay import registry
from classay.errors import ConfigError
from classay.method import State
from classay.methods.naive_lora import NaiveLoRA
from classay.methods.plain_tricks import Config, PlainTricks
from classay.suite import Training
from classay.trainer import PhaseTraining

SETTINGS = Training(tokens_per_domain=128, batch=2, learning_rate=0.02, warmup_steps=1)
TRICKS = [Config(rate=0.1), Config(decay=0.1), Config(dropout=0.5)]
every_trick = pytest.mark.parametrize("config", TRICKS, ids=["rate", "decay", "dropout"])


def masks(method) -> list[torch.nn.Module]:
    return [m["shared"] for key, m in method.model.named_modules() if key.endswith("lora_dropout")]


@every_trick
def test_the_first_domain_is_naive_to_the_byte_and_the_second_is_not(make, learn, bytes_of, config):
    method, naive = make(PlainTricks, config), make(NaiveLoRA)
    same = []
    for index in (0, 1):
        learn(method, [index])
        learn(naive, [index])
        same.append(bytes_of(method) == bytes_of(naive))
    assert same == [True, False]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_with_no_trick_it_is_naive_to_the_byte(make, learn, bytes_of, dropout):
    method, naive = (
        make(kind, c, dropout) for kind, c in ((PlainTricks, Config()), (NaiveLoRA, None))
    )
    learn(method)
    learn(naive)
    assert bytes_of(method) == bytes_of(naive)


def test_the_rate_is_a_share_of_the_suites(make, learn, offered):
    method, naive = make(PlainTricks, Config(rate=0.1)), make(NaiveLoRA)
    for index in (0, 1):
        rates = []
        for one in (method, naive):
            one.begin_phase(offered(index))
            training = PhaseTraining(one, offered(index), SETTINGS, one.seeds)
            training.advance()
            rates.append(training.optimizer.param_groups[0]["lr"])
        assert rates[0] == pytest.approx(rates[1] * (1.0, 0.1)[index])


def test_the_first_step_is_a_tenth_of_naives(make, learn, offered):
    # Adam's first step has the size of the learning rate, whatever the gradient
    moved = []
    for rate in (1.0, 0.1):
        method = make(PlainTricks, Config(rate=rate))
        learn(method, [0])
        before = method.adapters.copies(["shared"])
        method.begin_phase(offered(1))
        PhaseTraining(method, offered(1), SETTINGS, method.seeds).advance()
        moved.append(method.adapters.moved(before))
    assert moved[1] == pytest.approx(moved[0] / 10, rel=1e-3)


def test_decay_takes_its_share_of_every_weight_after_a_step(make, learn, offered):
    pairs = []
    for decay in (0.0, 0.25):
        method = make(PlainTricks, Config(decay=decay))
        learn(method, [0])
        method.begin_phase(offered(1))
        PhaseTraining(method, offered(1), SETTINGS, method.seeds).advance()
        pairs.append(method.adapters.tensors("shared"))
    for key, plain in pairs[0].items():
        torch.testing.assert_close(pairs[1][key], 0.75 * plain, rtol=1e-6, atol=0.0)


def test_dropout_is_there_in_training_from_the_second_phase_and_never_in_an_answer(
    make, learn, offered
):
    method = make(PlainTricks, Config(dropout=0.5))
    learn(method, [0])
    assert all(isinstance(mask, torch.nn.Identity) for mask in masks(method))
    method.begin_phase(offered(1))
    assert [mask.p for mask in masks(method)] == [0.5] * 14  # 2 layers of 7 matrices
    batch = offered(1).batches[0]

    def losses():
        return {method.loss(batch)["lm"].item() for _ in range(3)}

    method.model.eval()
    assert len(losses()) == 1
    method.model.train()
    assert len(losses()) == 3


def test_a_mask_leaves_the_adapters_output_as_it_is_on_average(make, learn, offered):
    method = make(PlainTricks, Config(dropout=0.5))
    learn(method, [0])
    method.begin_phase(offered(1))
    mask = masks(method)[0].train()
    torch.manual_seed(0)
    found = mask(torch.ones(10_000))
    # kept inputs are doubled: 1 ± 0.01
    assert set(found.tolist()) == {0.0, 2.0}
    assert found.mean().item() == pytest.approx(1.0, abs=0.04)


@every_trick
def test_a_new_process_goes_on_with_the_trick(make, learn, offered, config):
    method, other = make(PlainTricks, config), make(PlainTricks, config)
    learn(method, [0])
    method.begin_phase(offered(1))
    state = method.state()
    other.restore(State({k: t.clone() for k, t in state.tensors.items()}, state.about))
    rows = []
    for one in (method, other):
        training = PhaseTraining(one, offered(1), SETTINGS, one.seeds)
        rows.append([training.advance()[0].fact() for _ in range(2)])
    assert rows[0] == rows[1]
    assert other.adapters.moved(method.adapters.copies(["shared"])) == 0.0


def test_nothing_is_kept(make, learn):
    method = make(PlainTricks, TRICKS[0])
    learn(method, [0, 1])
    assert method.cost()[1:] == (0, 0)


@pytest.mark.parametrize(
    "wrong", [{"rate": 0.0}, {"rate": 1.5}, {"decay": 1.0}, {"decay": -0.1}, {"dropout": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(
        ConfigError, match=f"methods.plain_tricks has settings.*{next(iter(wrong))}"
    ):
        registry.resolve("plain_tricks", wrong)
