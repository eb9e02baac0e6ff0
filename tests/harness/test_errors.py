import re

import pytest

from classay import errors
from classay.errors import CellError, ClassayError, InsufficientEvidence, Interrupted, UnknownName

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, Exception)
}


def test_the_drawing_shows_every_error_and_no_other():
    drawn = ["ClassayError", *re.findall(r"── (\w+)", errors.__doc__)]
    assert sorted(drawn) == sorted(CLASSES)


def test_the_drawing_shows_who_is_whose_child():
    parents = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"( *)([│ ]*[├└]── )?(\w+)", line):
            depth = len(match[2] or "") // 4
            if match[3] in CLASSES:
                parents[depth] = match[3]
                if depth:
                    assert CLASSES[match[3]].__bases__ == (CLASSES[parents[depth - 1]],)
    assert parents[0] == "ClassayError"


def test_exit_codes_tell_the_kinds_apart():
    assert {name: value.exit_code for name, value in CLASSES.items()} == {
        "ClassayError": 1,
        "ConfigError": 2,
        "UnknownName": 2,
        "StreamError": 2,
        "CellError": 3,
        "Diverged": 3,
        "Interrupted": 75,
        "LedgerError": 4,
        "StreamMismatch": 2,
        "InsufficientEvidence": 1,
    }


def test_a_failed_cell_says_how_it_failed():
    assert CellError.failure == "infrastructure"
    assert errors.Diverged.failure == "diverged"
    assert issubclass(Interrupted, CellError)


def test_none_is_mistaken_for_a_fault_of_python():
    assert all(issubclass(value, ClassayError) for value in CLASSES.values())
    assert ClassayError.__bases__ == (Exception,)


def test_an_unknown_name_lists_the_known_ones_in_order_and_the_nearest():
    found = str(UnknownName("method", "ewd", ["si", "ewc"]))
    assert found == (
        "no method is called 'ewd'. Did you mean 'ewc'?\n"
        "  known: ewc, si\n"
        "  To add one, install a package with an entry point in the group 'classay.methods'."
    )


def test_an_unknown_name_that_is_near_nothing_gets_no_guess():
    assert "Did you mean" not in str(UnknownName("method", "zzz", ["ewc"]))
    assert "known: none\n" in str(UnknownName("method", "zzz", []))
    assert str(UnknownName("suite", "zzz", [], "Give a path.")).endswith("\n  Give a path.")


@pytest.mark.parametrize(("have", "need", "more"), [(1, 2, 1), (0, 3, 3)])
def test_too_few_runs_says_how_many_to_add(have, need, more):
    with pytest.raises(
        InsufficientEvidence,
        match=rf"^spread needs at least {need} .*, found {have}\.\n.*as zero\. Add {more} seed",
    ):
        raise InsufficientEvidence("spread", have, need)
