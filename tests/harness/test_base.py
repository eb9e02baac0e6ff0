import json
import shutil
import struct
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import save_file

from classay import base
from classay.errors import ConfigError
from classay.suite import BaseSpec


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a base: what ``locate`` reads, without torch."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("a model")
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.ones(5, np.float16)}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def locate(folder, **spec):
    return base.locate(BaseSpec(path=str(folder), **spec))


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


# --- found and checked


def test_parameters_are_counted_by_hand(folder):
    # 3 × 4 + 5, and one number without dimensions in a second file
    assert locate(folder).parameters == 17
    save_file({"c": np.zeros((), np.float32)}, folder / "more.safetensors")
    assert locate(folder).parameters == 18


def test_the_digest_by_hand(folder):
    # every file that says what the model is, and not what is said about it
    names = ("config.json", "model.safetensors", "tokenizer.json")
    files = {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}
    plain = json.dumps(files, sort_keys=True, separators=(",", ":"))
    assert locate(folder).digest == sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_one_byte_is_another_base(folder, name):
    before = locate(folder).digest
    data = (folder / name).read_bytes()
    if name == "model.safetensors":
        (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        (folder / name).write_bytes(data + b" ")
    assert locate(folder).digest != before


def test_a_file_that_is_added_or_renamed_is_another_base(folder):
    digests = {locate(folder).digest}
    (folder / "merges.txt").write_text("a b")
    digests.add(locate(folder).digest)
    (folder / "merges.txt").rename(folder / "vocab.txt")
    digests.add(locate(folder).digest)
    assert len(digests) == 3


def test_what_is_said_about_a_base_is_not_part_of_it(folder):
    before = locate(folder).digest
    (folder / "README.md").write_text("another model")
    (folder / "LICENSE").write_text("any")
    (folder / ".cache").mkdir()
    assert locate(folder).digest == before


def test_a_base_that_is_moved_is_the_same(folder, tmp_path):
    before = locate(folder)
    shutil.move(folder, tmp_path / "elsewhere")
    after = locate(tmp_path / "elsewhere")
    assert (after.digest, after.parameters) == (before.digest, before.parameters)
    assert after.folder == tmp_path / "elsewhere"


def test_a_base_that_is_not_the_pinned_one_is_refused(folder):
    pin = locate(folder).digest
    assert locate(folder, digest=pin).digest == pin
    rewrite(folder / "config.json", hidden_size=8)
    with pytest.raises(
        ConfigError,
        match=rf"has the digest [0-9a-f]{{64}}, and the suite was written for {pin}\.\n"
        r"  Give the base that the suite names, or take base\.digest out of it\.",
    ):
        locate(folder, digest=pin)


def test_a_suite_without_a_base_is_told_how_to_give_one():
    with pytest.raises(ConfigError, match=r"names no base\.\n  Give --base FOLDER, or base\.hub"):
        base.locate(BaseSpec())


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none is not a folder\.\n  A base is .* Give --base"):
        locate(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file is not a folder\."):
        locate(tmp_path / "file")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", "null", '"llama"'])
def test_a_configuration_that_is_none_is_refused(folder, text):
    (folder / "config.json").unlink()
    if text is not None:
        (folder / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json (?s:.*)A base is a folder with config"):
        locate(folder)


# --- nothing in the folder is executed


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "model.ckpt"]
)
def test_pickled_weights_alone_are_refused(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(
        ConfigError,
        match=rf"holds {name} and no \*\.safetensors\.\n  classay reads safetensors only: "
        r"unpickling weights runs code that they bring along\.\n  Convert them",
    ):
        locate(folder)


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"holds no weights and no \*\.safetensors\."):
        locate(folder)


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
        b"\x02\x00\x00\x00\x00\x00\x00\x00[]",
        b"\xff" * 16,
    ],
    ids=["empty", "a pointer of git-lfs", "no header", "no length"],
)
def test_weights_that_are_no_safetensors_are_refused(folder, weights):
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        locate(folder)


@pytest.mark.parametrize(
    "key",
    [
        "auto_map",
        "_attn_implementation_internal",
        "_attn_implementation",
        "_experts_implementation_internal",
        "_a_key_of_tomorrow",
    ],
)
def test_a_configuration_that_asks_for_code_is_refused(folder, key):
    rewrite(folder / "config.json", **{key: "owner/kernel"})
    with pytest.raises(
        ConfigError,
        match=rf"config\.json has the keys \['{key}'\], which make loading run code of the "
        r"model's own\.\n  classay never does\. Use an architecture that transformers knows",
    ):
        locate(folder)


