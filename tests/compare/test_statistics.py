"""Clustered errors and Holm's correction, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from solid.compare.statistics import holm, paired_difference
from solid.errors import DataError

NAN = float("nan")


def test_two_users_and_two_seeds_by_hand() -> None:
    # d = [[1, 2], [3, 6]], mean 3, e = [[-2, -1], [0, 3]].
    # Users: sums -3, 3; 2/1 * 18 / 16 = 9/4. Seeds: sums -2, 2; 2/1 * 8 / 16 = 1. Cells: 4/3 * 14 / 16 = 7/6.
    # V = 9/4 + 1 - 7/6 = 25/12.
    result = paired_difference(np.array([[2.0, 4.0], [5.0, 9.0]]), np.array([[1.0, 2.0], [2.0, 3.0]]))
    error = (25 / 12) ** 0.5
    assert (result.mean, result.freedom, result.users, result.seeds) == (3.0, 1, 2, 2)
    assert result.error == pytest.approx(error, rel=1e-15)
    # Student's t with one degree of freedom is Cauchy's: p = 1 - 2 / pi * arctan(t), its .975 quantile tan(.475 * pi).
    assert result.p == pytest.approx(1 - 2 / np.pi * np.arctan(3 / error), rel=1e-12)
    reach = np.tan(0.475 * np.pi) * error
    assert (result.low, result.high) == pytest.approx((3 - reach, 3 + reach), rel=1e-12)


def test_a_variance_that_is_not_positive_gives_way_to_the_largest_of_the_three() -> None:
    # d = [[0, 3], [3, 0]], mean 3/2: sums of users and of seeds are all 0, cells 4/3 * 9 / 16 = 3/4, so V < 0.
    result = paired_difference(np.array([[0.0, 3.0], [3.0, 0.0]]), np.zeros((2, 2)))
    assert (result.mean, result.error) == (1.5, pytest.approx(0.75**0.5, rel=1e-15))
    assert result.p == pytest.approx(1 - 2 / np.pi * np.arctan(1.5 / 0.75**0.5), rel=1e-12)
    # d = [[0, 3], [4, 0]], mean 7/4, e = [[-7, 5], [9, -7]] / 4. Users: sums -2/4, 2/4; 2 * (1/2) / 16 = 1/16.
    # Seeds: 2/4, -2/4; 1/16. Cells: 4/3 * 204/16 / 16 = 17/16. V = -15/16, so 17/16.
    result = paired_difference(np.array([[0.0, 3.0], [4.0, 0.0]]), np.zeros((2, 2)))
    assert result.error == pytest.approx((17 / 16) ** 0.5, rel=1e-15)


def test_one_seed_is_the_ordinary_paired_t_test() -> None:
    # d = 1, 2, 3, 6: mean 3, variance of the mean = sum of squares 14 / 3 / 4.
    result = paired_difference(np.array([[1.0], [2.0], [3.0], [6.0]]), np.zeros((4, 1)))
    error = (14 / 12) ** 0.5
    assert result.error == pytest.approx(error, rel=1e-15)
    assert result.freedom == 3
    x = 3 / error / 3**0.5  # with three degrees of freedom, Student's t has a closed form
    assert result.p == pytest.approx(1 - 2 / np.pi * (np.arctan(x) + x / (1 + x * x)), rel=1e-12)


def test_users_without_a_value_are_left_out_of_both() -> None:
    a = np.array([[2.0, 4.0], [NAN, 7.0], [5.0, 9.0], [1.0, 1.0]])
    b = np.array([[1.0, 2.0], [1.0, 1.0], [2.0, 3.0], [1.0, NAN]])
    assert paired_difference(a, b) == paired_difference(a[[0, 2]], b[[0, 2]])
    with pytest.raises(DataError, match="1 users have values from both"):
        paired_difference(a[:2], b[:2])


def test_equal_models_do_not_differ() -> None:
    values = np.random.default_rng(0).random((5, 3))
    result = paired_difference(values, values)
    assert (result.mean, result.error, result.low, result.high, result.p) == (0, 0, 0, 0, 1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Users and seeds that shift all their differences: an error that forgot one of them would cover far less."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        d = 1 + rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(1, 6)) + rng.normal(size=(60, 6))
        result = paired_difference(d, np.zeros_like(d))
        held += result.low <= 1 <= result.high
    assert 0.92 <= held / 400 <= 0.99


def test_holm_by_hand() -> None:
    # Sorted .01, .02, .03, .04: times 4, 3, 2, 1 = .04, .06, .06, .04, and none below the one before.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06], rel=1e-15)
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
