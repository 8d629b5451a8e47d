"""Targets, windows and draws against a plain reading of method section 4."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solid.data.sequences import Sequences
from solid.errors import DataError

N_ITEMS = 7
HISTORIES = st.lists(st.lists(st.integers(1, N_ITEMS), min_size=3, max_size=9), min_size=1, max_size=6)


def build(histories: list[list[int]], n_items: int = N_ITEMS) -> Sequences:
    offsets = np.cumsum([0, *map(len, histories)])
    return Sequences(np.concatenate(histories).astype(np.int32), offsets, n_items)


def padded(items: list[int], length: int) -> list[int]:
    return items[-length:] + [0] * (length - len(items[-length:]))


def test_targets_of_a_user_with_three_and_one_with_five_events() -> None:
    sequences = build([[1, 2, 3], [4, 5, 6, 7, 1]])
    assert sequences.targets("train").tolist() == [4, 5]
    assert sequences.targets("valid").tolist() == [1, 6]
    assert sequences.targets("test").tolist() == [2, 7]


def test_windows_end_before_the_event_and_start_with_their_user() -> None:
    sequences = build([[1, 2, 3], [4, 5, 6, 7, 1]])
    assert sequences.windows(np.array([3, 4, 7, 2, 0]), 3).tolist() == [
        [0, 0, 0],
        [4, 0, 0],
        [5, 6, 7],
        [1, 2, 0],
        [0, 0, 0],
    ]


@given(HISTORIES, st.integers(1, 12))
def test_windows_and_targets_equal_a_loop(histories: list[list[int]], length: int) -> None:
    sequences = build(histories)
    windows, owners, roles = [], [], []
    for user, history in enumerate(histories):
        for place in range(len(history)):
            windows.append(padded(history[:place], length))
            owners.append(user)
            left = len(history) - 1 - place
            roles.append({0: "test", 1: "valid"}.get(left, "train" if place else None))
    events = np.arange(len(owners))
    assert sequences.windows(events, length).tolist() == windows
    assert sequences.users_of(events).tolist() == owners
    for split in ("train", "valid", "test"):
        assert sequences.targets(split).tolist() == [event for event in events if roles[event] == split]


@given(HISTORIES, st.integers(0, 2**32))
def test_draws_are_never_touched_items(histories: list[list[int]], seed: int) -> None:
    sequences, rng = build(histories, N_ITEMS + 3), np.random.default_rng(seed)
    users = np.arange(len(histories))
    for drawn in (sequences.untouched().sample(users, 20, rng), sequences.untouched().sample_different(3, rng)):
        for history, row in zip(histories, drawn.tolist(), strict=True):
            assert set(row) <= set(range(1, N_ITEMS + 4)) - set(history)


def chi_square(counts: np.ndarray) -> float:
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


def test_negatives_are_uniform_over_the_untouched_items() -> None:
    """Chi-square of 5 and 9 cells: 99.9 % of fair draws stay below 18.5 and 26.1 (4 and 8 degrees of freedom)."""
    sequences = build([[2, 3, 2, 9, 10, 12], [1, 12, 7]], n_items=12)
    drawn = sequences.untouched().sample(np.array([0, 1]), 40_000, np.random.default_rng(0))
    for row, untouched, bound in ((0, [1, 4, 5, 6, 7, 8, 11], 22.5), (1, [2, 3, 4, 5, 6, 8, 9, 10, 11], 26.1)):
        counts = np.bincount(drawn[row], minlength=13)
        assert counts.sum() == counts[untouched].sum()
        assert chi_square(counts[untouched]) < bound


def test_every_set_of_candidates_is_equally_likely() -> None:
    """Ten sets of two from five untouched items: 99.9 % of fair draws stay below 27.9 (9 degrees of freedom)."""
    sequences = build([[2, 4, 2]] * 20_000, n_items=7)
    drawn = np.sort(sequences.untouched().sample_different(2, np.random.default_rng(0)), axis=1)
    pairs, counts = np.unique(drawn, axis=0, return_counts=True)
    untouched = [1, 3, 5, 6, 7]
    assert pairs.tolist() == [[a, b] for a in untouched for b in untouched if a < b]
    assert chi_square(counts) < 27.9


def test_candidates_of_a_row_differ_even_when_all_untouched_items_are_asked_for() -> None:
    drawn = build([[1, 2, 1], [5, 6, 5]]).untouched().sample_different(5, np.random.default_rng(0))
    assert drawn.dtype == np.int32
    assert np.sort(drawn, axis=1).tolist() == [[3, 4, 5, 6, 7], [1, 2, 3, 4, 7]]


def test_too_few_untouched_items_are_an_error_with_a_remedy() -> None:
    sequences = build([[1, 2, 3], [1, 2, 3, 4, 5]], n_items=5)
    with pytest.raises(DataError, match=r"fewer than 2 items .*: 1; bring more items$"):
        sequences.untouched().sample_different(2, np.random.default_rng(0))
    with pytest.raises(DataError, match="touched every item"):
        sequences.untouched().sample(np.array([0, 1]), 1, np.random.default_rng(0))


def test_sequences_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="fewer than three"):
        build([[1, 2, 3], [1, 2]])
    with pytest.raises(DataError, match=r"outside 1\.\.7"):
        build([[1, 2, 8]])
