from types import SimpleNamespace

import numpy as np
import pytest

from classay import registry
from classay.routers import BASE, Evidence, decide, fitted
from classay.seeding import Seeds

LOOKING = ("likelihood", "logistic_regression", "nearest_centroid")
BUILT_IN = (*LOOKING, "none", "oracle", "uniform")
# three items of domain 1 among three domains
NATS = np.array([[2.0, 1.0, 3.0], [1.0, 1.5, 2.0], [4.0, 4.0, 3.9]])
FEATURES = np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
# training text: the centroids are (1, 0), (0, 1) and (−1, 0)
ROWS = (
    np.array([[0.8, 0.6], [0.8, -0.6]]),
    np.array([[0.6, 0.8], [-0.6, 0.8]]),
    np.array([[-0.8, 0.6], [-0.8, -0.6]]),
)


def evidence(router, own=1, nats=NATS, features=FEATURES, rows=ROWS):
    """What a router sees, of which it may change nothing."""
    kept = fitted(router, tuple(frozen(own) for own in rows))
    generator = Seeds(0).generator("router", router.__name__)
    return Evidence(own, frozen(nats), frozen(features), tuple(map(frozen, kept)), generator)


def frozen(table):
    copy = np.array(table)
    copy.flags.writeable = False
    return copy


def sent(name, **more):
    router = registry.load("router", name)
    return decide(router, evidence(router, **more)).to.tolist()


# cosines of the third item: 0.6, 0.8, −0.6; its least nats are the third adapter's
@pytest.mark.parametrize(
    ("router", "expected"),
    [
        ("oracle", [1, 1, 1]),
        ("nearest_centroid", [1, 0, 1]),
        ("likelihood", [1, 0, 2]),
        ("logistic_regression", [1, 0, 1]),
        ("none", [BASE, BASE, BASE]),
    ],
)
def test_where_three_items_go_by_hand(router, expected):
    assert sent(router) == expected


# nothing can be measured of the first item: the first domain of all, whatever the others say
@pytest.mark.parametrize(
    ("router", "expected"),
    [
        ("oracle", [1, 1, 1]),
        ("nearest_centroid", [0, 0, 1]),
        ("likelihood", [0, 0, 2]),
        ("logistic_regression", [0, 0, 1]),
        ("none", [BASE, BASE, BASE]),
    ],
)
def test_an_item_of_which_nothing_is_known_goes_to_the_first_domain(router, expected):
    nats, features = NATS.copy(), FEATURES.copy()
    nats[0], features[0] = np.nan, np.nan
    assert sent(router, nats=nats, features=features) == expected


@pytest.mark.parametrize("name", registry.names("router"))
def test_every_router_follows_the_contract(name):
    router = registry.load("router", name)
    assert router.TITLE
    assert router.NEEDS
    assert hasattr(router, "UNIT") == hasattr(router, "scores")
    to = decide(router, evidence(router, own=2)).to
    assert to.shape == (3,)
    base = {BASE} if getattr(router, "USES_BASE_ALONE", False) else set()
    assert set(to.tolist()) <= {0, 1, 2} | base
    assert decide(router, evidence(router, nats=NATS[:0], features=FEATURES[:0])).to.shape == (0,)


@pytest.mark.parametrize("name", BUILT_IN)
def test_only_the_oracle_looks_at_whose_item_it_is(name):
    assert (sent(name) == sent(name, own=0)) == (name != "oracle")


@pytest.mark.parametrize("name", [*LOOKING, "oracle", "none"])
def test_an_item_goes_where_it_goes_whatever_stands_beside_it(name):
    alone = [
        place for i in range(3) for place in sent(name, nats=NATS[[i]], features=FEATURES[[i]])
    ]
    assert alone == sent(name)


# --- what is kept


def test_what_is_kept_of_training_text_by_hand():
    kept = {name: fitted(registry.load("router", name), ROWS) for name in BUILT_IN}
    assert kept["oracle"] == kept["likelihood"] == kept["uniform"] == kept["none"] == ()
    (centroids,) = kept["nearest_centroid"]
    np.testing.assert_allclose(centroids, [[1, 0], [0, 1], [-1, 0]], atol=1e-15)
    features, labels, weights, bias = kept["logistic_regression"]
    assert features.tolist() == np.concatenate(ROWS).tolist()
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert (weights.shape, bias.shape) == ((3, 2), (3,))
    # 8 (N + T)(d + 1) bytes of 6 rows, 3 domains and 2 features; 8 T d of the centroids
    assert sum(array.nbytes for array in kept["logistic_regression"]) == 8 * (6 + 3) * (2 + 1)
    assert centroids.nbytes == 8 * 3 * 2