@pytest.mark.parametrize("kernel", ["kernels-community/flash-attn2", "owner/kernel@main:attend"])
def test_a_kernel_from_a_hub_is_refused(folder, kernel):
    # transformers reads this key too, and fetches and runs what it names
    rewrite(folder / "config.json", attn_implementation=kernel)
    with pytest.raises(ConfigError, match=r"config\.json has the keys \['attn_implementation'\]"):
        locate(folder)


def test_what_transformers_writes_by_itself_is_harmless(folder):
    rewrite(folder / "config.json", _name_or_path="owner/name", _commit_hash="a" * 40)
    assert locate(folder).parameters == 17


def test_a_configuration_that_asks_for_code_is_refused_before_its_digest_is_compared(folder):
    rewrite(folder / "config.json", auto_map={})
    with pytest.raises(ConfigError, match="auto_map"):
        locate(folder, digest="0" * 64)


# --- loaded


@pytest.fixture
def files(tiny_base):
    return locate(tiny_base)


def copy(files, place):
    shutil.copytree(files.folder, place)
    return place


def load(files):
    return base.Base(files, "fp32", "cpu")


def test_the_counted_parameters_are_those_of_the_loaded_model(files):
    # by hand, of hidden size 16: 2 × 320 × 16 embeddings and head; 2 layers of
    # 2 × 16 × 16 (q, o) + 2 × 16 × 8 (k, v) + 3 × 16 × 32 (mlp) + 2 × 16 (norms); 16 (norm)
    assert files.parameters == 10240 + 2 * (512 + 256 + 1536 + 32) + 16 == 14928
    assert sum(p.numel() for p in load(files).model.parameters()) == files.parameters


def test_weights_are_read_as_data_and_nothing_else(files, monkeypatch):
    pytest.importorskip("torch")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked, from_pretrained = {}, AutoModelForCausalLM.from_pretrained
    tokenizer_from_pretrained = AutoTokenizer.from_pretrained

    def noted(folder, **options):
        asked["model"] = {"folder": folder, **options}
        return from_pretrained(folder, **options)

    def noted_tokenizer(folder, **options):
        asked["tokenizer"] = {"folder": folder, **options}
        return tokenizer_from_pretrained(folder, **options)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", noted)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", noted_tokenizer)
    load(files)
    base.TokenizerFiles(files)
    assert (
        asked["model"].items()
        >= {
            "folder": files.folder,
            "use_safetensors": True,
            "trust_remote_code": False,
            "local_files_only": True,
            "use_kernels": False,
            "dtype": torch.float32,
        }.items()
    )
    assert (
        asked["tokenizer"].items()
        >= {
            "folder": files.folder,
            "trust_remote_code": False,
            "local_files_only": True,
        }.items()
    )


def test_a_pickle_beside_the_weights_is_never_opened(files, tmp_path):
    marker, place = tmp_path / "ran", copy(files, tmp_path / "trap")
    # a pickle that makes a file when it is read
    bomb = f"cposix\nopen\n(S'{marker}'\nI65\nI420\ntR.".encode()
    for name in ("pytorch_model.bin", "training_args.bin", "adapter_model.bin"):
        (place / name).write_bytes(bomb)
    load(locate(place))
    assert not marker.exists()


def test_code_beside_the_tokenizer_is_never_run(files, tmp_path):
    marker, place = tmp_path / "ran", copy(files, tmp_path / "trap")
    names = ["trap.Tokens", "trap.Tokens"]
    rewrite(place / "tokenizer_config.json", auto_map={"AutoTokenizer": names})
    rewrite(place / "tokenizer_config.json", tokenizer_class="Tokens")
    (place / "trap.py").write_text(f"open({str(marker)!r}, 'w')\nclass Tokens: pass\n")
    with pytest.raises(ConfigError, match="tokenizer"):
        base.TokenizerFiles(locate(place))
    assert not marker.exists()


