import numpy as np
import pytest

from classay import registry
from classay.routers import Evidence

# three items of domain 1 among three domains
NATS = np.array([[2.0, 1.0, 3.0], [1.0, 1.5, 2.0], [4.0, 4.0, 3.9]])
FEATURES = np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
CENTROIDS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
EVIDENCE = Evidence(1, NATS, FEATURES, CENTROIDS)


# cosines of the third item: 0.6, 0.8, −0.6; its least nats are the third adapter's
@pytest.mark.parametrize(
    ("router", "sent"),
    [("oracle", [1, 1, 1]), ("nearest_centroid", [1, 0, 1]), ("likelihood", [1, 0, 2])],
)
def test_where_three_items_go_by_hand(router, sent):
    assert registry.load("router", router).choose(EVIDENCE).tolist() == sent


# nothing can be measured of the first item: the first domain of all, whatever the others say
@pytest.mark.parametrize(
    ("router", "sent"),
    [("oracle", [1, 1, 1]), ("nearest_centroid", [0, 0, 1]), ("likelihood", [0, 0, 2])],
)
def test_an_item_of_which_nothing_is_known_goes_to_the_first_domain(router, sent):
    nats, features = NATS.copy(), FEATURES.copy()
    nats[0], features[0] = np.nan, np.nan
    ours = Evidence(1, nats, features, CENTROIDS)
    assert registry.load("router", router).choose(ours).tolist() == sent


@pytest.mark.parametrize("name", registry.names("router"))
def test_every_router_follows_the_contract(name):
    router = registry.load("router", name)
    assert router.TITLE
    assert router.NEEDS
    frozen = Evidence(2, *(np.array(x) for x in EVIDENCE[1:]))
    for table in frozen[1:]:
        table.flags.writeable = False
    sent = router.choose(frozen)
    assert sent.shape == (3,)
    assert set(sent.tolist()) <= {0, 1, 2}


def test_only_the_oracle_looks_at_whose_item_it_is():
    for name in registry.names("router"):
        choose = registry.load("router", name).choose
        one, other = choose(EVIDENCE), choose(EVIDENCE._replace(own=0))
        assert (one.tolist() == other.tolist()) == (name != "oracle")
