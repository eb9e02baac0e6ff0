"""What tests share: where the shared data lies, and a suite that runs in seconds."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
# a package of its own; tests/harness/test_scaffold.py runs such tests as its author would
collect_ignore = ["plugin"]
VOCABULARY = {
    "river": "water bank ferry current flood delta stone bridge heron reed",
    "oven": "flour butter crust sugar yeast dough salt honey almond tray",
    "clock": "spring gear hand dial weight tick bell winding pivot minute",
    "street": "people walk houses corner lamp window door morning noise shop",
}
WORDS = {domain: text.split() for domain, text in VOCABULARY.items()}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data beside the project; never absent in CI."""
    folder = ROOT.parent / "shared"
    if not (folder / "data" / "domains").is_dir():
        pytest.skip(f"{folder} is absent: it holds real text and models that are not committed")
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine may be spoken to."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def sentence(domain: str, number: int, words: int = 24) -> str:
    """A sentence that no other (domain, number) gives."""
    picks = random.Random(f"{domain} {number}").choices(WORDS[domain], k=words)
    return f"{domain} {number}: " + " ".join(picks)


def write_data(folder: Path) -> None:
    """Four domains of made-up text: train, holdout and probe records, and two sources each."""
    folder.mkdir(parents=True, exist_ok=True)
    for domain in WORDS:
        records = [
            {
                "id": f"{domain}-{i:02d}",
                "split": "train" if i < 40 else "holdout",
                "source": ("even", "odd")[i % 2],
                "text": sentence(domain, i),
            }
            for i in range(48)
        ]
        for i in range(4):
            answer = WORDS[domain][i]
            prompt = f"Which word belongs here, number {i}?"
            records.append(
                {
                    "id": f"{domain}-probe-{i}",
                    "split": "probe",
                    "source": "even",
                    "prompt": prompt,
                    "completion": f" {answer}",
                    "answer": answer,
                    "choices": [answer, "granite"] if i % 2 else ["granite", answer],
                }
            )
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{domain}.jsonl").write_text(lines, "utf-8")


def tiny_suite(**changes: Any) -> dict[str, Any]:
    """The mapping of a suite that a cell runs in about a second; keys can be changed."""

    def domain(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "source": {"kind": "jsonl", "path": f"{name}.jsonl"},
            "licence": "none",
        }

    suite: dict[str, Any] = {
        "name": "tiny",
        "title": "A suite for tests",
        "intended_use": "Tests of the harness; it says nothing about any method.",
        "stream": {
            "domains": [domain(name) for name in ("river", "oven", "clock")],
            "general": domain("street"),
            "block": 16,
        },
        "training": {
            "tokens_per_domain": 256,
            "batch": 4,
            "learning_rate": 0.02,
            "checkpoint_steps": 2,
        },
        "adapter": {"rank": 2, "alpha": 4},
        "methods": {"naive_lora": {}, "frozen": {}, "joint": {}},
        "seeds": [0],
        "evaluation": {
            "items_per_domain": 6,
            "tokens_per_item": 24,
            "batch_items": 4,
            "probes_per_domain": 3,
            "representation_items": 2,
        },
        "statistics": {"margin": 5.0, "noise_draws": 0},
    }
    return suite | changes


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """The tiny suite as a file, with its data beside it."""
    write_data(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_suite()), "utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of a few thousand random weights with a byte-level tokenizer."""
    pytest.importorskip("torch")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([sentence(d, i) for d in WORDS for i in range(40)], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    state = torch.get_rng_state()
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=320,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            initializer_range=0.3,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).save_pretrained(folder)
    torch.set_rng_state(state)
    return folder