def test_an_architecture_that_transformers_does_not_know_is_refused(files, tmp_path):
    place = copy(files, tmp_path / "unknown")
    rewrite(place / "config.json", model_type="of_tomorrow", architectures=["OfTomorrow"])
    with pytest.raises(ConfigError, match="of_tomorrow"):
        load(locate(place))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_base_is_loaded_in_the_type_that_is_asked_for(files, dtype):
    ours = base.Base(files, dtype, "cpu")
    named = {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[dtype]
    assert {str(p.dtype) for p in ours.model.parameters()} == {named}
    assert not ours.model.training


# --- the digest of what is loaded


def test_the_digest_of_tensors_by_hand():
    torch = pytest.importorskip("torch")
    ours = object.__new__(base.Base)
    ours._tensors = {
        "w": torch.tensor([[1.0, -2.5]]),
        "b": torch.tensor(3, dtype=torch.int64),
    }
    ours.model = torch.nn.Module()
    for name, tensor in ours._tensors.items():
        ours.model.register_buffer(name, tensor)
    expected = b"b torch.int64 []\n" + struct.pack("<q", 3)
    expected += b"w torch.float32 [1, 2]\n" + struct.pack("<2f", 1.0, -2.5)
    assert ours.digest() == sha256(expected).hexdigest()


def test_a_base_has_the_same_digest_every_time_and_everywhere(files, tmp_path):
    ours = load(files)
    assert ours.digest() == ours.digest() == load(files).digest()
    assert load(locate(copy(files, tmp_path / "moved"))).digest() == ours.digest()
    assert base.Base(files, "bf16", "cpu").digest() != ours.digest()


def test_a_tensor_that_was_replaced_is_not_the_base_any_more(files):
    torch = pytest.importorskip("torch")
    ours = load(files)
    layer = ours.model.model.layers[0].self_attn.q_proj
    layer.weight = torch.nn.Parameter(layer.weight.detach().clone())
    with pytest.raises(RuntimeError, match="1 tensors of the base were replaced by others"):
        ours.digest()


def test_adapters_do_not_change_the_digest_of_the_base(files):
    from classay.adapters import Adapters
    from classay.seeding import Seeds
    from classay.suite import AdapterSpec

    ours = load(files)
    before = ours.digest()
    adapters = Adapters(ours.model, AdapterSpec(rank=2, alpha=4), Seeds(0))
    adapters.fresh("one", 0)
    adapters.fresh("two", 1)
    # the names of the modules have changed, the base has not
    assert any("lora_A" in name for name, _ in ours.model.named_parameters())
    assert ours.digest() == before


def test_the_smallest_change_of_one_weight_changes_the_digest(files):
    torch = pytest.importorskip("torch")
    ours = load(files)
    before = ours.digest()
    for name, parameter in ours.model.named_parameters():
        with torch.no_grad():
            flat = parameter.view(-1)
            old = flat[-1].clone()
            flat[-1] = torch.nextafter(old, torch.tensor(torch.inf))
        assert ours.digest() != before, name
        with torch.no_grad():
            flat[-1] = old
        assert ours.digest() == before


def test_a_changed_buffer_changes_the_digest(files):
    ours = load(files)
    before, buffers = ours.digest(), dict(ours.model.named_buffers())
    assert buffers
    for buffer in buffers.values():
        buffer += 1
        assert ours.digest() != before
        buffer -= 1


# --- the tokenizer


def test_tokens_say_which_characters_they_cover(files):
    tokenizer = base.TokenizerFiles(files)
    assert (tokenizer.bos, tokenizer.eos) == (0, 1)
    text = "river 1: water and 42 naïve 🙂 日本"
    ids, spans = tokenizer.encode(text)
    assert len(ids) == len(spans)
    assert all(isinstance(span, tuple) for span in spans)
    covered = {i for begin, end in spans for i in range(begin, end)}
    assert covered == set(range(len(text)))
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(spans))


def test_a_character_of_several_tokens_is_covered_by_each_of_them(files):
    # four bytes of UTF-8, none of which the tokenizer has learned to join
    ids, spans = base.TokenizerFiles(files).encode("🙂")
    assert len(ids) == 4
    assert spans == [(0, 1)] * 4


def test_no_special_tokens_are_added(files):
    tokenizer = base.TokenizerFiles(files)
    ids, _ = tokenizer.encode("water")
    assert tokenizer.bos not in ids
    assert tokenizer.eos not in ids
    assert tokenizer.encode("") == ([], [])


def test_a_text_longer_than_the_model_s_context_is_no_warning(files):
    ids, _ = base.TokenizerFiles(files).encode("river " * 3000)
    assert len(ids) >= 3000
