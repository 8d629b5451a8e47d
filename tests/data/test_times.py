"""Times as people write them: the order they tell, and what is refused because it tells none."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import events, write

from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.data.readers import find_reader
from solid.data.readers.moments import parse
from solid.data.readers.problems import BROKEN
from solid.data.readers.times import alike, candidates
from solid.errors import DataError
from solid.settings.schema import DataSettings, PrepareSettings

DAY = datetime(2014, 10, 8, 12, 13, 14, tzinfo=UTC)
SECONDS = int(DAY.timestamp())
HEADERS = """review_date unixReviewTime created_at event_time datetime ts date reviewTime time_stamp ordered_at
    purchase_date InvoiceDate t_dat Timestamp rating_timestamp unix_review_time playedAt check-in_time ts_ms date_added
    click_timestamp createdAt Date_Time transaction_date behavior_time order_purchase_timestamp"""


def micro(*fields: int) -> int:
    return int(datetime(*fields, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("header", HEADERS.split())
def test_a_newest_first_file_holds_out_the_newest_whatever_its_time_is_called(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{user},{user}{n},{SECONDS + n * 86_400}\n" for n in (4, 3, 2, 1) for user in "ab")
    write(tmp_path / "source", {"e.csv": f"user_id,item_id,{header}\n{rows}"})
    assert held_out(tmp_path) == ["a4", "b4"]


def held_out(folder: Path, order: str = "time") -> list[str]:
    """The test items of a source's users, prepared whole."""
    source = DataSettings(source=str(folder / "source"), order=order)  # type: ignore[arg-type]
    ingest(folder / "raw", source)
    prepare(folder / "raw", folder / "out", PrepareSettings(k_core=0, negatives=1, max_bad_share=0.2))
    events = pd.read_parquet(folder / "out" / "interactions.parquet")
    items = pd.read_parquet(folder / "out" / "items.parquet")["item_id"].tolist()
    return [items[item - 1] for item in events.loc[events["split"] == "test", "item"]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2014-10-08", micro(2014, 10, 8)),
        ("2014-10-08 12:13:14", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08T12:13:14Z", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08T12:13:14.250Z", micro(2014, 10, 8, 12, 13, 14) + 250_000),
        ("2014-10-08 14:13:14+02:00", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08 05:13:14-0700", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08 12:13:14 UTC", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08 12:13:14.5+00", micro(2014, 10, 8, 12, 13, 14) + 500_000),
        ("2014-10-08 05:13:14-07", micro(2014, 10, 8, 12, 13, 14)),
        ("2014-10-08 12", micro(2014, 10, 8, 12)),
        ("2014/10/8 12:13", micro(2014, 10, 8, 12, 13)),
        ("20141008T121314Z", micro(2014, 10, 8, 12, 13, 14)),
        ("10 08, 2014", micro(2014, 10, 8)),
        ("Oct 8, 2014", micro(2014, 10, 8)),
        ("October 8, 2014 at", None),
        ("Posted October 8, 2014.", micro(2014, 10, 8)),
        ("8 October 2014", micro(2014, 10, 8)),
        ("08-Oct-2014 12:13:14", micro(2014, 10, 8, 12, 13, 14)),
        ("Wed Oct 08 05:13:14 -0700 2014", micro(2014, 10, 8, 12, 13, 14)),
        ("Wed, 08 Oct 2014 12:13:14 GMT", micro(2014, 10, 8, 12, 13, 14)),
        ("08.10.2014 12:13", micro(2014, 10, 8, 12, 13)),
        ("10/13/2014 8:13 PM", micro(2014, 10, 13, 20, 13)),
        ("13/10/2014", micro(2014, 10, 13)),
        ("10/13/14", micro(2014, 10, 13)),
        ("1412770394", 1412770394),
        ("1412770394000000123", 1412770394000000123),
        ("-7", -7),
        ("2014-02-30", None),
        ("2014-10-08 25:00:00", None),
        ("0000-00-00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_form_of_time(text: str, value: int | None) -> None:
    times = parse(pd.Series([text], dtype="str"))
    assert (times.fault, times.known.tolist()) == ("", [value is not None])
    if value is not None:
        assert int(times.values[0]) == value


FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d %b %Y %H:%M:%S", "%a %b %d %H:%M:%S +0000 %Y", "%s", "%s000")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.sampled_from(FORMS))
def test_every_form_keeps_the_order(offsets: list[int], form: str) -> None:
    moments = [datetime(1995, 1, 1, tzinfo=UTC) + timedelta(seconds=offset) for offset in offsets]
    written = form.replace("%s", "{}")
    texts = [
        written.format(int(moment.timestamp())) if "{}" in written else moment.strftime(form) for moment in moments
    ]
    values = parse(pd.Series(texts, dtype="str")).values
    assert pd.Series(values).rank().tolist() == pd.Series(offsets).rank().tolist()


@pytest.mark.parametrize(
    ("texts", "fault", "places"),
    [
        (["1/2/2014", "3/4/2014"], "{} may be day and month or month and day", (0,)),
        (["13/1/2014", "1/13/2014"], "{} has the day first, but {} the month", (0, 1)),
        (["5", "2014-01-01", "6"], "{} is a number, but {} is a date without a zone", (0, 1)),
        (["2014-01-01T00:00:00Z", "2014-01-01T00:00:00"], "{} is a date with a zone, but {} is", (0, 1)),
    ],
)
def test_forms_that_tell_no_order_are_a_fault(texts: list[str], fault: str, places: tuple[int, ...]) -> None:
    times = parse(pd.Series(texts, dtype="str"))
    assert times.fault.startswith(fault) and times.places == places


DATES = [f"2014-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]  # 336, one per cent is three


@pytest.mark.parametrize(
    ("texts", "other"),
    [
        (DATES, "0"),
        (DATES, "2014-01-01T00:00:00Z"),
        ([str(SECONDS + n) for n in range(200)], "2014-01-01"),
        ([f"{day}/{month}/2014" for month in range(1, 13) for day in range(13, 29)], "1/13/2014"),
    ],
)
def test_a_few_of_another_form_are_broken_and_more_are_a_fault(texts: list[str], other: str) -> None:
    times = parse(pd.Series([other, *texts], dtype="str"))
    assert times.fault == ""
    assert times.known.tolist() == [False, *[True] * len(texts)]
    assert (np.diff(times.values[1:]) > 0).all()
    assert parse(pd.Series([other] * 4 + texts, dtype="str")).fault


def test_what_is_missing_is_no_time() -> None:
    for column, value in (
        (pd.Series(["2014-01-02", None, "2014-01-01"], dtype="str"), micro(2014, 1, 2)),
        (pd.Series([SECONDS, None, SECONDS], dtype="Int64"), SECONDS),
        (pd.Series([SECONDS, None, SECONDS], dtype="Float64"), SECONDS),
        (pd.Series([float(SECONDS), np.nan, SECONDS]), SECONDS),
    ):
        times = parse(column)
        assert (times.fault, times.known.tolist()) == ("", [True, False, True])
        assert times.values[0] == value
    assert not parse(pd.Series([None, None], dtype="str")).known.any()


def test_names() -> None:
    assert candidates(["user", "Review Date", "release_date", "unixReviewTime"]) == ["Review Date", "unixReviewTime"]
    assert candidates(["release_date", "birth_date", "duration", "price", "playtime_forever"]) == []
    assert alike(["release_date", "kaufdatum", "price", "begun_at"]) == ["release_date", "kaufdatum", "begun_at"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a.csv": "user,item\nu,i\n"}, "a.csv has no column of time among user, item"),
        (
            {"a.csv": "user,item,kaufdatum\nu,i,2014-01-01\n"},
            "a.csv has no column of time among user, item, kaufdatum; if it is 'kaufdatum', call it timestamp",
        ),
        (
            {"a.csv": "user,item,time\nu,i,9\n", "b.csv": "user,item\nu,j\n"},
            "b.csv has no column of time among user, item, while a.csv has 'time'",
        ),
        (
            {"a.csv": "user,item,created_at,updated_at\nu,i,1,6\nu,j,2,5\n"},
            "'created_at' and 'updated_at' may both be the time, and tell of another order: a.csv:2 '1', a.csv:2 '6' "
            "and a.csv:3 '2', a.csv:3 '5'",
        ),
        (
            {"a.csv": f"user,item,time\nu,i,{SECONDS}\nu,j,{SECONDS}000\n"},
            f"times are in several units: a.csv:2 counts seconds since 1970 ({SECONDS}), but a.csv:3 counts "
            f"milliseconds since 1970 ({SECONDS}000)",
        ),
        (
            {"a.csv": f"user,item,time\nu,i,{SECONDS}\n", "b.csv": f"user,item,time\nu,i,{SECONDS}000000\n"},
            f"several units: a.csv:2 counts seconds since 1970 ({SECONDS}), but b.csv:2 counts microseconds",
        ),
        (
            {"a.csv": f"user,item,time\nu,i,{SECONDS}\n", "b.csv": "user,item,time\nu,i,2014-01-01\n"},
            f"several units: a.csv:2 counts seconds since 1970 ({SECONDS}), but b.csv:2 counts microseconds",
        ),
        (
            {"a.csv": f"user,item,time\nu,i,{SECONDS}\n", "b.csv": "user,item,time\nu,i,17\n"},
            "but b.csv:2 does not count from 1970 (17)",
        ),
        (
            {"a.csv": "user,item,time\nu,i,2014-01-01\nu,j,1412770394\n"},
            "in the column 'time' a.csv:3 '1412770394' is a number, but a.csv:2 '2014-01-01' is a date without a zone",
        ),
        (
            {"a.csv": "user,item,date\nu,i,1/2/2014\n"},
            "in the column 'date' a.csv:2 '1/2/2014' may be day and month or month and day",
        ),
        (
            {"a.csv": "user,item,time\nu,i,morning\n"},
            "no value in the column 'time' is a time, such as a.csv:2 'morning'",
        ),
        ({"a.inter": "user_id:token\titem_id:token\nu\ti\n"}, "a.inter has no column of time among user_id, item_id"),
    ],
)
def test_a_source_without_usable_time_is_refused_unless_the_order_of_lines_is_asked_for(
    tmp_path: Path, files: dict[str, str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "source", files)
    raw = find_reader(tmp_path / "source").read(tmp_path / "source")
    assert not raw.timed and why in raw.problems.untimed
    with pytest.raises(DataError) as caught:
        held_out(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/raw: no usable time: ") and why in message and "data.order=file" in message
    assert "\n" not in message and not (tmp_path / "out").exists()
    more = "".join(f"{user},x{user}{n},{n}\n" for user in "ab" for n in range(3))
    write(tmp_path / "source", {"a.csv": f"user,item,day\n{more}a,last,0\n"})
    if "a.inter" not in files:
        assert "last" in held_out(tmp_path, "file")
        assert capsys.readouterr().err.splitlines()[-1].endswith("as the latest; data.order is file")
        stats = json.loads((tmp_path / "out" / "stats.json").read_text())
        assert (stats["time"]["order"], stats["time"]["why"]) == ("file", "data.order is file")


def test_a_format_without_times_by_definition_says_so_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{user}\t{user}{n}\t5\n" for user in "12" for n in range(4))
    write(tmp_path / "source", {"ratings.dat": rows})
    assert held_out(tmp_path) == ["13", "23"]
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("  NO TIMES: ") and said[-1].endswith("the format douban has no times")


def test_columns_of_time_that_agree_are_one(tmp_path: Path) -> None:
    rows = "user,item,date,timestamp\nu,i,2014-01-02,1388700000\nu,j,2014-01-01,1388534401\nu,k,2014-01-01,1388534400\n"
    raw = find_reader(write(tmp_path, {"a.csv": rows})).read(tmp_path)
    assert raw.timed and [time for _, _, time in events(raw)] == [1388700000, 1388534401, 1388534400]


def test_a_date_and_a_time_of_day_make_a_moment(tmp_path: Path) -> None:
    rows = "user,item,date,time\nu,i,2014-01-02,08:00\nu,j,2014-01-02,07:30\n"
    raw = find_reader(write(tmp_path, {"a.csv": rows})).read(tmp_path)
    assert [time for _, _, time in events(raw)] == [micro(2014, 1, 2, 8), micro(2014, 1, 2, 7, 30)]


def test_a_moment_without_its_time_of_day_is_no_time(tmp_path: Path) -> None:
    rows = "".join(f"u,i{n},2014-01-02,{n:02}:30\n" for n in range(20)) + "u,j,2014-01-02,\nu,k,2014-01-02,N/A\n"
    raw = find_reader(write(tmp_path, {"a.csv": f"user,item,date,time\n{rows}"})).read(tmp_path)
    assert [time for _, _, time in events(raw)] == [micro(2014, 1, 2, n, 30) for n in range(20)]
    assert raw.problems.counts[BROKEN] == 2


def test_a_date_and_a_time_of_day_in_parquet(tmp_path: Path) -> None:
    days, hours = [date(2014, 1, 2), date(2014, 1, 2)], [time(8), time(7, 30)]
    frame = pd.DataFrame({"user": ["u", "u"], "item": ["i", "j"], "date": days, "time": hours})
    frame.to_parquet(tmp_path / "e.parquet")
    raw = find_reader(tmp_path).read(tmp_path)
    assert [time for _, _, time in events(raw)] == [micro(2014, 1, 2, 8), micro(2014, 1, 2, 7, 30)]


def test_how_long_something_lasted_is_no_time_of_it(tmp_path: Path) -> None:
    rows = "u,i,90\nu,j,30\nu,k,60\n"
    raw = find_reader(write(tmp_path, {"a.csv": f"user,item,watched_time\n{rows}"})).read(tmp_path)
    assert not raw.timed
    assert "watched_time" in raw.problems.untimed
    moments = "".join(f"u,i{n},{SECONDS - n}\n" for n in range(3))
    raw = find_reader(write(tmp_path, {"a.csv": f"user,item,watched_time\n{moments}"})).read(tmp_path)
    assert raw.timed


def test_times_far_from_all_others_are_broken_lines(tmp_path: Path) -> None:
    rows = "".join(f"u,i{n},{SECONDS + n}\n" for n in range(20)) + "u,zero,0\n"
    raw = find_reader(write(tmp_path, {"a.csv": f"user,item,time\n{rows}"})).read(tmp_path)
    assert len(raw.interactions) == 20
    assert raw.problems.examples[BROKEN] == ["a.csv:22: time 0 is not in seconds since 1970"]


def test_moments_of_parquet(tmp_path: Path) -> None:
    days = pd.to_datetime(["2014-01-03", "2014-01-01", None])
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [7.0, 8.0, 9.0], "bought_at": days})
    frame.to_parquet(tmp_path / "e.parquet")
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("1", "7", micro(2014, 1, 3)), ("1", "8", micro(2014, 1, 1))]
    assert raw.problems.examples[BROKEN] == ["e.parquet:3: no time: ''"]
