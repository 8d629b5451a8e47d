"""How users' sequences are cut into pieces, and pieces into batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solid.data.sequences import Sequences
from solid.settings.schema import TrainingSettings
from solid.training.batches import Pieces
from solid.training.learned import Learned


def pieces_of(lengths: list[int], length: int, cut: str = "whole") -> tuple[Learned, Pieces]:
    items = np.arange(1, sum(lengths) + 1, dtype=np.int32)
    learned = Learned.of(Sequences(items, np.append(0, np.cumsum(lengths)), len(items)), TrainingSettings())
    return learned, getattr(Pieces, cut)(learned.sequences, learned.targets, length)


def test_a_long_sequence_is_cut_into_pieces_that_overlap_by_half() -> None:
    _, pieces = pieces_of([13, 5], 4)  # of the first user 11 events are learned, of the second 3
    assert pieces.starts_P.tolist() == [0, 2, 4, 6, 13]
    assert pieces.asked_P.tolist() == [1, 5, 7, 9, 14]
    assert pieces.ends_P.tolist() == [5, 7, 9, 11, 16]


def test_windows_have_a_history_for_each_target() -> None:
    _, pieces = pieces_of([7, 4], 3, "windows")
    assert pieces.starts_P.tolist() == [0, 0, 0, 1, 7]
    assert pieces.asked_P.tolist() == [1, 2, 3, 4, 8]
    assert pieces.ends_P.tolist() == [2, 3, 4, 5, 9]


@given(st.lists(st.integers(4, 40), min_size=1, max_size=8), st.integers(1, 12), st.integers(1, 9))
def test_every_target_is_asked_for_once_with_what_came_before_it(lengths: list[int], length: int, size: int) -> None:
    learned, pieces = pieces_of(lengths, length)
    asked = []
    for batch in pieces.batches(size, np.random.default_rng(0)):
        assert sum(len(group.items_BL) for group in batch) <= size
        for group in batch:
            assert group.items_BL.shape[1] <= length + 1
            for items, wanted, user in zip(group.items_BL, group.asked_BL, group.users_B, strict=True):
                real = items[items > 0]
                assert np.array_equal(real, np.arange(real[0], real[0] + len(real)))  # items are numbered by event
                assert (learned.sequences.users_of(real - 1) == user).all()
                assert not wanted[0] and not wanted[len(real) :].any()
                first = items[wanted][0] - 1  # event
                before = first - (real[0] - 1)
                assert before >= min(length - length // 2, first - learned.sequences.offsets[user])
                asked += (items[wanted] - 1).tolist()
    assert sorted(asked) == learned.targets.tolist()


@pytest.mark.parametrize("size", [3, 64])
def test_groups_hold_at_most_half_padding(size: int) -> None:
    _, pieces = pieces_of(list(range(4, 60)), 50)
    for batch in pieces.batches(size, np.random.default_rng(1)):
        for group in batch:
            assert (group.items_BL > 0).sum(1).min() * 2 >= group.items_BL.shape[1] or group.items_BL.shape[1] <= 4
