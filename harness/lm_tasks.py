"""Tasks of lm-evaluation-harness, answered by the model in memory before training and after phases.

A task is a YAML file of lm-eval's own form beside a JSON Lines file. Of that form only what cannot
run code is read: multiple choice, templates that name a field, no function, no other task. Task and
data are digested, and lie in the run's folder from then on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from classay.errors import ConfigError, UnknownName
from classay.layout import write_atomically
from classay.suite import LmTask, Suite

if TYPE_CHECKING:
    from torch import nn

KEYS = {
    *("task", "dataset_path", "dataset_kwargs", "test_split", "output_type", "doc_to_text"),
    *("doc_to_choice", "doc_to_target", "target_delimiter", "metric_list", "metadata"),
}
NEEDED = {"task", "dataset_path", "dataset_kwargs", "output_type", "doc_to_text", "doc_to_target"}
METRICS = {"acc", "acc_norm"}
FIELD = re.compile(r"\{\{\s*[A-Za-z_]\w*\s*\}\}")  # all that a template may say
SPLIT = "test"


class Task(NamedTuple):
    """One task, checked; ``about`` is lm-eval's form without where the data lies."""

    name: str
    domain: str | None  # whose adapter answers
    about: dict[str, Any]
    docs: tuple[dict[str, Any], ...]

    @property
    def digest(self) -> str:
        """Of the task and every one of its documents."""
        plain = json.dumps([self.about, self.docs], sort_keys=True, ensure_ascii=False)
        return sha256(plain.encode()).hexdigest()


class Scored(NamedTuple):
    """How a task was answered: sums over its items, never means."""

    asked: int
    right: dict[str, int]  # by metric


def load_all(suite: Suite, place: Path) -> list[Task]:
    """Read every task of a suite.

    place    what a task's path is relative to; its data file is relative to the task's own file
    raises   ConfigError   naming the file and what cannot be read of it
    """
    tasks = [_task(spec, place) for spec in suite.evaluation.lm_eval]
    names = [task.name for task in tasks]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"evaluation.lm_eval has the tasks {doubled} twice, and a task is asked once.\n"
            f"  Take one out, or give it another name under `task` in its file."
        )
    return tasks


def save(tasks: Sequence[Task], folder: Path) -> None:
    """Write tasks and data, for the processes that run cells."""
    plain = [task._asdict() for task in tasks]
    write_atomically(folder / "tasks.json", json.dumps(plain, ensure_ascii=False).encode())


def load(folder: Path) -> list[Task]:
    """Read what ``save`` wrote; none where nothing was."""
    path = folder / "tasks.json"
    plain = json.loads(path.read_text("utf-8")) if path.exists() else []
    return [Task(**{**task, "docs": tuple(task["docs"])}) for task in plain]


def scored(task: Task, model: nn.Module, base: Path, batch: int) -> Scored:
    """Ask a task of the model in the state that it is in.

    ::

        right = #{items whose choice of least summed nats is the right one}      acc
                the same after division by the bytes of each choice             acc_norm

    model    a transformers model, in memory
    base     the folder of its tokenizer
    returns  counts, from the samples that lm-eval logs
    raises   RuntimeError   when they are not what lm-eval itself averages
    choices  no examples before the question, no chat template, whatever lm-eval puts before a text
             for this tokenizer; batches of a fixed size
    """
    import logging

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer, PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        raise RuntimeError(
            f"lm-eval asks transformers models, and this is a {type(model).__name__}"
        )
    tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False, local_files_only=True)
    data = {SPLIT: Dataset.from_list(list(task.docs))}
    about = task.about | {"test_split": SPLIT, "custom_dataset": lambda **_: data}
    asked = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device=str(model.device))
    question = {task.name: ConfigurableTask(config=about)}
    found = evaluate(asked, question, bootstrap_iters=0, log_samples=True)
    samples = found["samples"][task.name]
    right = {m: sum(int(s[m]) for s in samples) for m in sorted(METRICS) if m in samples[0]}
    for metric, count in right.items():
        mean = found["results"][task.name][f"{metric},none"]
        if abs(mean - count / len(samples)) > 1e-9:
            raise RuntimeError(
                f"lm-eval prints {metric} = {mean} for {task.name}, and its samples hold "
                f"{count} of {len(samples)}"
            )
    return Scored(len(samples), right)


