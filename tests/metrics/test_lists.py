"""Beyond accuracy: exact values by hand, and ties that are shared, not broken by the order of items."""

from __future__ import annotations

from itertools import permutations
from math import log2

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from solid.evaluation.exposure import ExposureCounter
from solid.metrics.exposure import Exposure
from solid.metrics.measured import list_metrics

POPULARITY = np.array([6, 1, 0, 0])


def count(*batches: list[list[float]], cutoffs: tuple[int, ...] = (1, 2)) -> dict[int, Exposure]:
    counter = ExposureCounter(len(batches[0][0]), cutoffs)
    for batch in batches:
        counter.add(torch.tensor(batch))
    return counter.exposures(POPULARITY)


def test_metrics_by_hand() -> None:
    # Two lists: items 1, 2 and items 1, 3.
    found = list_metrics(np.arange(2), count([[4.0, 3, 2, 1]], [[4.0, 1, 2, 1]])).summarise()
    bits = [-log2((n + 1) / 11) for n in POPULARITY]  # an interaction is added to each of the four items
    assert found == pytest.approx(
        {
            "coverage_1": 1 / 4,
            "novelty_1": bits[0],
            "gini_1": 3 / 4,
            "popularity_1": 6,
            "coverage_2": 3 / 4,
            "novelty_2": (2 * bits[0] + bits[1] + bits[2]) / 4,
            "gini_2": (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 2) / (4 * 4),
            "popularity_2": (6 + 1 + 6 + 0) / 4,
        },
        abs=1e-15,
    )


def test_equal_scores_share_the_places() -> None:
    # Places 1 and 2: item 1 surely, then two of items 2 to 4; a second user has all four equal.
    exposure = count([[9.0, 5, 5, 5], [1.0, 1, 1, 1]])[2]
    assert exposure.shown == pytest.approx([1 + 1 / 2, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2])
    assert exposure.seen == pytest.approx([1, 1 - 2 / 3 / 2, 1 - 2 / 3 / 2, 1 - 2 / 3 / 2])


def test_a_user_for_whom_little_is_left_has_a_short_list() -> None:
    low = -np.inf
    exposure = count([[low, 3.0, low, low], [low, low, low, low]])[2]
    assert exposure.shown.tolist() == [0, 1, 0, 0]
    assert exposure.seen.tolist() == [0, 1, 0, 0]
    more = count([[1.0, 2, 3, low]], cutoffs=(4, 9))
    assert more[4].shown.tolist() == more[9].shown.tolist() == [1, 1, 1, 0]


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=3), st.integers(1, 4))
def test_ties_are_the_mean_over_all_orders(scores: list[list[int]], k: int) -> None:
    exposure = count([[float(value) for value in row] for row in scores], cutoffs=(k,))[k]
    nudges = np.array(list(permutations(range(4)))) / 10
    on_list = np.array([[(row + nudge)[:, None] < (row + nudge) for nudge in nudges] for row in np.array(scores)])
    chance = (on_list.sum(axis=3) < k).mean(axis=1)  # [users, items]: fewer than k items are better
    assert exposure.shown == pytest.approx(chance.sum(axis=0))
    assert exposure.seen == pytest.approx(1 - (1 - chance).prod(axis=0))


def test_all_items_alike_are_not_uneven() -> None:
    exposure = Exposure(np.full(5, 2.0), np.ones(5), np.arange(5))
    found = list_metrics(np.arange(2), {5: exposure}).summarise()
    assert found["gini_5"] == pytest.approx(0)
    assert found["coverage_5"] == 1
    assert found["popularity_5"] == 2
