"""Score metrics, against matrices that other people logged."""

import json
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

from classay import metrics
from classay.metrics import (
    average_accuracy,
    average_incremental_accuracy,
    backward_transfer,
    backward_transfer_over_t,
    forgetting_chaudhry,
    forgetting_first_minus_last,
    forgetting_inclusive,
)

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT.parent / "shared" / "oracles" / "score_matrices.json"
LOGGED = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
BY_KEY = {
    module.ORACLE_KEY: module
    for module in (
        import_module(f"classay.metrics.{m.name}")
        for m in iter_modules(metrics.__path__)
        if not m.name.startswith("_")
    )
    if hasattr(module, "ORACLE_KEY")
}
PRINTED = [
    (name, key)
    for name, entry in LOGGED.items()
    for key in entry["expected"]
    if key not in {"T", "missing"}
]

needs_the_file = pytest.mark.skipif(
    not LOGGED, reason="score_matrices.json is absent: no folder shared/ beside the repository"
)


def matrix(name):
    rows = LOGGED[name]["R"]
    values = np.full((len(rows) + 1, len(rows)), np.nan)  # nobody logs the base model
    for phase, row in enumerate(rows, start=1):
        values[phase, : len(row)] = [np.nan if cell is None else cell for cell in row]
    values.setflags(write=False)
    return values


@needs_the_file
def test_every_convention_in_the_file_is_implemented_once():
    assert set(BY_KEY) == {key for _, key in PRINTED}
    assert len(BY_KEY) == 10


@needs_the_file
@pytest.mark.parametrize(("name", "key"), PRINTED)
def test_every_printed_number(name, key):
    # printed to 6 decimals
    assert BY_KEY[key].compute(matrix(name)) == pytest.approx(
        LOGGED[name]["expected"][key], abs=5.1e-7
    )


@needs_the_file
@pytest.mark.parametrize("name", [n for n in LOGGED if "BWT_Tminus1" in LOGGED[n]["expected"]])
def test_first_minus_last_is_the_printed_backward_transfer_turned_around(name):
    printed = LOGGED[name]["expected"]["BWT_Tminus1"]
    assert forgetting_first_minus_last.compute(matrix(name)) == pytest.approx(-printed, abs=5.1e-7)


@needs_the_file
@pytest.mark.parametrize("name", [n for n in LOGGED if "logged_forgetting" in LOGGED[n]])
def test_what_the_authors_own_code_printed_includes_the_final_phase(name):
    logged = LOGGED[name]["logged_forgetting"]
    assert forgetting_inclusive.compute(matrix(name)) == pytest.approx(logged, rel=1e-12)


@needs_the_file
@pytest.mark.parametrize("name", [n for n in LOGGED if "logged_total_curve" in LOGGED[n]])
def test_the_last_point_of_a_logged_curve_is_average_accuracy_where_tasks_are_equally_large(name):
    last = LOGGED[name]["logged_total_curve"][-1]
    assert average_accuracy.compute(matrix(name)) == pytest.approx(last, abs=0.0051)


@needs_the_file
def test_one_matrix_separates_the_two_maxima():
    values = matrix("SD-LoRA/InA.log")
    assert round(forgetting_inclusive.compute(values), 3) == 12.091
    assert round(forgetting_chaudhry.compute(values), 3) == 11.978


@needs_the_file
@pytest.mark.parametrize(
    "metric", [backward_transfer, backward_transfer_over_t, average_incremental_accuracy]
)
def test_a_phase_that_the_authors_did_not_log_is_not_filled_in(metric):
    with pytest.raises(ValueError, match=r"computable: after phase 3 on domain \d is missing"):
        metric.compute(matrix("O-LoRA/order1_seqlora"))
