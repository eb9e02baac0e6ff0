"""What holds of every check: its contract, no false alarm, and blindness to names and order."""

import importlib
import pkgutil
from decimal import Decimal

import numpy as np
import pytest

from classay.claims import forensics
from classay.claims.document import parse
from classay.claims.finding import HOWS, SEVERITY
from classay.claims.soundness import tally
from classay.claims.verdict import Verdict

pytestmark = pytest.mark.torchless

NAMES = sorted(
    m.name for m in pkgutil.iter_modules(forensics.__path__) if not m.name.startswith("_")
)
GENTLE = {
    "copied_tables",
    "within_noise",
}  # what it finds can happen, so nothing it finds is ever inconsistent


EVERY = [importlib.import_module(f"classay.claims.forensics.{name}") for name in NAMES]


@pytest.fixture(params=EVERY, ids=NAMES)
def check(request):
    return request.param


def texts(check, count):
    rng = np.random.default_rng(3)
    return [check.draw(rng, HOWS[i % len(HOWS)]) for i in range(count)]


def test_a_check_says_what_it_asks_and_what_would_settle_it(check):
    assert check.TITLE
    assert check.SETTLES
    assert check.__doc__.splitlines()[0].endswith("?")


def test_no_honest_text_is_called_inconsistent_and_a_changed_digit_is_sometimes_seen(check):
    found = tally(check, 500, seed=1)
    assert found.unsound == ()
    assert found.judged > 0
    name = check.__name__.rpartition(".")[2]
    assert found.found > 0 or not found.mutated or name in GENTLE


def wrong(text):
    """Which checks call a text inconsistent."""
    document = parse(text, "a text")
    return [
        (other.__name__, found)
        for other in EVERY
        for found in other.check(document)
        if found.verdict in (Verdict.INCONSISTENT, Verdict.IMPOSSIBLE)
    ]


def test_no_honest_text_is_called_inconsistent_by_another_check(check):
    for text in texts(check, 80):
        assert wrong(text) == [], text


def test_a_number_that_is_only_a_bound_or_about_so_much_is_not_taken_for_exact(check):
    rng = np.random.default_rng(5)
    for text in texts(check, 80):
        said = text | {"claims": [loosened(claim, rng) for claim in text["claims"]]}
        assert wrong(said) == [], said


def loosened(claim, rng):
    """The same claim with a value that is further off, and that says less."""
    if claim.get("value") is None or claim.get("qualifier", "=") != "=":
        return claim
    value = Decimal(claim["value"])
    away = value.copy_abs() / 8 + 4 * Decimal(1).scaleb(value.as_tuple().exponent)
    qualifier, moved = {
        0: ("about", value + away / 2),
        1: ("<", value + away),
        2: (">", value - away),
    }[int(rng.integers(3))]
    places = Decimal(1).scaleb(value.as_tuple().exponent)
    return claim | {"qualifier": qualifier, "value": f"{moved.quantize(places):f}"}


def test_every_finding_names_a_claim_and_its_arithmetic(check):
    for text in texts(check, 100):
        document = parse(text, "a text")
        for found in check.check(document):
            assert found.claim in document.claims
            assert set(found.beside) <= set(document.claims) - {found.claim}
            assert found.verdict in SEVERITY
            assert found.arithmetic


def test_verdicts_depend_neither_on_names_nor_on_the_order_of_claims(check):
    rng = np.random.default_rng(4)
    for text in texts(check, 100):
        ids = [claim["id"] for claim in text["claims"]]
        names = dict(zip(ids, (f"Z{i}" for i in rng.permutation(len(ids))), strict=True))
        other = text | {
            "claims": [renamed(text["claims"][i], names) for i in rng.permutation(len(ids))]
        }
        assert verdicts(check, other) == [
            (names[claim], verdict, sorted(names[i] for i in beside))
            for claim, verdict, beside in verdicts(check, text, key=names.__getitem__)
        ]


def renamed(claim, names):
    relations = [r | {"of": [names[i] for i in r["of"]]} for r in claim.get("relations", [])]
    return claim | {"id": names[claim["id"]], "relations": relations}


def verdicts(check, text, key=str):
    found = [(f.claim, f.verdict, sorted(f.beside)) for f in check.check(parse(text, "a text"))]
    return sorted(found, key=lambda f: (key(f[0]), f[1], sorted(map(key, f[2]))))
