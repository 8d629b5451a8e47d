"""The schema, the k-core and the numbering of interactions."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solid.data.interactions import check_schema, in_order, k_core, number
from solid.data.readers import Problems, RawData
from solid.errors import DataError

EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def items(*ids: str) -> pd.DataFrame:
    frame = pd.DataFrame({"item_id": ids})
    return frame.assign(title="title of " + frame["item_id"], text="", category="", image="")


def events(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


def raw(interactions: pd.DataFrame, described: pd.DataFrame) -> RawData:
    return RawData(interactions, described, Problems(), filtered=False, timed=True)


@given(EVENTS, st.integers(0, 4), st.integers(0, 4))
def test_k_core_equals_dropping_one_at_a_time(pairs: list[tuple[int, int]], user_events: int, item_events: int) -> None:
    left = set(range(len(pairs)))
    while True:
        users = Counter(pairs[event][0] for event in left)
        products = Counter(pairs[event][1] for event in left)
        poor = [e for e in left if users[pairs[e][0]] < user_events or products[pairs[e][1]] < item_events]
        if not poor:
            break
        left.remove(poor[0])
    codes = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    assert set(np.flatnonzero(k_core(codes[:, 0], codes[:, 1], user_events, item_events)).tolist()) == left


def test_k_core_unravels_a_chain() -> None:
    """Item 2 has one event; without it user 1 falls below two, then item 1, then user 0."""
    users, products = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert k_core(users, products, 2, 1).all()
    assert not k_core(users, products, 2, 2).any()


def test_numbers_follow_first_appearance_and_events_follow_time() -> None:
    source = events(("bob", "y", 5), ("ann", "x", 9), ("bob", "x", 5), ("ann", "z", 2), ("bob", "z", 1))
    numbered = number(source, items("z", "unused", "x", "y"))
    assert numbered.users["user_id"].tolist() == ["bob", "ann"]
    assert numbered.items["item_id"].tolist() == ["y", "x", "z"]
    assert numbered.items["title"].tolist() == ["title of y", "title of x", "title of z"]
    assert numbered.events.to_numpy().tolist() == [[0, 3, 1], [0, 2, 5], [0, 1, 5], [1, 3, 2], [1, 2, 9]]
    assert [str(kind) for kind in numbered.events.dtypes] == ["int32", "int32", "int64"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3)), min_size=1), st.randoms())
def test_the_order_of_lines_says_nothing(rows: list[tuple[int, int, int]], chance: Random) -> None:
    def sequences(rows: list[tuple[int, int, int]]) -> dict[str, list[str]]:
        source = events(*((f"u{user}", f"i{item}", time) for user, item, time in rows))
        by_user = source.iloc[in_order(source)].groupby("user_id")
        assert by_user["timestamp"].is_monotonic_increasing.all()
        return {str(user): found.tolist() for user, found in by_user["item_id"]}

    assert sequences(rows) == sequences(chance.sample(rows, len(rows)))


def test_which_of_two_items_of_one_moment_comes_last_is_even() -> None:
    """4,000 users have both items at the same time; either comes last for half of them, within four deviations."""
    source = events(*((f"u{user}", item, 7) for item in ("first", "second") for user in range(4000)))
    last = source.iloc[in_order(source)].groupby("user_id")["item_id"].last()
    assert abs((last == "second").mean() - 0.5) < 4 * 0.5 / 4000**0.5


def test_at_the_same_time_training_comes_before_test() -> None:
    source = events(*(("u", f"i{n}", 7) for n in range(20)))
    parts = np.array([2, *[1] * 9, *[0] * 10])
    order = in_order(source, parts)
    assert parts[order].tolist() == sorted(parts)
    assert source["item_id"].iloc[order[-1]] == "i0"


def test_the_schema_is_checked() -> None:
    good = events(("ann", "x", 1))
    check_schema(raw(good, items("x")))
    for broken, described, words in (
        (good.drop(columns="timestamp"), items("x"), "without the column timestamp"),
        (good.assign(timestamp=1.5), items("x"), "timestamp is not int64"),
        (good.assign(user_id=pd.Series([None], dtype="str")), items("x"), "user_id is not str"),
        (good.assign(item_id=""), items(""), "empty item_id"),
        (good, items("x", "y"), "not exactly those"),
        (good, items("x", "x"), "not exactly those"),
    ):
        with pytest.raises(DataError, match=words):
            check_schema(raw(broken, described))