def _file(name: str, place: Path) -> Path:
    """The file of a task, given as a path or as the name of one that comes with classay."""
    path = place / name
    if path.is_file() or path.suffix:
        return path
    folder = Path(str(files("classay.suites"))) / "tasks"
    shipped = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    raise UnknownName("task", name, shipped, "A task of your own is given as a path to its YAML.")


def _task(spec: LmTask, place: Path) -> Task:
    path = _file(spec.path, place)
    about = _form(path)
    kwargs = about.pop("dataset_kwargs")
    listed = kwargs.get("data_files") if isinstance(kwargs, dict) else None
    split = about.pop("test_split", SPLIT)
    if not isinstance(listed, dict) or set(kwargs) != {"data_files"} or set(listed) != {split}:
        raise ConfigError(
            f"{path}: dataset_kwargs is {kwargs!r}; {{data_files: {{{split}: FILE}}}} was needed, "
            f"with one JSON Lines file.\n  Mend the file."
        )
    data = path.parent / str(listed[split])
    try:
        lines = data.read_text("utf-8").splitlines()
        docs = tuple(json.loads(line) for line in lines if line.strip())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{data}, the data of {path.name}, cannot be read as JSON Lines ({error}).\n"
            f"  One JSON object a line is needed."
        ) from error
    if not docs or not all(isinstance(doc, dict) for doc in docs):
        raise ConfigError(f"{data} has no questions: one JSON object a line is needed.\n  Mend it.")
    task = Task(str(about["task"]), spec.domain, about, docs[: spec.limit])
    if spec.sha256 not in (None, task.digest):
        raise ConfigError(
            f"{path} and its data have the digest {task.digest}, and the suite pins {spec.sha256}."
            f"\n  Restore them, or change the pin."
        )
    return task


def _form(path: Path) -> dict[str, Any]:
    """lm-eval's mapping, after everything in it has been seen to be data."""
    try:
        about = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} cannot be read as plain YAML ({error}).\n"
            f"  A task that calls functions is not run: what it computes belongs into its data."
        ) from error
    if not isinstance(about, dict) or (owed := sorted(NEEDED - set(about))):
        raise ConfigError(
            f"{path} is no task that can be asked: it lacks "
            f"{owed if isinstance(about, dict) else 'the form of a mapping'}.\n"
            f"  docs/suites.md shows one."
        )
    metrics = [m.get("metric") for m in about.get("metric_list") or [] if isinstance(m, Mapping)]
    wrong = {
        **{key: "it is not read" for key in sorted(set(about) - KEYS)},
        **({} if about["dataset_path"] == "json" else {"dataset_path": "json was needed"}),
        **(
            {}
            if about["output_type"] == "multiple_choice"
            else {"output_type": "multiple_choice was needed"}
        ),
        **({} if set(metrics) <= METRICS else {"metric_list": f"{sorted(METRICS)} are counted"}),
        **{
            key: "a template may name a field, {{field}}, and do nothing else"
            for key in ("doc_to_text", "doc_to_choice", "doc_to_target")
            if not _plain(about.get(key, ""))
        },
    }
    if wrong:
        said = "; ".join(f"{key}: {why}" for key, why in wrong.items())
        raise ConfigError(f"{path} asks for more than is run: {said}.\n  Mend the file.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", str(about["task"])):
        raise ConfigError(
            f"{path}: task is {about['task']!r}; letters, digits and underscores were needed.\n"
            f"  Rename it."
        )
    return dict(about)


def _plain(template: Any) -> bool:
    if isinstance(template, list):
        return all(isinstance(part, str) and _plain(part) for part in template)
    if isinstance(template, int):
        return True
    return isinstance(template, str) and not re.search(r"\{[{%#]", FIELD.sub("", template))
