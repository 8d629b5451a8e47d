from __future__ import annotations

from pathlib import Path

import pytest
from reading import events, items, places, write

from solid.data.readers import GENERIC, find_reader
from solid.data.readers.problems import BARE, REPEATED, UNKNOWN


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
@pytest.mark.parametrize(
    "names", [("user_id", "item_id", "time"), ("uid", "ASIN", "timestamp"), ("User", "Item", "Time")]
)
@pytest.mark.parametrize("file", ["a.csv", "a.tsv", "a.txt.gz"])
def test_the_header_says_what_is_what(tmp_path: Path, separator: str, names: tuple[str, ...], file: str) -> None:
    rows = [names[::-1], ("7", "i", "u"), ("5", "j", "v")]
    reader = find_reader(write(tmp_path, {file: "\n".join(separator.join(row) for row in rows)}))
    raw = reader.read(tmp_path)
    assert (reader.name, raw.timed, raw.filtered, raw.problems.counts) == ("csv", True, False, {})
    assert events(raw) == [("u", "i", 7), ("v", "j", 5)]
    assert places(raw) == [f"{file}:2", f"{file}:3"]


def test_metadata_lies_beside_and_strange_columns_are_named(tmp_path: Path) -> None:
    train = "user,item,rating,mood\nu,1,5,good\nu,2,5,bad\nu,1,5,good\n"
    shelf = "item_id,title,genres,description,price\n1,A,x|y,long,3\n"
    write(tmp_path, {"train.csv": train, "shelf.csv": shelf, "other.csv": "item,weight\n1,2\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert (events(raw), raw.timed) == ([("u", "1", 0), ("u", "2", 1), ("u", "1", 2)], False)
    assert items(raw) == [("1", "A", "A. x y. long", "x", ""), ("2", "", "", "", "")]
    assert raw.problems.examples == {
        UNKNOWN: ["train.csv:1: column 'mood'", "shelf.csv:1: column 'price'"], BARE: ["train.csv:3: 2"],
        REPEATED: ["train.csv:4: u 1"],
    }  # fmt: skip


def test_one_file_without_time_leaves_only_the_order(tmp_path: Path) -> None:
    raw = find_reader(write(tmp_path, {"a.csv": "user,item,time\nu,i,9\n", "b.csv": "user,item\nu,j\n"})).read(tmp_path)
    assert (events(raw), raw.timed) == ([("u", "i", 0), ("u", "j", 1)], False)


def test_grocery(real_data: Path) -> None:
    folder = real_data / "amazon_grocery_timestamps"
    raw = find_reader(folder).read(folder)
    assert events(raw)[0] == ("2177", "3", 965779200)
    assert (raw.interactions["user_id"].nunique(), len(raw.items), len(raw.interactions)) == (14_681, 8687, 121_892)
    assert raw.items["category"].nunique() == 56  # the 57th has none of the items bought
    assert (raw.items["text"] == "").all()
    assert raw.problems.counts == {UNKNOWN: 2}


def test_times_with_a_fraction_keep_their_order(tmp_path: Path) -> None:
    rows = "".join(f"u,i{n},{n / 10}\n" for n in (3, 1, 2))
    (tmp_path / "events.csv").write_text("user,item,time\n" + rows)
    events = GENERIC.read(tmp_path).interactions
    assert events.sort_values("timestamp")["item_id"].tolist() == ["i1", "i2", "i3"]
    assert events["timestamp"].tolist() == [300_000, 100_000, 200_000]


def test_a_file_without_a_readable_first_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x" * 200_000)
    (tmp_path / "old.csv").write_bytes(b"user,item\ra,b\r")
    (tmp_path / "events.csv").write_text("user,item\nu,i\n")
    assert GENERIC.read(tmp_path).interactions["item_id"].tolist() == ["i"]
