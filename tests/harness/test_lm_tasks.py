"""Tasks of lm-evaluation-harness: what is read of them, and what is counted."""

import json

import pytest
import yaml

from classay import lm_tasks
from classay.errors import ConfigError, UnknownName
from classay.suite_file import load

FORM = {
    "task": "words",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "words.jsonl"}},
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{prompt}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
    "target_delimiter": " ",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
DOCS = [
    {"prompt": f"the {a} of the river", "choices": [a, b], "gold": i % 2}
    for i, (a, b) in enumerate([("water", "oven"), ("sugar", "bank"), ("stone", "dial")])
]


@pytest.fixture
def write(tmp_path, suite_file):
    """A task beside the tiny suite; returns the suite that asks it."""

    def written(form=FORM, docs=DOCS, **spec):
        (tmp_path / "words.yaml").write_text(
            form if isinstance(form, str) else yaml.safe_dump(form), "utf-8"
        )
        lines = docs if isinstance(docs, str) else "\n".join(map(json.dumps, docs))
        (tmp_path / "words.jsonl").write_text(lines, "utf-8")
        return load(suite_file, {"evaluation.lm_eval": [{"path": "words.yaml", **spec}]})

    return written


def test_a_task_is_read_and_comes_back_from_disk(write, tmp_path):
    tasks = lm_tasks.load_all(write(domain="oven"), tmp_path)
    assert (tasks[0].name, tasks[0].domain, len(tasks[0].docs)) == ("words", "oven", 3)
    lm_tasks.save(tasks, tmp_path / "stream")
    assert lm_tasks.load(tmp_path / "stream") == tasks
    assert lm_tasks.load(tmp_path / "nowhere") == []


def test_a_limit_takes_the_first_questions_and_changes_the_digest(write, tmp_path):
    (whole,) = lm_tasks.load_all(write(), tmp_path)
    (two,) = lm_tasks.load_all(write(limit=2), tmp_path)
    assert two.docs == whole.docs[:2]
    assert two.digest != whole.digest


def test_a_pin_is_held(write, tmp_path):
    (task,) = lm_tasks.load_all(write(), tmp_path)
    assert lm_tasks.load_all(write(sha256=task.digest), tmp_path) == [task]
    with pytest.raises(ConfigError, match=f"have the digest {task.digest}, and the suite pins a"):
        lm_tasks.load_all(write(sha256="a" * 64), tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("doc_to_text", "{{ x.__class__ }}", "doc_to_text: a template may name a field"),
        ("doc_to_text", "{% for x in y %}{% endfor %}", "doc_to_text: a template may name a field"),
        ("doc_to_choice", ["{{a|upper}}"], "doc_to_choice: a template may name a field"),
        ("process_docs", "mine", "process_docs: it is not read"),
        ("include", "other.yaml", "include: it is not read"),
        ("dataset_path", "owner/name", "dataset_path: json was needed"),
        ("output_type", "generate_until", "output_type: multiple_choice was needed"),
        ("metric_list", [{"metric": "bleu"}], r"metric_list: \['acc', 'acc_norm'\] are counted"),
    ],
)
def test_what_could_run_code_is_refused_with_its_key(write, tmp_path, key, value, says):
    with pytest.raises(ConfigError, match=f"asks for more than is run: {says}"):
        lm_tasks.load_all(write({**FORM, key: value}), tmp_path)


@pytest.mark.parametrize(
    ("form", "docs", "says"),
    [
        ("task: words\nprocess_docs: !function mine.f\n", DOCS, "cannot be read as plain YAML"),
        ("- words\n", DOCS, "it lacks the form of a mapping"),
        ("task: words\n", DOCS, r"it lacks \['dataset_kwargs', 'dataset_path'"),
        ({**FORM, "dataset_kwargs": {"data_files": "x"}}, DOCS, "test: FILE.* was needed"),
        ({**FORM, "dataset_kwargs": {"trust_remote_code": True}}, DOCS, "was needed, with one"),
        ({**FORM, "task": "../words"}, DOCS, "letters, digits and underscores were needed"),
        (FORM, "no json", "cannot be read as JSON Lines"),
        (FORM, "", "has no questions"),
        (FORM, "[1]", "has no questions"),
    ],
)
def test_a_task_that_cannot_be_asked_is_refused(write, tmp_path, form, docs, says):
    with pytest.raises(ConfigError, match=says):
        lm_tasks.load_all(write(form, docs), tmp_path)


def test_a_task_twice_and_a_domain_that_is_not_learned_are_refused(write, tmp_path):
    write()
    twice = {"evaluation.lm_eval": [{"path": "words.yaml"}, {"path": "words.yaml"}]}
    with pytest.raises(ConfigError, match=r"has the tasks \['words'\] twice"):
        lm_tasks.load_all(load(tmp_path / "tiny.yaml", twice), tmp_path)
    with pytest.raises(ConfigError, match=r"evaluation.lm_eval names the domains \['street'\]"):
        write(domain="street")


def test_the_task_is_part_of_the_identity_and_its_path_is_not(write, tmp_path):
    def identity(task, **spec):
        (read,) = lm_tasks.load_all(task, tmp_path)
        content = {"base": "b" * 64, "task words": read.digest}
        content |= {f"domain {d}": "1" * 64 for d in ("river", "oven", "clock", "street")}
        return task.identity(content)

    first = identity(write())
    assert identity(write(docs=DOCS[:2])) != first
    assert identity(write(domain="oven")) != first
    (tmp_path / "elsewhere").mkdir()
    for name in ("words.yaml", "words.jsonl"):
        (tmp_path / "elsewhere" / name).write_bytes((tmp_path / name).read_bytes())
    write()
    moved = load(tmp_path / "tiny.yaml", {"evaluation.lm_eval": [{"path": "elsewhere/words.yaml"}]})
    assert identity(moved) == identity(write())


def test_a_task_that_comes_with_classay_is_asked_by_its_name(write, tmp_path, suite_file):
    asked = load(suite_file, {"evaluation.lm_eval": [{"path": "everyday"}]})
    (task,) = lm_tasks.load_all(asked, tmp_path)
    assert (task.name, len(task.docs)) == ("everyday", 40)
    # the place of the right answer is no hint
    assert sorted({doc["gold"] for doc in task.docs}) == [0, 1, 2, 3]
    assert all(len(set(doc["choices"])) == 4 for doc in task.docs)
    unknown = load(suite_file, {"evaluation.lm_eval": [{"path": "everday"}]})
    with pytest.raises(UnknownName, match="no task is called 'everday'"):
        lm_tasks.load_all(unknown, tmp_path)


# --- on a model


def test_the_answers_are_the_choices_of_least_nats(write, tmp_path, tiny_base):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (task,) = lm_tasks.load_all(write(), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tiny_base, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_base, local_files_only=True)

    def nats(doc, choice):
        start = tokenizer(doc["prompt"], add_special_tokens=False)["input_ids"]
        ids = tokenizer(f"{doc['prompt']} {choice}", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return -sum(float(scores[i - 1, ids[i]]) for i in range(len(start), len(ids)))

    expected = sum(
        min(range(2), key=lambda c: nats(doc, doc["choices"][c])) == doc["gold"] for doc in DOCS
    )
    state = torch.get_rng_state()
    found = lm_tasks.scored(task, model, tiny_base, 4)
    assert (found.asked, found.right["acc"]) == (3, expected)
    assert torch.equal(state, torch.get_rng_state())
