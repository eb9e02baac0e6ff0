"""What every metric owes its caller, whatever its convention."""

from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

from classay import metrics
from classay.errors import InsufficientEvidence

NAMES = [m.name for m in iter_modules(metrics.__path__) if not m.name.startswith("_")]
NOT_OF_THE_END = {  # what happens to the first domain in the last phase is not in them
    "learning_gain",
    "learning_gain_score",
    "accuracy_after_learning",
    "forward_transfer",
    "forward_transfer_over_t",
    "forward_transfer_without_base",
    "forward_transfer_constant",
}
ONE_DOMAIN = {  # defined on a stream of one domain, and what it is for 3.0 before and 2.0 after
    "learning_gain": 1.0,
    "learning_gain_score": -1.0,
    "final_loss": 2.0,
    "loss_rise_vs_base": -1.0,
    "score_change_vs_base": -1.0,
    "average_accuracy": 2.0,
    "accuracy_after_learning": 2.0,
    "average_incremental_accuracy": 2.0,
    "accuracy_diaz_rodriguez": 2.0,
    "forward_transfer_constant": 2.0 - 50.94,
}
UNITS = {"%", "nats/token", "points", "share"}


def load(name):
    return import_module(f"classay.metrics.{name}")


def matrix(domains=4):
    values = np.random.default_rng(0).uniform(1, 4, (domains + 1, domains))
    values.setflags(write=False)
    return values


@pytest.fixture(params=NAMES)
def metric(request):
    return load(request.param)


def test_the_folder_holds_all_of_them():
    assert len(NAMES) == 31
    titles = [load(name).TITLE for name in NAMES]
    assert len(set(titles)) == len(titles)


def test_it_says_what_it_is(metric):
    assert isinstance(metric.TITLE, str)
    assert 0 < len(metric.TITLE) <= 48
    assert metric.INPUT in {"loss", "score"}
    assert metric.UNIT in UNITS
    assert isinstance(metric.LOWER_IS_BETTER, bool)
    assert isinstance(metric.NEEDS_BASE_ROW, bool)


def test_it_names_its_formula_source_and_choices(metric):
    for part in ("::\n", "matrix   (T + 1, T)", "returns  ", "raises   ", "source   ", "choices  "):
        assert part in metric.compute.__doc__


def test_a_read_only_matrix_gives_a_float_and_the_same_one_twice(metric):
    first, second = metric.compute(matrix()), metric.compute(matrix())
    assert isinstance(first, float)
    assert np.isfinite(first)
    assert first == second


def test_per_domain_has_one_entry_for_each_domain(metric):
    learning = metric.__name__.endswith(".learning_gain")
    drift = metric.INPUT == "loss" and metric.UNIT == "%"
    assert hasattr(metric, "per_domain") == (drift or learning)
    if hasattr(metric, "per_domain"):
        terms = metric.per_domain(matrix())
        together = np.nanmax if metric.__name__.endswith("worst") else np.nanmean
        assert terms.shape == (4,)
        # nothing was trained after the last domain, so of its drift there is nothing to say
        assert np.isnan(terms[-1]) == (drift and "_all_" not in metric.__name__)
        assert not np.any(np.isnan(terms[:-1]))
        assert metric.compute(matrix()) == pytest.approx(together(terms))


def test_the_row_before_training_is_needed_exactly_where_it_says_so(metric):
    without = matrix().copy()
    without[0] = np.nan
    if metric.NEEDS_BASE_ROW:
        with pytest.raises(ValueError, match=r"computable: after phase 0 on domain \d is missing"):
            metric.compute(without)
    else:
        assert metric.compute(without) == metric.compute(matrix())


def outcome(metric, phase, domain, cell):
    values = matrix().copy()
    values[phase, domain] = cell
    try:
        return metric.compute(values)
    except ValueError as error:
        return str(error)


def test_every_needed_cell_is_named_when_it_is_missing_and_no_other_matters(metric):
    untouched = metric.compute(matrix())
    for phase, domain in np.ndindex(5, 4):
        answer = outcome(metric, phase, domain, np.nan)
        if isinstance(answer, str):
            said = f"not computable: after phase {phase} on domain {domain + 1} is missing"
            assert said in answer
        else:
            assert answer == untouched
            assert outcome(metric, phase, domain, 1e-3) == untouched
            assert outcome(metric, phase, domain, 1e3) == untouched


def test_a_diverged_cell_is_not_averaged(metric):
    values = matrix().copy()
    values[-1, 0] = np.inf
    if metric.__name__.rpartition(".")[2] in NOT_OF_THE_END:
        assert np.isfinite(metric.compute(values))
    else:
        with pytest.raises(ValueError, match="after phase 4 on domain 1 is infinite"):
            metric.compute(values)


@pytest.mark.parametrize("shape", [(4,), (4, 4), (3, 4), (6, 4), (1, 0), (2, 5, 4)])
def test_another_shape_is_refused_with_the_way_out(metric, shape):
    with pytest.raises(ValueError, match=r"(?s)got a matrix of shape \(.*T \+ 1, T.*row of nan"):
        metric.compute(np.ones(shape))


def test_one_domain_is_not_estimable_or_really_defined(metric):
    one = np.array([[3.0], [2.0]])
    name = metric.__name__.rpartition(".")[2]
    if name in ONE_DOMAIN:
        assert metric.compute(one) == ONE_DOMAIN[name]
    else:
        with pytest.raises(
            InsufficientEvidence, match=r"(?s)at least [23] domains, found 1.*never as zero"
        ):
            metric.compute(one)


def test_a_reference_of_zero_has_no_percentage(metric):
    values = matrix().copy()
    values[:-1] = 0.0
    if metric.UNIT in {"%", "share"}:
        with pytest.raises(ValueError, match=r"(?s)a reference is 0 .*in the unit of the matrix"):
            metric.compute(values)
    else:
        assert np.isfinite(metric.compute(values))
