"""Frames in: whatever library and types, the chain gets the same; a fault is told by column."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solid.data.dataset import Dataset
from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.errors import DataError
from solid.interface.frames import Events, ItemWords, make_frame, write_csv
from solid.interface.histories import Histories
from solid.settings.schema import DataSettings, PrepareSettings

DAYS = [date(2024, 1, 2), date(1969, 12, 30), date(2024, 1, 1)]
ROWS: dict[str, list[Any]] = {"user": [7, 8, 7], "Item": ["a", "b", "c"], "time": DAYS}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(ROWS).assign(time=pd.to_datetime(pd.Series(DAYS))),
        pd.DataFrame(ROWS).assign(time=pd.to_datetime(pd.Series(DAYS)).dt.tz_localize("UTC")),
        pd.DataFrame(ROWS).astype({"Item": "category"}).assign(time=pd.to_datetime(pd.Series(DAYS))),
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS, schema_overrides={"Item": pl.Categorical, "user": pl.UInt16}).lazy(),
        pa.table(ROWS),
    ],
    ids=["pandas", "zoned", "category", "polars", "lazy", "arrow"],
)
def test_every_kind_of_frame_comes_to_the_same(frame: Any) -> None:
    events = Events.of(frame)
    day = 24 * 60 * 60 * 1_000_000
    assert events.table.to_pydict() == {
        "user_id": ["7", "8", "7"],
        "item_id": ["a", "b", "c"],
        "timestamp": [19724 * day, -2 * day, 19723 * day],
    }
    columns = events.columns
    assert (columns.user.name, columns.item.name, columns.time) == ("user", "Item", "time")
    assert columns.user.outside(["7", "8"]) == [7, 8]
    assert columns.item.outside(["7"]) == ["7"]


def test_columns_may_be_named_and_time_may_be_missing() -> None:
    frame = pd.DataFrame({"item": [1, 2], "buyer": ["x", "y"], "thing": [3, 4], 5: [0, 0]})
    events = Events.of(frame, user="buyer", item="thing")
    assert events.table.to_pydict() == {"user_id": ["x", "y"], "item_id": ["3", "4"]}
    # A later frame need not name them again, but may.
    assert Events.of(frame, known=events.columns).table.equals(events.table)
    assert Events.of(frame, item="item", known=events.columns).table["item_id"].to_pylist() == ["1", "2"]


def test_nanoseconds_keep_their_order() -> None:
    times = np.array([3, 1, 2, 1]) + 1_700_000_000_000_000_000
    table = Events.of(pd.DataFrame({"user": 1, "item": 1, "time": times})).table
    assert table["timestamp"].to_pylist() == times.tolist()


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (3, "events: a int is no frame; "),
        (pd.DataFrame({"a": [1], 2: [3]}), "events: no column for user_id and item_id among a, 2; name it, as in fit("),
        (pl.DataFrame({"user": [1], "a": [2]}), "events: no column for item_id among user, a; name it"),
        (pd.DataFrame({"user": [], "item": []}), "events: the frame has no rows"),
        (
            pd.DataFrame({"user": [1.0], "item": [2]}),
            "events: ids in column 'user' are Float64; whole numbers or texts",
        ),
        (pd.DataFrame({"user": ["a", 2], "item": [2, 3]}), "events: ids in column 'user' are Object; "),
        (
            pd.DataFrame({"user": ["a", None, None], "item": [2, 3, 4]}),
            "events: 2 values of column 'user' are missing, the first in row 1; drop these rows first",
        ),
        (pd.DataFrame({"user": ["a", "b\nc"], "item": 2}), "events: ids in column 'user' are empty or break the line"),
        (pd.DataFrame({"user": 1, "item": ["", "b"]}), "events: ids in column 'item' are empty or break the line"),
        (pd.DataFrame({"user": [1], "item": [1], "time": ["x"]}), "events: time in column 'time' is String; numbers, "),
        (
            pd.DataFrame({"user": 1, "item": 1, "time": [0, np.nan]}),
            "events: 1 values of column 'time' are missing, the first in row 1",
        ),
    ],
)
def test_events_that_do_not_fit_are_told(frame: Any, fault: str) -> None:
    with pytest.raises(DataError) as caught:
        Events.of(frame)
    assert str(caught.value).startswith(fault)


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match="events: no column 'x'; there are user, item"):
        Events.of(pd.DataFrame({"user": [1], "item": [2]}), time="x")


def test_words_of_items() -> None:
    frame = pl.DataFrame(
        {"id": [1, 2], "name": ["x\r\n y", None], "description": ["", 'say "no", or yes'], "price": [3, 4]}
    )
    assert ItemWords.of(frame, item="id").table.to_pydict() == {
        "item_id": ["1", "2"],
        "title": ["x y", ""],
        "text": ["", 'say "no", or yes'],
    }
    for odd, fault in [
        (frame, "expected a column of item ids and at least one of title, category, text; found id, name"),
        (frame.rename({"id": "item"}).select("item"), "expected a column of item ids and at least one of"),
        (frame.rename({"id": "item", "price": "title"}), "column 'title' is Int64, not text"),
    ]:
        with pytest.raises(DataError, match=f"items: {fault}"):
            ItemWords.of(odd)


def test_answers_are_frames_of_the_kind_asked() -> None:
    rows = {"user": [1], "item": [2]}
    for frame in (pd.DataFrame(rows), pl.DataFrame(rows), pa.table(rows)):
        assert type(make_frame({"a": [1]}, Events.of(frame).kind)) is type(frame)
    assert isinstance(make_frame({"a": [1]}, Events.of(pl.LazyFrame(rows)).kind), pl.DataFrame)
    assert isinstance(make_frame({"a": [1]}, None), pd.DataFrame)


EVENT = st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6))


@settings(max_examples=30)
@given(st.lists(EVENT, min_size=20, max_size=60), st.booleans())
def test_histories_are_those_that_prepare_makes(rows: list[tuple[int, int, int]], timed: bool) -> None:
    # Everybody has three distinct events at least, and has never had some item, so that prepare keeps everybody.
    rows = rows + [(user, item + 9 * (user == 5), 9) for user in range(6) for item in range(3)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    events = Events.of(frame if timed else frame.drop(columns="time"))
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "source").mkdir()
        write_csv(events.table, home / "source" / "interactions.csv")
        ingest(home / "raw", DataSettings(source=str(home / "source"), format="csv", order="time" if timed else "file"))
        prepare(home / "raw", home / "prepared", PrepareSettings(k_core=0, negatives=1, max_bad_share=1))
        dataset = Dataset.load(home / "prepared")
    histories = Histories.of(events)
    assert histories.users == dataset.users["user_id"].tolist()
    item_ids = dataset.items["item_id"].to_numpy()
    assert histories.items == item_ids[dataset.sequences.items - 1].tolist()
    starts, ends = histories.of_users(histories.users)
    assert starts.tolist() == dataset.sequences.offsets[:-1].tolist()
    assert ends.tolist() == dataset.sequences.offsets[1:].tolist()


def test_users_without_events_are_named(tmp_path: Path) -> None:
    histories = Histories.of(Events.of(pd.DataFrame({"user": [3, 1, 3], "item": [1, 2, 3]})))
    histories.save(tmp_path / "h.parquet")
    histories = Histories.load(tmp_path / "h.parquet")
    starts, ends = histories.of_users(["1", "3", "1"])
    assert (starts.tolist(), ends.tolist()) == ([2, 0, 2], [3, 2, 3])
    with pytest.raises(
        DataError, match="no events of the users 4, 5, 6, 7, 8 and 1 more; give what they did as events="
    ):
        histories.of_users(["1", *map(str, range(4, 10))])


def test_a_moment_is_a_time() -> None:
    frame = pl.DataFrame({"user": [1], "item": [1], "time": [datetime(1970, 1, 1, 0, 0, 1)]})
    assert Events.of(frame).table["timestamp"].to_pylist() == [1_000_000]
