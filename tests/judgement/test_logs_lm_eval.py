"""Results of lm-evaluation-harness: in its form, and as the installed one really writes them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from classay.errors import ConfigError
from classay.logs.choose import read

WRITE = """
import sys
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

tasks = TaskManager(include_path=sys.argv[1], include_defaults=False)
for stage in range(3):
    tracker = EvaluationTracker(output_path=f"{sys.argv[1]}/stage{stage}")
    results = simple_evaluate(
        model="dummy", tasks=["river", "oven"], task_manager=tasks, random_seed=stage,
        evaluation_tracker=tracker, log_samples=False, bootstrap_iters=0,
    )
    tracker.save_results_aggregated(results=results, samples=None)
    print("accuracy", *(results["results"][task]["acc,none"] for task in ("river", "oven")))
"""
TASK = """
task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/{task}.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["a", "b"]
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def results(scores, **more):
    """What lm-eval writes, as far as it is read; the test at the end holds it to the real form."""
    return {
        "results": {
            task: {"name": task, "alias": task, "sample_len": 6}
            | {key: value for key, value in said.items()}
            | {key.replace(",", "_stderr,"): 0.01 for key in said}
            for task, said in scores.items()
        },
        "group_subtasks": {},
        "higher_is_better": {
            task: {key.partition(",")[0]: "loss" not in key for key in said}
            for task, said in scores.items()
        },
        "n-shot": dict.fromkeys(scores, 0),
        "n-samples": {task: {"original": 9, "effective": 6} for task in scores},
    } | more


@pytest.fixture
def stages(tmp_path):
    """Write one file a stage and read them in this order."""

    def call(*said, tasks=()):
        paths = []
        for i, entry in enumerate(said):
            paths.append(tmp_path / f"results_{i}.json")
            paths[-1].write_text(json.dumps(entry))
        return read(paths, "score", tasks)

    return call


def acc(river, oven):
    return results({"river": {"acc,none": river}, "oven": {"acc,none": oven}})


def test_one_file_is_the_row_at_the_end(stages):
    (logged,) = stages(acc(0.5, 0.75))
    np.testing.assert_array_equal(logged.matrix, [[np.nan] * 2, [np.nan] * 2, [0.5, 0.75]])
    assert (logged.tasks, logged.sizes) == (("river", "oven"), (6, 6))
    assert (logged.name, logged.kind) == ("lm-eval acc,none", "score")
    assert "One file of lm-eval is one row" in logged.notes[0]


def test_a_file_a_stage_is_a_matrix_and_one_more_is_before_training(stages):
    two = [acc(0.5, 0.25), acc(0.4, 0.75)]
    (logged,) = stages(*two)
    np.testing.assert_array_equal(logged.matrix[1:], [[0.5, 0.25], [0.4, 0.75]])
    assert np.all(np.isnan(logged.matrix[0]))
    assert "taken as the order of training" in logged.notes[0]
    (logged,) = stages(acc(0.1, 0.2), *two)
    np.testing.assert_array_equal(logged.matrix, [[0.1, 0.2], [0.5, 0.25], [0.4, 0.75]])


def test_the_order_of_training_is_said_with_tasks(stages):
    (logged,) = stages(acc(0.5, 0.25), acc(0.4, 0.75), tasks=["oven", "river"])
    np.testing.assert_array_equal(logged.matrix[1:], [[0.25, 0.5], [0.75, 0.4]])
    assert logged.notes == ()


def test_each_metric_that_all_tasks_have_is_a_matrix(stages):
    said = {"acc,none": 0.5, "acc_norm,none": 0.25, "loss,none": 1.0}
    found = stages(results({"river": said, "oven": said | {"f1,none": 0.1}}))
    assert [logged.name for logged in found] == ["lm-eval acc,none", "lm-eval acc_norm,none"]
    assert found[0].notes[-1] == "Left out, as less is better: loss,none."


def test_the_parts_of_a_group_are_not_columns_beside_it(stages):
    scores = {task: {"acc,none": 0.5} for task in ("all", "one", "two")}
    (logged,) = stages(results(scores, group_subtasks={"all": ["one", "two"]}))
    assert logged.tasks == ("all",)


@pytest.mark.parametrize(
    ("said", "tasks", "words"),
    [
        ([acc(0.1, 0.2)] * 4, (), r"4 files of lm-eval and 2 tasks \(river, oven\).*--tasks"),
        ([acc(0.1, 0.2)], ["clock"], "no results for the task 'clock'; it has river, oven"),
        (
            [results({"river": {"acc,none": 0.5}, "oven": {"f1,none": 0.5}})],
            (),
            "have no metric for which more is better",
        ),
        ([results({"river": {"loss,none": 0.5}})], (), "given as a CSV, with --loss"),
        ([acc(0.1, 0.2)] * 2, ["oven", "oven"], "--tasks names 'oven' twice.*Name each once"),
        ([{"results": {}, "n-shot": {}}], (), "holds results of no task.*At least one task"),
        ([acc(0.1, 0.2) | {"group_subtasks": {"g": [["x"]]}}], (), '"group_subtasks" that are no'),
        ([acc(0.1, 0.2) | {"group_subtasks": {"g": "x"}}], (), "--tasks"),
        ([acc(0.1, 0.2) | {"group_subtasks": []}], (), '"group_subtasks" that are no lists'),
    ],
)
def test_what_makes_no_matrix_is_refused(stages, said, tasks, words):
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        stages(*said, tasks=tasks)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm_eval is not installed: '.[run]'")
def test_what_lm_eval_really_writes(tmp_path):
    for task in ("river", "oven"):
        (tmp_path / f"{task}.yaml").write_text(TASK.format(task=task, folder=tmp_path))
        lines = [json.dumps({"question": f"{i}?", "answer": i % 2}) for i in range(6)]
        (tmp_path / f"{task}.jsonl").write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-P", "-c", WRITE, tmp_path],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    written = [line.split()[1:] for line in done.stdout.splitlines() if line[:8] == "accuracy"]
    folders = [next((tmp_path / f"stage{stage}").iterdir()) for stage in range(3)]
    files = [next(folder.glob("results_*.json")) for folder in folders]
    (logged,) = read(files, "score", ["river", "oven"])
    np.testing.assert_array_equal(logged.matrix, np.array(written, dtype=float))
    assert (logged.name, logged.sizes) == ("lm-eval acc,none", (6, 6))
    (alone,) = read([folders[2]], "score")  # the folder that lm-eval makes
    np.testing.assert_array_equal(alone.matrix[2], logged.matrix[2])
    ours = results({"river": {"acc,none": 0.5}, "oven": {"acc,none": 0.5}})
    real = json.loads(files[0].read_text())
    assert set(ours) <= set(real)
    assert set(ours["results"]["river"]) <= set(real["results"]["river"])
    assert real["higher_is_better"]["river"] == ours["higher_is_better"]["river"]