# --- the floors


def drawn(seed=0, stream="items", items=6000, domains=3):
    generator = Seeds(seed).generator("router", "uniform", stream)
    ours = Evidence(0, np.zeros((items, domains)), np.full((items, 2), np.nan), (), generator)
    return decide(registry.load("router", "uniform"), ours).to


@pytest.mark.parametrize("domains", [2, 3, 5])
def test_uniform_draws_every_domain_equally_often(domains):
    counts = np.bincount(drawn(domains=domains), minlength=domains)
    # a share is a sum of 6000 draws: five standard deviations, sqrt(n p (1 − p))
    p = 1 / domains
    assert np.abs(counts - 6000 * p).max() < 5 * np.sqrt(6000 * p * (1 - p))


def test_uniform_draws_the_same_under_one_seed_and_other_things_under_another():
    assert drawn().tolist() == drawn().tolist()
    for other in (drawn(seed=1), drawn(stream="probes")):
        assert (drawn() == other).mean() == pytest.approx(1 / 3, abs=0.05)


def test_uniform_draws_items_apart_from_each_other():
    to = drawn()
    assert (to[1:] == to[:-1]).mean() == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("name", ["oracle", "uniform", "none"])
def test_what_looks_at_nothing_is_sure_of_nothing(name):
    router = registry.load("router", name)
    assert decide(router, evidence(router)).margins is None


# --- logistic regression

LOGISTIC = registry.load("router", "logistic_regression")


