import numpy as np
import pytest

from classay.errors import InsufficientEvidence
from classay.statistics.single_task_parity import single_task_parity

# one seed; rows: before training, after phase 1, 2; columns: domains in stream order
LOSSES = np.array([[[4.0, 4.0], [2.2, 3.0], [9.0, 0.9]]])
ISOLATED = np.array([[2.0, 1.0]])


def test_by_hand():
    # (2.2 - 2.0) / 2.0 = 10 %; (0.9 - 1.0) / 1.0 = -10 %
    assert single_task_parity(LOSSES, ISOLATED) == pytest.approx(np.array([[10, -10]]))


def test_each_seed_is_held_against_its_own_reference():
    losses, isolated = np.tile(LOSSES, (2, 1, 1)), np.array([[2.0, 1.0], [2.2, 0.9]])
    losses.setflags(write=False)
    ours = single_task_parity(losses, isolated)
    assert ours == pytest.approx(np.array([[10, -10], [0, 0]]))


def test_neither_forgetting_nor_the_row_before_training_enters():
    other = LOSSES.copy()
    other[0, 0] = other[0, 2, 0] = other[0, 1, 1] = np.nan
    assert np.array_equal(single_task_parity(other, ISOLATED), single_task_parity(LOSSES, ISOLATED))


def test_does_not_depend_on_the_unit_of_loss():
    scaled = single_task_parity(7 * LOSSES, 7 * ISOLATED)
    assert scaled == pytest.approx(single_task_parity(LOSSES, ISOLATED))


def test_no_seed_is_not_estimable():
    with pytest.raises(InsufficientEvidence, match=r"single_task_parity needs at least 1.*found 0"):
        single_task_parity(np.ones((0, 3, 2)), np.ones((0, 2)))


@pytest.mark.parametrize(
    ("losses", "isolated"), [((1, 3, 2), (2, 2)), ((1, 3, 2), (2,)), ((1, 2, 2), (1, 2))]
)
def test_shapes_that_do_not_fit_are_refused(losses, isolated):
    with pytest.raises(ValueError, match=r"(?s)needs \(seeds, T \+ 1, T\) and \(seeds, T\)"):
        single_task_parity(np.ones(losses), np.ones(isolated))


def test_a_missing_loss_is_named():
    hole = LOSSES.copy()
    hole[0, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"just after learning of seed number 0.*domain 2 is miss"):
        single_task_parity(hole, ISOLATED)
    with pytest.raises(
        ValueError, match=r"the isolated loss of seed number 0.*domain 1 is missing"
    ):
        single_task_parity(LOSSES, np.array([[np.nan, 1.0]]))


def test_an_isolated_loss_of_zero_is_no_reference():
    with pytest.raises(ValueError, match=r"(?s)an isolated loss is 0 .*nats per token"):
        single_task_parity(LOSSES, np.array([[0.0, 1.0]]))
