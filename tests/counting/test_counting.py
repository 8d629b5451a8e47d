"""What is counted, on data that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from solid.counting.fit import validate
from solid.counting.popularity import popularity, recency
from solid.counting.ranking import rank_counted
from solid.counting.reading import Table, count_for, dense_to_largest, distribution, keep_largest, read_histories
from solid.counting.search import pick
from solid.counting.together import ease, item_neighbours, sessions, touched
from solid.counting.transitions import Neighbours, both_ways, count_transitions, smooth
from solid.data.dataset import Dataset
from solid.errors import SolidError
from solid.kinds import HEADS
from solid.settings.heads import CountingSettings

SQUARE = 5


def test_only_training_events_are_counted_and_distance_divides(small: Dataset) -> None:
    near = count_transitions(small.sequences, 1).toarray()
    expected = np.zeros((SQUARE, SQUARE))
    expected[0, 1], expected[1, 2], expected[1, 0] = 2, 1, 1  # 1 2 twice, 2 3 and 2 1 once
    assert (near == expected).all()
    expected[0, 2] = 0.5  # 1 _ 3
    assert (count_transitions(small.sequences, 2).toarray() == expected).all()
    assert (count_transitions(small.sequences, 100).toarray() == expected).all()


def test_both_ways_adds_the_transpose_and_divides_rows() -> None:
    counts = sp.csr_array(np.array([[0.0, 2, 0], [1, 0, 3], [0, 0, 0]]))
    plain = both_ways(counts, 0, 0).toarray()
    assert plain == pytest.approx(np.array([[0, 2, 0], [1, 0, 3], [0, 0, 0]]) / 3)  # mean of the sums 2 and 4
    both = both_ways(counts, 0.5, 0).toarray()
    assert both == pytest.approx(np.array([[0, 2.5, 0], [2, 0, 3], [0, 1.5, 0]]) / 3)
    flat = both_ways(counts, 0, 1).toarray()
    assert flat == pytest.approx(np.array([[0, 1, 0], [0.25, 0, 0.75], [0, 0, 0]]))


def test_neighbours_are_the_most_alike_others_and_nothing_is_like_an_item_that_has_nothing() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [0, 0]], np.float32)
    shares = Neighbours.of(vectors, 2).shares(2).toarray()
    assert shares[0] == pytest.approx([0, 1, 0, 0])  # its second neighbour has a cosine of 0
    assert shares[1] == pytest.approx([0.64, 0, 0.36, 0], abs=1e-6)
    assert not shares[3].any()


def test_smoothing_is_the_formula_and_gives_an_uncounted_item_what_alike_items_have() -> None:
    rng = np.random.default_rng(0)
    transitions, alike = rng.random((4, 4)), rng.random((4, 4))
    transitions[3] = 0
    expected = transitions + 2 * alike @ transitions + 0.5 * transitions @ alike + 0.25 * alike
    found = smooth(sp.csr_array(transitions), sp.csr_array(alike), 2, 0.5, 0.25, 4).toarray()
    assert found == pytest.approx(expected)
    assert found[3] == pytest.approx(2 * alike[3] @ transitions + 0.25 * alike[3])


def test_the_largest_entries_are_kept() -> None:
    matrix = sp.csr_array(np.array([[1.0, -4, 2, 2], [0, 0, 0, 5], [0, 0, 0, 0]]))
    expected = [[0, -4, 2, 0], [0, 0, 0, 5], [0, 0, 0, 0]]
    assert keep_largest(matrix, 2).toarray().tolist() == expected
    small = dense_to_largest(matrix.toarray().astype(np.float32), 2)
    assert small.toarray().tolist() == expected
    assert small.nnz == 3  # what is 0 is not stored


def test_histories_weigh_the_last_item_most() -> None:
    histories = np.array([[2, 1, 2], [3, 0, 0], [0, 0, 0]])
    expected = [[0.5, 1.25, 0], [0, 0, 1], [0, 0, 0]]
    assert read_histories(histories, 0.5, 3).toarray().tolist() == expected


def test_shares_leave_out_what_counts_against_an_item() -> None:
    scores = sp.csr_array(np.array([[3.0, -5, 1], [-1, 0, 0]]))
    assert distribution(scores).toarray().tolist() == [[0.75, 0, 0.25], [0, 0, 0]]


def test_popularity_and_what_is_popular_lately() -> None:
    items = np.array([1, 1, 3])
    assert popularity(items, 3).tolist() == pytest.approx([2 / 3, 0, 1 / 3])
    assert recency(np.array([0, 50, 100]), 0.5).tolist() == pytest.approx([0.25, 0.5, 1])
    assert popularity(items, 3, recency(np.array([0, 50, 100]), 0.5)).tolist() == pytest.approx([3 / 7, 0, 4 / 7])


def test_item_neighbours_are_cosines_of_sets_of_users(small: Dataset) -> None:
    seen = touched(small.sequences)
    assert seen.toarray().tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]]
    cosines = item_neighbours(seen, 5, 0).toarray()
    assert cosines[0] == pytest.approx([0, 1, 1 / np.sqrt(3), 0, 0])
    assert item_neighbours(seen, 1, 1).toarray()[0] == pytest.approx([0, 3 / 4, 0, 0, 0])


def test_ease_solves_its_problem_and_vectors_are_more_users() -> None:
    rng = np.random.default_rng(1)
    seen = (rng.random((20, 6)) < 0.4).astype(float)
    vectors = rng.random((6, 3)).astype(np.float32)
    ridge, side = 2.0, 0.7

    def solved(users: np.ndarray) -> np.ndarray:
        """Column by column: ridge regression of an item on the others."""
        weights = np.zeros((6, 6))
        for item in range(6):
            others = [other for other in range(6) if other != item]
            left = users[:, others]
            weights[others, item] = np.linalg.solve(left.T @ left + ridge * np.eye(5), left.T @ users[:, item])
        return weights

    assert ease(sp.csr_array(seen), ridge, 0, None, 6, 6).toarray() == pytest.approx(solved(seen), abs=1e-5)
    more = np.concatenate([seen, np.sqrt(side) * vectors.T])
    assert ease(sp.csr_array(seen), ridge, side, vectors, 6, 6).toarray() == pytest.approx(solved(more), abs=1e-5)


def test_ease_takes_the_most_touched_items_alone_where_there_are_too_many() -> None:
    seen = sp.csr_array(np.array([[1.0, 0, 1], [1, 1, 1], [1, 0, 1]]))
    weights = ease(seen, 1.0, 0, None, 2, 3).toarray()
    assert not weights[1].any() and not weights[:, 1].any()
    assert weights[0, 2] > 0


def test_a_matrix_that_cannot_be_inverted_says_what_to_raise() -> None:
    seen = sp.csr_array(np.full((1, 2), 2.0**20))  # two columns that are one, the ridge too small for 32 bits
    with pytest.raises(SolidError, match=r"counting\.ridge"):
        ease(seen, 1e-3, 0, None, 2, 2)


def test_sessions_speak_through_the_users_most_like_the_history(small: Dataset) -> None:
    users = sessions(sp.csr_array(np.array([[1.0, 1, 0], [0, 1, 1], [0, 0, 1]])))
    near = count_for(np.array([[1, 0]]), users, 1.0, 1).toarray()
    assert near.tolist() == [[0.5, 0.5, 0]]
    half = np.sqrt(0.5)
    both = count_for(np.array([[2, 0]]), users, 1.0, 2).toarray()[0]
    assert both == pytest.approx(np.array([half, 2 * half, half]) / (4 * half))


def test_ranks_by_hand() -> None:
    shares = sp.csr_array(np.array([[0.6, 0.4, 0, 0, 0], [0, 0, 0, 0, 0]]))
    popular = np.array([0.1, 0.2, 0.3, 0.3, 0.1])
    nobody = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    ranks = rank_counted(shares, popular, 0.5, nobody, np.array([1, 4]))
    # first user: .35 .3 .15 .15 .05; second user: popularity alone
    assert (ranks.above.tolist(), ranks.tied.tolist(), ranks.others.tolist()) == ([1, 3], [0, 1], [4, 4])
    touched_first = (np.array([0, 1]), np.array([0, 4]))  # the second's target was touched, and is ranked all the same
    ranks = rank_counted(shares, popular, 0.5, touched_first, np.array([1, 4]))
    assert (ranks.above.tolist(), ranks.tied.tolist(), ranks.others.tolist()) == ([0, 3], [0, 1], [3, 4])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.25, 1.0]))
def test_ranks_are_those_of_the_whole_matrix(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    users, items = 4, 7
    counted = rng.integers(0, 3, (users, items)) * (rng.random((users, items)) < 0.5)
    shares = distribution(sp.csr_array(counted.astype(float)))
    popular = rng.integers(0, 3, items) / 8
    out = rng.random((users, items)) < 0.3
    targets = rng.integers(0, items, users)
    found = rank_counted(shares, popular, share, np.nonzero(out), targets)
    scores = (1 - share) * shares.toarray() + share * popular
    own = scores[np.arange(users), targets][:, None]
    out[np.arange(users), targets] = True
    assert found.above.tolist() == ((scores > own) & ~out).sum(1).tolist()
    assert found.tied.tolist() == ((scores == own) & ~out).sum(1).tolist()
    assert found.others.tolist() == (~out).sum(1).tolist()


def test_validation_ranks_what_came_after_training_among_what_the_user_had_not_touched(small: Dataset) -> None:
    # Users have 1 2 3, 1 2, 2 1 behind them and touch 4, 4, 5 next.
    favours_4 = Table(sp.csr_array((SQUARE, SQUARE), dtype=np.float32), np.array([0, 0, 0, 0.6, 0.4]))
    picked = {"items": 1, "decay": 1.0, "share": 1.0}
    value = validate(favours_4, picked, small.sequences, np.arange(3))
    assert value == pytest.approx((1 + 1 + 1 / np.log2(3)) / 3)


def test_the_search_takes_the_best_of_each_list_in_turn_and_stops_when_nothing_changes() -> None:
    tried = []
    best, value = pick(
        {"x": (0, 1, 2), "y": (5, 6)}, lambda p: -abs(p["x"] - 2) - abs(p["y"] - 6), lambda p, _: tried.append(p)
    )
    assert (best, value) == ({"x": 2, "y": 6}, 0)
    assert tried[:3] == [{"x": 0, "y": 5}, {"x": 1, "y": 5}, {"x": 2, "y": 5}]
    assert pick({"x": (3, 1, 2)}, lambda _: 1.0, lambda *_: None)[0] == {"x": 3}  # of equal ones the first


@pytest.mark.parametrize("name", [name for name, kind in HEADS.items() if kind.by == "counting"])
def test_every_way_to_count_makes_a_table_from_the_first_of_all_values(small: Dataset, name: str) -> None:
    vectors = {"text": np.eye(SQUARE, 2, dtype=np.float32)}
    for given_vectors in ({}, vectors):
        method = HEADS[name].load()(small, given_vectors, CountingSettings())
        picked = {key: values[0] for key, values in method.grid().items()}
        assert {"items", "decay", "share"} <= picked.keys()
        table = method.table(picked)
        assert table.matrix.dtype == np.float32 and table.matrix.shape[1] == SQUARE
        assert table.popularity.sum() == pytest.approx(1)
        assert table.popularity[[3, 4]].tolist() == [0, 0]  # held out
