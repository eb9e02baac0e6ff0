import numpy as np
import pytest

from classay.errors import InsufficientEvidence
from classay.statistics.learning_advantage import learning_advantage


def losses(*final):
    """One (T + 1, T) matrix a seed, of which only the final row is known."""
    values = np.full((len(final), len(final[0]) + 1, len(final[0])), np.nan)
    values[:, -1] = final
    values.setflags(write=False)
    return values


def test_by_hand():
    # seed 0: B ends at 2.0, A at 1.5: 25 %; seed 1: B 1.0, A 1.1: -10 %
    a, b = losses([1.0, 2.0], [1.2, 1.0]), losses([1.0, 3.0], [0.5, 1.5])
    assert learning_advantage(a, b) == pytest.approx([25, -10])


def test_it_is_the_ratio_of_means_and_not_the_mean_of_ratios():
    # per domain 50 % and 0 %; on the means (1 + 4) / 2 against (2 + 4) / 2: 1 / 6
    ours = learning_advantage(losses([1.0, 4.0]), losses([2.0, 4.0]))
    assert ours == pytest.approx([100 / 6])


def test_a_method_has_no_advantage_over_itself():
    a = losses([1.3, 2.7, 0.4], [1.0, 1.0, 1.0])
    assert np.array_equal(learning_advantage(a, a), [0.0, 0.0])


def test_does_not_depend_on_the_unit_of_loss():
    a, b = losses([1.3, 2.7]), losses([1.9, 2.5])
    assert learning_advantage(7 * a, 7 * b) == pytest.approx(learning_advantage(a, b))


def test_no_seed_is_not_estimable():
    with pytest.raises(InsufficientEvidence, match=r"learning_advantage needs at least 1.*found 0"):
        learning_advantage(np.ones((0, 3, 2)), np.ones((0, 3, 2)))


@pytest.mark.parametrize(
    ("a", "b"), [((2, 3, 2), (3, 3, 2)), ((3, 2), (3, 2)), ((2, 2, 2), (2, 2, 2))]
)
def test_shapes_that_do_not_pair_are_refused(a, b):
    with pytest.raises(ValueError, match=r"(?s)needs \(seeds, T \+ 1, T\) twice.*same order"):
        learning_advantage(np.ones(a), np.ones(b))


@pytest.mark.parametrize("cell", [np.nan, np.inf, -4.0])
def test_a_final_loss_that_is_no_loss_is_refused_by_method(cell):
    with pytest.raises(ValueError, match=r"(?s)not computable: the mean final loss of B.*above 0"):
        learning_advantage(losses([1.0, 2.0]), losses([1.0, cell]))
