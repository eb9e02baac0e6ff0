import numpy as np
import pytest

from classay.metrics import drift_prior_vs_own
from classay.reports.blocks import Stack
from classay.reports.readings import (
    both,
    by_seed,
    completeness,
    listed,
    mean_and_interval,
    mean_and_range,
    without_paths,
)


def text(cell):
    if isinstance(cell, Stack):
        return f"{text(cell.first)} | {text(cell.second)}"
    return cell if isinstance(cell, str) else cell.text


def test_a_mean_never_stands_without_its_range():
    assert text(mean_and_range([1.0, 2.0, 6.0])) == "+3.00 | [+1.00, +6.00]"
    assert text(mean_and_range([1.0, 2.0, 6.0], counted=True)) == "+3.00 | [+1.00, +6.00]  n = 3"


def test_what_is_undefined_is_not_estimable_and_never_zero():
    assert mean_and_range([]) == "not estimable (n = 0)"
    assert text(mean_and_range([2.0])) == "+2.00 | n = 1, no range"
    assert mean_and_interval([2.0], 0.95, 2, "%") == "not estimable (n = 1)"
    assert listed([]) == "not estimable (n = 0)"


def test_a_metric_that_is_undefined_says_why():
    assert by_seed(drift_prior_vs_own, np.ones((3, 2, 1))) == "not estimable (1 domain(s))"
    hole = np.full((1, 3, 2), np.nan)
    assert by_seed(drift_prior_vs_own, hole) == "not computable (a value is missing)"


def test_two_methods_are_read_on_the_seeds_that_both_finished(build):
    study = build(failed={"naive_lora-o0-s1": "gone"})
    naive, frozen, seeds = both(study, "naive_lora", "frozen", 0)
    assert seeds == [0, 2]
    assert naive.shape == frozen.shape == (2, 4, 3)
    assert completeness(study, "naive_lora", 0) == "incomplete (2 of 3 seeds)"
    assert completeness(study, "frozen", 0) == ""


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("cannot read /home/someone/runs/x.bin: gone", "cannot read …/x.bin: gone"),
        (r"cannot read C:\Users\someone\x.bin", "cannot read …/x.bin"),
        ("1/2 of 3/4 nats/token at step 5", "1/2 of 3/4 nats/token at step 5"),
    ],
)
def test_a_message_is_printed_without_the_folders_of_its_machine(said, printed):
    assert without_paths(said) == printed
