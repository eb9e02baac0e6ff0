"""Rung 2, from the command line: what a logged matrix says, and what of what was printed."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest

from classay import registry
from classay.claims import quoted
from classay.claims.verdict import Verdict
from classay.errors import ConfigError
from classay.evidence.logged import recompute
from classay.logs.choose import read
from classay.logs.logged import Logged

pytestmark = pytest.mark.torchless

# rows: before training, after stage 1, 2, 3; the matrix of tests/harness/metrics/test_scores.py
SCORE = [[10, 20, 30], [80, 26, 33], [84, 50, 42], [60, 55, 90]]
SCORES = "\n".join(",".join(map(str, row)) for row in SCORE)
WITHOUT_BASE = "80,,\n84,50,\n60,55,90\n"


@pytest.fixture
def said(command):
    """Its JSON and its exit code."""

    def call(*words):
        code, out, err = command("recompute", *words, "--json")
        assert err == ""
        return json.loads(out), code

    return call


@pytest.fixture
def csv(tmp_path):
    def call(text, name="r.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return call


@pytest.fixture
def oracles(shared):
    return shared / "oracles"


def logged(rows, kind="score", **more):
    values = np.array(rows, dtype=float)
    tasks = tuple(f"task {j}" for j in range(values.shape[1]))
    return Logged("m", "m.csv", "0" * 64, values, kind, tasks, **more)


def values(matrix):
    return {c.name: c.value for c in recompute([matrix]).matrices[0].conventions}


# --- the acceptance lines


def test_it_reproduces_every_expected_value(oracles, said):
    """The name that contradicts its matrix is in this file, so the exit code is 1."""
    published = json.loads((oracles / "score_matrices.json").read_text())
    answer, code = said(oracles / "score_matrices.json")
    found = {matrix["name"]: matrix for matrix in answer["matrices"]}
    assert set(found) == set(published)
    assert (answer["holds"], code) == (False, 1)
    compared = 0
    for name, entry in published.items():
        assert found[name]["T"] == entry["expected"]["T"]
        assert found[name]["missing"] == entry["expected"].get("missing", [])
        for key, value in entry["expected"].items():
            if key not in {"T", "missing"}:
                # the file prints six decimals
                assert found[name]["conventions"][key] == pytest.approx(value, abs=1e-6)
                compared += 1
    assert compared == 111


def test_it_reproduces_every_logged_forgetting_by_naming_its_convention(oracles, said):
    published = json.loads((oracles / "score_matrices.json").read_text())
    answer, _ = said(oracles / "score_matrices.json")
    named = {
        matrix["name"]: {match["convention"] for match in comparison["agrees"]}
        for matrix in answer["matrices"]
        for comparison in matrix["printed"]
        if comparison["verdict"] == "supported"
    }
    assert set(named) == {n for n, entry in published.items() if "logged_forgetting" in entry}
    assert named["SD-LoRA/InA.log"] == {"F_max_incl_final"}
    assert named["SD-LoRA/InR-T10.log"] == {"F_max_incl_final", "F_max_excl_final"}


def test_the_missing_row_is_not_computable(oracles, said):
    answer, code = said(oracles / "raw" / "O-LoRA" / "order1_seqlora")
    (matrix,) = answer["matrices"]
    assert matrix["conventions"]["AP_macro"] == pytest.approx(62.875)
    assert matrix["conventions"]["BWT_Tminus1"] is None
    assert matrix["not_computable"]["BWT_Tminus1"] == "R[3] missing"
    assert matrix["retention"]["verdict"] == "not computable"
    assert code == 0


def test_the_name_that_contradicts_its_matrix_is_reported(oracles, said):
    answer, _ = said(oracles / "score_matrices.json")
    found = {m["name"]: m["contradictions"] for m in answer["matrices"] if m["contradictions"]}
    assert found == {
        "SD-LoRA/InR-T10.log": ["the name says 'T10', 10 tasks; the matrix has 20"],
    }


def test_who_learned_nothing_gets_no_retention_verdict(oracles, said):
    answer, code = said(oracles / "raw" / "PEFT")
    found = {m["name"].partition("/")[0]: m for m in answer["matrices"]}
    assert {name for name, m in found.items() if m["learned"]["known"] is False} == {
        "unilora",
        "ln_tuning",
    }
    for name in ("unilora", "ln_tuning"):
        assert found[name]["retention"]["verdict"] == "not tested"
        assert "learned nothing" in found[name]["retention"]["words"]
        assert [c["verdict"] for c in found[name]["printed"]] == ["not tested"]
    for name in ("lora", "full-finetuning", "osf"):
        assert [c["verdict"] for c in found[name]["printed"]] == ["not computable"]
        assert "holds only their difference" in found[name]["printed"][0]["words"]
    assert code == 0


def test_learning_nothing_is_not_read_off_the_name(oracles, said, tmp_path):
    for name in ("unilora--llama-3.2-3B-default", "lora--llama-3.2-3B-rank32"):
        entry = json.loads((oracles / "raw" / "PEFT" / f"{name}.json").read_text())
        entry["run_info"]["experiment_name"] = "other"
        entry["run_info"]["peft_config"] = {}
        path = tmp_path / "other.json"
        path.write_text(json.dumps(entry))
        (matrix,) = said(path)[0]["matrices"]
        assert (matrix["learned"]["known"] is False) == name.startswith("unilora")


def test_a_spread_is_named_and_a_mean_that_does_not_agree_is_told(oracles, said):
    path = oracles / "raw" / "InfLoRA" / "cifar100" / "0.log"
    answer, code = said(path, "--printed", "86.51±0.73")
    mean, spread = answer["printed"]
    (runs,) = answer["runs"]
    assert runs["conventions"]["AP_macro"]["mean"] == pytest.approx(86.326)
    assert runs["conventions"]["AP_macro"]["sample_sd"] == pytest.approx(0.813, abs=5e-4)
    assert runs["conventions"]["AP_macro"]["population_sd"] == pytest.approx(0.7275, abs=5e-5)
    assert mean["verdict"] == "not supported by the logged data"
    assert mean["words"] == (
        "agrees with no convention; nearest is mean of AP_macro over 5 runs = 86.326, off by +0.184"
    )
    assert spread["verdict"] == "supported"
    assert spread["words"] == "agrees with population sd of AP_macro over 5 runs = 0.727505"
    assert code == 1


def test_what_the_trainer_of_sd_lora_printed_is_of_columns_that_are_not_tasks(oracles, said):
    answer, code = said(oracles / "raw" / "SD-LoRA" / "InA.log")
    as_printed, by_task = answer["matrices"]
    forgetting = [{c["label"]: c for c in m["printed"]} for m in answer["matrices"]]
    assert [f["Forgetting (CNN)"]["verdict"] for f in forgetting] == [
        "supported",
        "not supported by the logged data",
    ]
    assert as_printed["conventions"]["F_max_incl_final"] == pytest.approx(12.091111, abs=1e-6)
    assert as_printed["conventions"]["F_max_excl_final"] == pytest.approx(11.977778, abs=1e-6)
    assert as_printed["retention"] == {
        "verdict": "not computable",
        "words": "its columns are not tasks",
    }
    # with one task a column, the maximum is never in the final stage
    assert by_task["conventions"]["F_max_incl_final"] == pytest.approx(10.413333, abs=1e-6)
    assert by_task["conventions"]["F_max_excl_final"] == pytest.approx(10.413333, abs=1e-6)
    assert [f["Average Accuracy (CNN)"]["agrees"][0]["convention"] for f in forgetting] == [
        "AvgIncremental_micro"
    ] * 2
    assert code == 1


def test_micro_accuracy_is_recomputed_where_the_sizes_are_known(oracles, said):
    answer, code = said(oracles / "raw" / "O-LoRA" / "order1_olora")
    (comparison,) = answer["matrices"][0]["printed"]
    assert comparison["verdict"] == "supported"
    assert {m["convention"] for m in comparison["agrees"]} == {"AP_macro", "AP_micro"}
    assert code == 0


# --- by hand


def test_every_metric_is_there_by_its_name_with_a_value_or_a_reason(csv, said):
    (matrix,) = said(csv(SCORES))[0]["matrices"]
    assert set(matrix["metrics"].values()) >= set(registry.names("metric"))
    empty = {name for name, value in matrix["conventions"].items() if value is None}
    assert empty == set(matrix["not_computable"])
    assert all(matrix["not_computable"].values())
    by_hand = {
        "AP_macro": 205 / 3,
        "BWT_Tminus1": -7.5,
        "F_max_incl_final": 12.0,
        "forward_transfer": 9.0,
        "learning_gain_score": 160 / 3,
        "score_change_vs_base": 145 / 3,
        "backward_transfer_libcontinual": -20 / 3,
    }
    for name, value in by_hand.items():
        assert matrix["conventions"][name] == pytest.approx(value)
    reasons = matrix["not_computable"]
    assert reasons["drift_worst"] == "it reads losses, and this is a matrix of scores"
    assert reasons["AP_micro"] == "test-set sizes not given"
    assert "jointly" in reasons["intransigence"]
    assert matrix["learned"] == {
        "known": True,
        "gain": pytest.approx(160 / 3),
        "words": "the mean gain over the base is 53.33 on the scale of 0 to 100",
    }


def test_without_the_row_before_training_what_needs_it_says_so(csv, said):
    (matrix,) = said(csv(WITHOUT_BASE))[0]["matrices"]
    reasons = matrix["not_computable"]
    for name in ("forward_transfer", "forward_transfer_over_t", "learning_gain_score"):
        assert reasons[name] == "there is no row before training"
    assert "after phase 1 on domain 2 is missing" in reasons["forward_transfer_without_base"]
    assert matrix["learned"]["known"] is None
    assert matrix["retention"]["verdict"] == "not tested"
    assert "BWT_Tminus1 is -7.5 points" in matrix["retention"]["words"]


def test_losses_are_read_where_that_is_said(csv, said):
    (matrix,) = said(csv("4,4\n2,3\n3,1\n"), "--loss")[0]["matrices"]
    assert matrix["conventions"]["drift_prior_vs_own"] == pytest.approx(50.0)  # 2 -> 3
    assert matrix["conventions"]["learning_gain"] == pytest.approx(2.5)
    assert matrix["conventions"]["loss_rise_vs_base"] == pytest.approx(-2.0)
    assert matrix["not_computable"]["AP_macro"] == "it reads scores, and this is a matrix of losses"
    assert matrix["learned"]["known"] is True


def test_sizes_weigh_the_tasks():
    found = values(logged(SCORE, sizes=(1, 1, 2)))
    assert found["AP_micro"] == pytest.approx((60 + 55 + 2 * 90) / 4)
    assert found["AvgIncremental_micro"] == pytest.approx((80 + 67 + 73.75) / 3)
    assert values(logged(SCORE, sizes=(5, 5, 5)))["AP_micro"] == pytest.approx(205 / 3)


def test_forgetting_follows_from_two_means_where_every_best_is_on_the_diagonal():
    (found,) = recompute([logged([[np.nan] * 2, [80, np.nan], [70, 90]])]).matrices
    assert found.notes == (
        "Every best is on the diagonal, so forgetting must be T/(T−1)·(LA − AP) = 10; "
        "F_max_incl_final is 10.",
    )
    assert recompute([logged(SCORE)]).matrices[0].notes == ()


@pytest.mark.parametrize(
    ("rows", "kind", "known"),
    [
        ([[10, 10], [80, 10], [70, 90]], "score", True),
        ([[80, 90], [80, 10], [70, 90]], "score", False),
        ([[0.1, 0.1], [0.105, 0.1], [0.1, 0.105]], "score", False),  # half a point
        ([[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]], "score", True),
        ([[np.nan] * 2, [0.005, 0], [0, 0.001]], "score", False),  # no base could be lower
        ([[np.nan] * 2, [0.5, 0], [0, 0.5]], "score", None),
        ([[3, 3], [2, 3], [2, 2]], "loss", True),
        ([[3, 3], [2.99, 3], [3, 2.99]], "loss", False),
        ([[np.nan] * 2, [2, 3], [2, 2]], "loss", None),
        ([[10, np.nan], [10, 10], [10, np.nan]], "score", False),
    ],
)
def test_learning_is_the_diagonal_above_the_row_before_training(rows, kind, known):
    (found,) = recompute([logged(rows, kind)]).matrices
    assert found.learned.known is known
    assert (found.retention.words == found.learned.words) == (known is False)
    if known is False:
        assert found.retention.verdict is Verdict.NOT_TESTED


# --- what is quoted


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        ("BWT=-7.5", "supported", "BWT_Tminus1 = -7.5"),
        ("backward_transfer=-7.5", "supported", "BWT_Tminus1 = -7.5"),
        ("BWT_Tminus1=-7.5", "supported", "BWT_Tminus1 = -7.5"),
        ("-7.50", "supported", "BWT_Tminus1 = -7.5"),
        ("forgetting=7.5", "supported", "BWT_Tminus1 = -7.5 (with its sign turned around)"),
        ("forgetting=12", "supported", "F_max_incl_final = 12"),
        ("forgetting=9.5", "supported", "F_max_excl_final = 9.5"),
        ("average accuracy=68.3", "supported", "AP_macro = 68.3333"),
        ("average accuracy=0.6833", "supported", "AP_macro = 68.3333 (as a fraction)"),
        ("accuracy=68.33%", "supported", "AP_macro"),
        ("drift=-7.5", "supported", "BWT_Tminus1"),
        ("F=10.9", "not supported", "no convention; nearest is F_max_incl_final = 12, off by -1.1"),
        (
            "forgetting=68.33",
            "not supported",
            "only with AP_macro = 68.3333, which is not retention",
        ),
        ("BWT_divT=-7.5", "not supported", "which is not BWT_divT; nearest is BWT_divT = -5"),
        ("AP_micro=68.3", "not computable", "test-set sizes not given"),
        ("intransigence=3", "not computable", "trained on all tasks jointly"),
        ("accuracy=68.33±1", "not computable", "a spread needs several runs"),
    ],
)
def test_a_quoted_number_is_compared_with_every_convention(csv, said, text, verdict, words):
    answer, code = said(csv(SCORES), "--printed", text)
    last = answer["printed"][-1]
    assert last["verdict"].startswith(verdict)
    assert words in last["words"]
    assert code == int(verdict == "not supported")


# a fall: BWT = 75.1 - 81.5 = -6.4 and forgetting = 6.4; relative to 81.5 it is -7.85 %
FALL = "81.5,\n75.1,88.0\n"
# a rise: BWT = 87.9 - 81.5 = 6.4; no maximum was lost, and the first score minus the last is -6.4
RISE = "81.5,\n87.9,88.0\n"
TURNED = " (with its sign turned around)"


@pytest.mark.parametrize(
    ("matrix", "text", "conventions"),
    [
        (FALL, "BWT=-6.4", ["BWT_Tminus1 = -6.4", f"F_max_incl_final = 6.4{TURNED}"]),
        (FALL, "BWT=6.4", []),
        (FALL, "BWT=+6.4", []),
        (FALL, "BWT_Tminus1=6.4", []),
        (FALL, "backward_transfer=+6.4", []),
        (FALL, "forgetting=6.4", [f"BWT_Tminus1 = -6.4{TURNED}", "F_max_incl_final = 6.4"]),
        (FALL, "forgetting=+6.4", ["F_max_incl_final = 6.4"]),
        (FALL, "forgetting=-6.4", ["BWT_Tminus1 = -6.4"]),
        (FALL, "F_max_incl_final=-6.4", []),
        (FALL, "drift=6.4", [f"BWT_Tminus1 = -6.4{TURNED}", "F_max_incl_final = 6.4"]),
        (FALL, "drift=-7.85%", ["rel_drift_excl_last = -0.0785276 (in percent)"]),
        (FALL, "drift=7.85%", []),
        (FALL, "rel_drift_excl_last=7.85%", []),
        (FALL, "BWT=7.85%", []),
        (FALL, "-6.4", ["BWT_Tminus1 = -6.4"]),
        (FALL, "6.4", ["F_max_incl_final = 6.4"]),
        (RISE, "BWT=+6.4", ["BWT_Tminus1 = 6.4"]),
        (RISE, "forgetting=6.4", []),
        (RISE, "forgetting=-6.4", [f"BWT_Tminus1 = 6.4{TURNED}"]),
    ],
)
def test_a_sign_is_turned_around_only_between_families(csv, said, matrix, text, conventions):
    answer, code = said(csv(matrix), "--printed", text)
    (comparison,) = answer["printed"]
    supported = comparison["verdict"] == "supported"
    assert (supported, code) == (bool(conventions), int(not conventions))
    for name in ("BWT_Tminus1", "F_max_incl_final", "rel_drift_excl_last"):
        told = [words for words in conventions if words.startswith(name)]
        assert all(words in comparison["words"] for words in told)
        assert not supported or bool(told) == (name in comparison["words"])


# on the first task 2 -> 3, a drift of 50 %; against the base -2/5 and -3/4, in the mean -57.5 %; at
# the end (3 + 1) / 2 = 2 and before training 4.5; learned 5 - 2 and 4 - 1
LOSSES = "5,4\n2,3\n3,1\n"


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        ("drift=50%", "supported", "drift_prior_vs_own = 50"),
        ("drift=-50%", "not supported", "nearest is drift_all_vs_base = -57.5, off by +7.5"),
        ("BWT=-50%", "supported", f"drift_prior_vs_own = 50{TURNED}"),
        ("BWT=50%", "not supported", f"drift_all_vs_base = -57.5{TURNED}, off by -7.5"),
        ("BWT=57.5%", "supported", f"drift_all_vs_base = -57.5{TURNED}"),
        ("BWT=+57.5%", "not supported", "agrees with no convention"),
        ("loss=2.0", "supported", "final_loss = 2"),
        ("final=2.0", "supported", "final_loss = 2"),
        ("loss=2.0%", "not supported", "agrees with no convention"),
        ("loss=50", "not supported", "which is not final_loss"),
        ("loss gain=3.0", "supported", "learning_gain = 3"),
        ("loss rise=-2.5", "supported", "loss_rise_vs_base = -2.5"),
    ],
)
def test_a_number_quoted_of_losses(csv, said, text, verdict, words):
    answer, _ = said(csv(LOSSES), "--loss", "--printed", text)
    assert answer["printed"][0]["verdict"].startswith(verdict)
    assert words in answer["printed"][0]["words"]


def test_a_loss_is_not_computable_from_scores(csv, said):
    answer, code = said(csv("81.55\n"), "--printed", "loss=81.55", "--printed", "eval_loss=81.55")
    for comparison in answer["printed"]:
        assert comparison["verdict"] == "not computable"
        assert comparison["words"] == "it reads losses, and this is a matrix of scores"
    assert code == 0


@pytest.mark.parametrize(
    ("cell", "text", "verdict", "words"),
    [
        ("81.55", "81.55%", "supported", "AP_macro = 81.55"),
        ("81.55", "0.8155", "supported", "AP_macro = 81.55 (as a fraction)"),
        ("81.55", "0.8155%", "not supported", "= 81.55, off by -80.7345"),
        ("0.8155", "81.55%", "supported", "AP_macro = 0.8155 (in percent)"),
        ("0.8155", "81.55 %", "supported", "AP_macro = 0.8155 (in percent)"),
        ("0.8155", "0.8155", "supported", "AP_macro = 0.8155"),
        ("0.8155", "0.8155%", "not supported", "0.8155 (in percent), off by -80.7345"),
    ],
)
def test_behind_a_percent_sign_nothing_is_a_fraction(csv, said, cell, text, verdict, words):
    answer, _ = said(csv(f"{cell}\n"), "--printed", f"ACC={text}")
    assert answer["printed"][0]["verdict"].startswith(verdict)
    assert words in answer["printed"][0]["words"]
    assert answer["printed"][0]["printed"] == text.replace(" ", "")


@pytest.mark.parametrize(("text", "holds"), [("81.0±1.0%", True), ("81.0%±0.010", False)])
def test_a_percent_sign_is_of_the_spread_as_well(text, holds):
    # 0.80 and 0.82: their mean is 0.81 and the standard deviation over both 0.01, which is 1 %
    runs = [logged([[np.nan], [0.80]]), logged([[np.nan], [0.82]])]
    runs = [run._replace(name=f"x#{k}") for k, run in enumerate(runs)]
    _, spread = recompute(runs, [quoted.read(f"accuracy={text}")]).printed
    assert (spread.verdict is Verdict.SUPPORTED) == holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("68.3", "AP_macro = 68.3333"),
        ("68.33333", "AP_macro = 68.3333"),
        ("68.34", "(within the rounding of the matrix's cells)"),  # cells of whole points
        ("73.33", "LA_diag_mean = 73.3333"),
        ("69.833", "A_DiazRodriguez = 69.8333"),
        ("71.77", "AvgIncremental_macro = 71.7778 (truncated)"),
    ],
)
def test_printed_precision_and_rounding_are_minded(csv, said, text, words):
    answer, _ = said(csv(SCORES), "--printed", f"accuracy={text}")
    assert words in answer["printed"][0]["words"]


def test_a_number_in_full_is_compared_as_doubles_can_be():
    third = logged([[np.nan], [1.0]], totals=(100 / 3,))
    text = "33.333333333333336"
    (said,) = recompute([third], [quoted.read(text)]).printed
    assert said.verdict is Verdict.SUPPORTED
    (said,) = recompute([third], [quoted.read("33.333333333433336")]).printed
    assert said.verdict is Verdict.NOT_SUPPORTED_BY_LOG


def test_nothing_printed_of_retention_is_supported_where_nothing_was_learned():
    idle = logged([[80, 90], [80, 90], [80, 90]])
    quotes = [quoted.read(text) for text in ("forgetting=0.0", "forgetting=3", "accuracy=85.0")]
    assert [c.verdict for c in recompute([idle], quotes).printed] == [
        Verdict.NOT_TESTED,
        Verdict.NOT_TESTED,
        Verdict.SUPPORTED,
    ]


def test_a_quoted_number_may_be_of_any_of_the_files(csv, said):
    one, two = csv("80\n", "one.csv"), csv("90\n", "two.csv")
    answer, code = said(one, two, "--printed", "accuracy=90", "--printed", "accuracy=85")
    assert [c["verdict"] for c in answer["printed"]] == [
        "supported",
        "not supported by the logged data",
    ]
    assert {m["matrix"] for m in answer["printed"][0]["agrees"]} == {"two"}
    assert code == 1


def test_runs_are_aggregated_and_one_that_ended_early_is_left_out():
    rows = [[80.0], [82.0], [87.0]]
    runs = [logged([[np.nan], row])._replace(name=f"x.log#{k}") for k, row in enumerate(rows)]
    longer = [
        run._replace(
            matrix=np.array([[np.nan] * 2, [run.matrix[1, 0], 0], [70, 90]]), tasks=("a", "b")
        )
        for run in runs
    ]
    (group,) = recompute(runs).groups
    by_name = {c.name: c for c in group.conventions}
    assert by_name["AP_macro"].mean == pytest.approx(83.0)
    assert by_name["AP_macro"].sample_sd == pytest.approx(13**0.5)  # 9 + 1 + 16 over 2
    assert by_name["AP_macro"].population_sd == pytest.approx((26 / 3) ** 0.5)
    (group,) = recompute([runs[0], *longer[1:]]).groups
    assert (group.runs, group.left_out) == (("x.log#1", "x.log#2"), ("x.log#0",))
    assert recompute(runs[:1]).groups == ()


# --- laws


def test_the_names_of_tasks_and_of_files_change_no_number():
    other = logged(SCORE)._replace(tasks=("c", "a", "b"), name="n", source="elsewhere")
    assert values(other) == values(logged(SCORE))


def test_the_order_of_the_files_changes_no_result(csv):
    paths = [csv("80\n", "one.csv"), csv(SCORES, "two.csv"), csv("90\n", "three.csv")]
    there = recompute(read(paths, "score")).matrices
    back = recompute(read(paths[::-1], "score")).matrices
    assert [m.conventions for m in there] == [m.conventions for m in back[::-1]]


def test_the_order_of_runs_changes_no_aggregate():
    rng = np.random.default_rng(3)
    runs = [logged(rng.uniform(10, 90, (4, 3)))._replace(name=f"x#{k}") for k in range(5)]
    (there,), (back,) = recompute(runs).groups, recompute(runs[::-1]).groups
    for one, other in zip(there.conventions, back.conventions, strict=True):
        assert one.name == other.name
        assert one[4:] == pytest.approx(other[4:])


def test_fractions_and_percent_agree_with_the_same_printed_numbers():
    rows = np.array(SCORE) / 100
    for text in ("BWT=-7.5", "AP_macro=68.33", "rel_drift_excl_last=-7.5"):
        (said,) = recompute([logged(rows)], [quoted.read(text)]).printed
        assert said.verdict is Verdict.SUPPORTED
        assert all(match.how == "in percent" for match in said.matches[:1])


def test_a_matrix_is_not_changed_by_being_read():
    matrix = logged(SCORE)
    before = matrix.matrix.copy()
    matrix.matrix.setflags(write=False)
    recompute([matrix], [quoted.read("3")])
    np.testing.assert_array_equal(matrix.matrix, before)


# --- names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("InR-T10.log", "'T10', 10 tasks"),
        ("x_T20_y", "'T20', 20 tasks"),
        ("cifar_10tasks", "'10tasks', 10 tasks"),
        ("cifar-5-tasks", "'5-tasks', 5 tasks"),
        ("T3", ""),
        ("three_3tasks", ""),
        ("T5-large", ""),
        ("t10", ""),
        ("BERT10", ""),
        ("task12", ""),
        ("T100k", ""),
    ],
)
def test_a_number_of_tasks_in_a_name_is_held_against_the_matrix(name, said):
    (found,) = recompute([logged(SCORE)._replace(name=name)]).matrices
    assert bool(found.contradictions) == bool(said)
    assert all(said in words for words in found.contradictions)


def test_the_name_of_the_file_counts_as_well(csv, command):
    code, out, _ = command("recompute", csv(SCORES, "cifar-10tasks.csv"))
    assert code == 1
    assert "CONTRADICTION the name says '10tasks', 10 tasks; the matrix has 3" in out


# --- the command line


def test_a_person_reads_what_a_machine_reads(csv, command):
    code, out, err = command("recompute", csv(WITHOUT_BASE), "--printed", "forgetting=12")
    assert (code, err) == (0, "")
    for words in (
        "r: 3 tasks, score;",
        "BWT_Tminus1",
        "-7.500000",
        "not computable, there is no row before training: forward_transfer",
        "learned: not known whether it learned",
        "forgetting 12: supported: agrees with F_max_incl_final = 12",
    ):
        assert words in out


def test_runs_are_shown_together(oracles, command):
    code, out, _ = command("recompute", oracles / "raw" / "InfLoRA" / "cifar100" / "0.log")
    assert code == 0
    assert "0.log: 5 runs" in out
    assert "0.727505" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("many", "'many' is not a printed number"),
        ("F=nan", "'nan' is not a printed number"),
        ("1±2±3", "more than one ±"),
        ("F=8%1", "'8%1' is not a printed number"),
        ("", "is not a printed number"),
    ],
)
def test_a_quote_without_a_number_is_refused(csv, command, text, words):
    code, out, err = command("recompute", csv(SCORES), "--printed", text)
    assert (code, out) == (2, "")
    assert words in err
    with pytest.raises(ConfigError, match="--printed"):
        quoted.read(text)


@pytest.mark.parametrize("sign", ["±", "+-", "+/-"])
def test_a_quote_is_a_label_a_value_and_a_spread(sign):
    found = quoted.read(f"last = AP=86.51{sign}0.73")
    assert (found.label, found.value.text) == ("last = AP", "86.51")
    assert (found.spread.text, str(found)) == ("0.73", "last = AP = 86.51 ± 0.73")
    assert str(quoted.read(f"AP=86.51%{sign}0.73")) == "AP = 86.51% ± 0.73"


# what the kernel says of a child counts the memory of the process that it was forked from
MEASURED = """
import sys
from classay.cli import main
code = main()
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"a,b\n"),
        ("a.csv", b"1," * 25_000_000),  # 50 MB
        ("a.json", b"[" * 1_000_000),
        ("a.json", b"[[NaN]]"),
        ("a.json", b"[" + b"{}," * 2_600_000 + b"{}]"),
        ("a.npz", b"PK\x03\x04"),
        ("a.log", b"CNN: {'total'" + b"CNN: {" * 3_000_000),
    ],
)
def test_malformed_input_is_a_sentence_and_exit_code_2_within_bounds(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-P", "-c", MEASURED, "recompute", path],
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert done.stderr.startswith("classay: ")
    assert "Traceback" not in done.stderr
    # its own seconds: other tests run beside this one, and a clock would measure them as well
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert int(done.stdout.split()[-1]) < 500_000  # kilobytes