def cloud(seed=0, domains=3, each=20, d=5):
    """Rows of unit length about a direction a domain, which overlap."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(domains, each, d)) + 0.7 * rng.normal(size=(domains, 1, d))
    return tuple(rows / np.linalg.norm(rows, axis=2, keepdims=True))


def test_two_rows_by_hand():
    rows = (np.array([[0.6, 0.8]]), np.array([[0.6, -0.8]]))
    *_, weights, bias = LOGISTIC.fit(rows)
    # The first feature says nothing and is left alone; the second is ±1 when standardised. With
    # W = (a, −a) the loss is a² + 2 log(1 + e^(−2a)), least where a (1 + e^(2a)) = 2: a = 0.5213
    np.testing.assert_allclose(weights * [1, 0.8], [[0, 0.52130], [0, -0.52130]], atol=1e-5)
    np.testing.assert_allclose(bias, 0, atol=1e-9)
    found = decide(LOGISTIC, evidence(LOGISTIC, rows=rows, nats=np.zeros((2, 2)),
                                      features=np.array([[0.6, 0.8], [0.6, -0.4]])))  # fmt: skip
    assert found.to.tolist() == [0, 1]
    # log odds 2a z with z = 1 and −½
    np.testing.assert_allclose(found.margins, [1.04260, 0.52130], atol=1e-5)


def test_its_scores_are_log_probabilities():
    probabilities = np.exp(LOGISTIC.scores(evidence(LOGISTIC)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_the_gradient_is_that_of_the_loss_by_finite_differences():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(7, 4)), np.eye(3)[rng.integers(3, size=7)]
    at, step = rng.normal(size=15), 1e-6
    ours = LOGISTIC.objective(at, z, y)[1]
    for i, move in enumerate(step * np.eye(15)):
        up, down = LOGISTIC.objective(at + move, z, y)[0], LOGISTIC.objective(at - move, z, y)[0]
        assert ours[i] == pytest.approx((up - down) / (2 * step), abs=1e-7)


@pytest.mark.parametrize(("each", "d"), [(20, 5), (64, 200)])  # the second can be separated
def test_at_the_minimum_the_shares_are_met_and_no_step_goes_lower(each, d):
    rows = cloud(each=each, d=d)
    features, labels, weights, bias = LOGISTIC.fit(rows)
    scale = features.std(axis=0)
    z, y = (features - features.mean(axis=0)) / scale, np.eye(3)[labels]
    w = weights * scale
    at = np.column_stack([w, bias + weights @ features.mean(axis=0)])
    least, gradient = LOGISTIC.objective(at.ravel(), z, y)
    assert np.abs(gradient).max() <= 2 * LOGISTIC.GRADIENT
    # b is free, so the probabilities of a domain add up to its rows, and it sums to 0
    given = np.exp(LOGISTIC.scores(evidence(LOGISTIC, features=features, rows=rows)))
    np.testing.assert_allclose(given.sum(axis=0), each, atol=1e-4)
    assert at[:, -1].sum() == pytest.approx(0, abs=1e-9)
    # without the penalty's pull the weights would be greater: W = Σ (y − p) z
    np.testing.assert_allclose(w, (y - given).T @ z, atol=1e-4)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = at.ravel() + 0.01 * rng.normal(size=at.size)
        assert LOGISTIC.objective(other, z, y)[0] > least


def test_it_finds_what_it_was_fitted_to_and_the_same_bytes_again():
    rows = cloud()
    kept, again = LOGISTIC.fit(rows), LOGISTIC.fit(rows)
    assert [array.tobytes() for array in kept] == [array.tobytes() for array in again]
    for own, features in enumerate(rows):
        ours = evidence(LOGISTIC, features=features, rows=rows, nats=np.zeros((20, 3)))
        assert (decide(LOGISTIC, ours).to == own).mean() > 0.6  # a third by chance


def test_in_another_order_the_domains_are_told_apart_as_before():
    rows, order = cloud(), [2, 0, 1]
    one = LOGISTIC.scores(evidence(LOGISTIC, features=rows[0], rows=rows))
    moved = tuple(rows[k] for k in order)
    other = LOGISTIC.scores(evidence(LOGISTIC, features=rows[0], rows=moved))
    np.testing.assert_allclose(one[:, order], other, atol=1e-4)


def test_features_that_are_no_numbers_are_refused():
    rows = (np.array([[0.6, 0.8]]), np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"(?s)gradient is nan; 1e-05 or less .*finite, or take"):
        LOGISTIC.fit(rows)


# --- the contract


def plugged(**parts):
    return SimpleNamespace(__name__="mine", **parts)


def decided(router, **more):
    return decide(router, evidence(router, **more))


def test_the_margin_is_the_best_less_the_second_best_by_hand():
    table = np.array([[1.0, 3.5, 3.0], [np.nan, 2.0, np.nan], [np.nan] * 3, [2.0, 2.0, np.nan]])
    found = decided(plugged(scores=lambda e: table), nats=np.zeros((4, 3)))
    # of one score there is no second, of equals the first answers
    assert found.to.tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(found.margins, [0.5, np.nan, np.nan, 0.0])


def test_with_one_domain_there_is_no_second():
    found = decided(plugged(scores=lambda e: e.nats), nats=np.ones((2, 1)))
    assert found.to.tolist() == [0, 0]
    assert np.isnan(found.margins).all()


def test_a_router_without_scores_has_no_margin():
    assert decided(plugged(choose=lambda e: [2, 1, 0])).margins is None


def test_where_a_router_has_both_its_choice_decides():
    found = decided(plugged(scores=lambda e: -e.nats, choose=lambda e: [2, 2, 2]))
    assert found.to.tolist() == [2, 2, 2]
    np.testing.assert_allclose(found.margins, [1.0, 0.5, 0.1])


@pytest.mark.parametrize(("chosen", "named"), [([0, 3, 7], r"\[3, 7\]"), ([-1, 0, 0], r"\[-1\]")])
def test_a_choice_that_is_not_there_is_refused(chosen, named):
    with pytest.raises(ValueError, match=rf"mine chose {named}, and 0 to 2 are there\.\n.*BASE"):
        decided(plugged(choose=lambda e: chosen))


@pytest.mark.parametrize("part", ["scores", "choose"])
def test_an_answer_of_another_shape_is_refused(part):
    with pytest.raises(ValueError, match=rf"mine\.{part} returned an array of shape \(2,\)"):
        decided(plugged(**{part: lambda e: np.zeros(2)}))
