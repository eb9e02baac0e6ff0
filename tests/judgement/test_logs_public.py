"""Readers of what public repositories hold: on the real files, and on lines in their form."""

import json

import numpy as np
import pytest

from classay.errors import ConfigError
from classay.logs.choose import read


@pytest.fixture
def raw(shared):
    return shared / "oracles" / "raw"


@pytest.fixture
def published(shared):
    """The matrices as somebody else took them from the same files."""
    path = shared / "oracles" / "score_matrices.json"
    return {logged.name: logged for logged in read([path], "score")}


def line(total, **cells):
    text = ", ".join(f"'{k.strip('_').replace('_', '-')}': {v}" for k, v in cells.items())
    return f"2025-01-01 00:00:00,000 [trainer.py] => CNN: {{'total': {total}, {text}}}\n"


def log(tmp_path, *lines):
    path = tmp_path / "run.log"
    path.write_text("".join(lines))
    return read([path], "score")


FIRST = line(90.0, _00_09=90.0, old=0, new=90.0)
SECOND = line(80.0, _00_09=75.5, _10_19=84.5, old=75.5, new=84.5)


@pytest.mark.parametrize("name", ["order1_olora", "order1_seqlora"])
def test_o_lora_folders(raw, published, name):
    (logged,) = read([raw / "O-LoRA" / name], "score")
    np.testing.assert_array_equal(logged.matrix, published[f"O-LoRA/{name}"].matrix)
    np.testing.assert_array_equal(logged.totals, published[f"O-LoRA/{name}"].totals)
    assert logged.tasks == ("dbpedia", "amazon", "yahoo", "agnews")
    assert (logged.name, logged.step) == (name, 0.0001)


def test_o_lora_sizes_are_what_the_number_of_samples_grew_by(raw):
    (whole,) = read([raw / "O-LoRA" / "order1_olora"], "score")
    (broken,) = read([raw / "O-LoRA" / "order1_seqlora"], "score")
    assert (whole.sizes, broken.sizes) == ((7600,) * 4, ())
    assert [s.printed.text for s in whole.stated] == ["78.3651"]
    assert broken.notes == (
        "Row 3 is missing: 3-yahoo/all_results.json holds no predict_exact_match.",
    )


def test_every_run_of_o_lora_in_a_folder_is_found(raw):
    assert [logged.name for logged in read([raw / "O-LoRA"], "score")] == [
        "order1_olora",
        "order1_seqlora",
    ]


def test_o_lora_folders_may_lie_in_outputs_and_must_be_complete(tmp_path):
    for i, task in [(1, "a"), (3, "C")]:
        (tmp_path / "outputs" / f"{i}-{task}").mkdir(parents=True)
    result = {"predict_exact_match_for_c": 50.0, "predict_exact_match_for_a": 25.5}
    (tmp_path / "outputs" / "3-C" / "all_results.json").write_text(json.dumps(result))
    with pytest.raises(ConfigError, match=r"stages up to 3 and no folder for \[2\]"):
        read([tmp_path], "score")
    (tmp_path / "outputs" / "2-b").mkdir()
    (logged,) = read([tmp_path], "score")
    assert logged.tasks == ("a", "b", "C")
    np.testing.assert_array_equal(logged.matrix[3], [25.5, np.nan, 50])
    assert np.all(np.isnan(logged.matrix[:3]))
    (tmp_path / "outputs" / "2-b" / "all_results.json").write_text('{"predict_exact_match": "x"}')
    with pytest.raises(ConfigError, match="not what O-LoRA's evaluation writes"):
        read([tmp_path], "score")
    large = '{"predict_exact_match": 1e99999999999999999999}'
    (tmp_path / "outputs" / "2-b" / "all_results.json").write_text(large)
    with pytest.raises(ConfigError, match="the number 1e99999999999999999999, which is beyond"):
        read([tmp_path], "score")


def test_inflora_logs_of_several_runs_and_of_one(raw, published):
    place = "InfLoRA/cifar100/10_10_sip/InfLoRA/adam/10/0.95_1.0-0.0005"
    runs = read([raw / "InfLoRA" / "cifar100" / "0.log"], "score")
    assert [run.name for run in runs] == [f"0.log#{k}" for k in range(5)]
    assert [run.notes[0] for run in runs] == [f"Seed {k}, by the log." for k in range(5)]
    for run in runs:
        expected = published[f"{place}/{run.name}"]
        np.testing.assert_array_equal(run.matrix, expected.matrix)
        np.testing.assert_array_equal(run.totals, expected.totals)
    (alone,) = read([raw / "InfLoRA" / "cifar100" / "1993.log"], "score")
    np.testing.assert_array_equal(alone.matrix, published[f"{place}/1993.log#0"].matrix)
    assert alone.name == "1993.log"


