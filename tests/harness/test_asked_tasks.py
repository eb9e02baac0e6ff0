"""A task of lm-evaluation-harness over a whole run on a tiny base, from the suite to the report."""

from __future__ import annotations

import json

import pytest
import yaml

pytest.importorskip("torch")

from classay import runner, study
from classay.evidence.rerun import judge
from classay.prepare import Options, prepare
from classay.provenance import manifest, verify
from classay.records import TaskRow
from classay.reports.sections import tasks
from classay.suite_file import load

FORM = {
    "task": "words",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "words.jsonl"}},
    "output_type": "multiple_choice",
    "doc_to_text": "{{prompt}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
DOCS = [{"prompt": f"word {i}:", "choices": ["bank", "crust"], "gold": i % 2} for i in range(5)]


@pytest.fixture
def run(suite_file, tiny_base, tmp_path):
    def go(out: str, share: bool = True):
        place = suite_file.parent
        (place / "words.yaml").write_text(yaml.safe_dump(FORM), "utf-8")
        (place / "words.jsonl").write_text("\n".join(map(json.dumps, DOCS)), "utf-8")
        asked = [{"path": "words.yaml", "domain": "river"}]
        suite = load(
            suite_file,
            {
                "base.path": str(tiny_base),
                "evaluation.lm_eval": asked,
                "methods": ["naive_lora", "frozen"],
            },
        )
        options = Options(place, tmp_path / out, "cpu", 1, 1, share)
        folder = prepare(suite, options)
        runner.execute(folder, options, lambda name, done: None, lambda name, said: None)
        manifest.write(folder)
        return study.load(folder.path)

    return go


def test_it_is_asked_before_training_and_after_every_phase(run):
    shared, alone = run("runs"), run("alone", share=False)
    assert shared.tasks == ["words"]
    for method in ("naive_lora", "frozen"):
        (rows,) = shared.task("words", method)
        assert [row.after for row in rows] == [-1, 0, 1, 2]
        assert {(row.asked, row.domain, row.digest) for row in rows} == {
            (5, "river", shared.setting["content"]["task words"])
        }
        assert [row.shared for row in rows] == ["shared/base", None, None, None]
    # the adapter of river answers, which FROZEN never trains again
    (rows,) = shared.task("words", "frozen")
    assert len({tuple(row.right.items()) for row in rows[1:]}) == 1
    assert verify.same_facts(shared.folder, alone.folder) == []

    html = str(tasks.build(shared, judge(shared)))
    assert "words: acc (%), 5 questions, the adapter of river answers" in html
    assert "Wilson's 95 % interval" in html


def test_a_run_without_tasks_says_so(run, suite_file, tiny_base, tmp_path):
    suite = load(suite_file, {"base.path": str(tiny_base)})
    folder = prepare(suite, Options(suite_file.parent, tmp_path / "none"))
    none = study.load(folder.path)
    assert "asks no task of lm-evaluation-harness" in str(tasks.build(none, judge(none)))
    assert all(not run.of(TaskRow) for run in none.cells)