def test_sd_lora_gives_the_authors_matrix_and_the_one_whose_columns_are_tasks(raw, published):
    as_printed, by_task = read([raw / "SD-LoRA" / "InA.log"], "score")
    np.testing.assert_array_equal(as_printed.matrix, published["SD-LoRA/InA.log"].matrix)
    assert (as_printed.name, by_task.name) == ("InA.log", "InA.log (by task)")
    assert (as_printed.mixed, by_task.mixed) == (True, False)
    assert "column 2 is 20-39 up to stage 5 and 100-119 from stage 6 on" in as_printed.notes[1]
    assert by_task.tasks[:2] == ("00-19", "20-39")
    # the log's own 'new': what was learned last at each stage
    new = [82.29, 77.84, 75.86, 71.17, 68.53, 73.88, 64.38, 59.06, 55.1, 56.45]
    np.testing.assert_array_equal(np.diagonal(by_task.matrix, -1), new)
    assert [(s.label, s.printed.text) for s in by_task.stated] == [
        ("Average Accuracy (CNN)", "68.771"),
        ("Forgetting (CNN)", "12.091111111111111"),
    ]


def test_a_log_below_class_100_has_one_matrix(tmp_path):
    said = "Forgetting (CNN): 14.5\n"
    (logged,) = log(tmp_path, FIRST, SECOND, said, SECOND)  # printed and logged: twice
    np.testing.assert_array_equal(logged.matrix[1:], [[90, np.nan], [75.5, 84.5]])
    assert (logged.mixed, logged.step, logged.name) == (False, 0.01, "run.log")
    assert logged.totals == (90.0, 80.0)


@pytest.mark.parametrize(("forgetting", "names"), [("14.5", 1), ("9.0", 1), ("25.25", 2)])
def test_columns_are_sorted_as_text_only_where_the_printed_number_says_so(
    tmp_path, forgetting, names
):
    stages = (
        line(90.0, _00_49=90.0),
        line(80.0, _00_49=70.0, _50_99=80.0),
        line(70.0, _00_49=70.0, _50_99=71.0, _100_149=49.5),
    )
    # by task: 20 and 9, mean 14.5; as text, 100-149 stands before 50-99: 20 and 30.5, mean 25.25
    found = log(tmp_path, *stages, f"[trainer.py] => Forgetting (CNN): {forgetting}\n")
    assert len(found) == names
    assert [logged.mixed for logged in found] == [True, False][2 - names :]
    assert found[-1].tasks == ("00-49", "50-99", "100-149")


def test_a_run_begins_where_the_class_ranges_begin_again(tmp_path):
    head = "[trainer.py] => total_sessions: 3\n[trainer.py] => seed: {}\n"
    one, two = log(tmp_path, head.format(7), FIRST, SECOND, head.format(8), FIRST)
    assert (one.name, two.name, two.group) == ("run.log#0", "run.log#1", "run.log")
    assert one.notes[0] == "Seed 7, by the log."
    assert "ends after stage 1 of 3" in two.notes[1]


def test_two_classifiers_in_one_log_are_two_matrices(tmp_path):
    found = log(tmp_path, FIRST, FIRST.replace("CNN", "NME").replace("90.0", "91.0"))
    assert {f.name: f.matrix[1, 0] for f in found} == {"run.log (CNN)": 90, "run.log (NME)": 91}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SECOND], "2 class ranges at stage 1"),
        ([FIRST, line(1.0, _00_09=1.0, _10_19=1.0, _20_29=1.0)], "3 class ranges at stage 2"),
        ([FIRST, line(1.0, _00_19=1.0, _20_39=1.0)], "2 class ranges at stage 2"),
        ([line("nan", _00_09="nan")], "the accuracy of 'total' is nan"),
        ([FIRST, FIRST.replace("90.0", "91.0")] * 101, "more than 200 runs"),
        (["x CNN: {'total'" + "CNN: {" * 300_000], "0 class ranges at stage 1"),
    ],
)
def test_a_log_that_leaves_something_out_is_refused(tmp_path, lines, said):
    with pytest.raises(ConfigError, match=f"line .*{said}"):
        log(tmp_path, *lines)


def test_peft_results_are_one_task_and_a_number_that_cannot_be_recomputed(raw):
    found = {logged.name.partition("/")[0]: logged for logged in read([raw / "PEFT"], "score")}
    assert sorted(found) == ["full-finetuning", "ln_tuning", "lora", "osf", "unilora"]
    lora = found["lora"]
    assert lora.matrix[1, 0] == pytest.approx(631 / 1319)
    assert np.isnan(lora.matrix[0, 0])
    assert [s.printed.text for s in lora.stated] == ["0.04995572566986084"]
    assert "holds only their difference" in lora.stated[0].needs
    assert "from 0.982 in the first window to 0.607 in the last" in lora.notes[0]


def test_a_peft_run_that_did_not_end_is_refused_or_told(tmp_path, raw):
    said = json.loads((raw / "PEFT" / "osf--llama-3.2-3B-rank128.json").read_text())
    path = tmp_path / "osf.json"
    said["train_info"]["status"] = "canceled"
    path.write_text(json.dumps(said))
    assert read([path], "score")[0].notes[1] == "The run's own status is 'canceled'."
    path.write_text(json.dumps(said).replace('"train loss": ', '"train loss": 1e9999999, "x": ', 1))
    with pytest.raises(ConfigError, match="the number 1e9999999, which is beyond"):
        read([path], "score")
    del said["train_info"]["metrics"][-1]
    path.write_text(json.dumps(said))
    with pytest.raises(ConfigError, match="lacks 'test accuracy'"):
        read([path], "score")
