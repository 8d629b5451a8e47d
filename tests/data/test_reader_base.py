from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from reading import events, items, places, write

from solid.data.readers import READERS, Problems, find_reader
from solid.data.readers.base import assemble
from solid.data.readers.problems import BARE, BROKEN, DUPLICATE, REPEATED
from solid.errors import DataError

RECBOLE = {"a.inter": "user_id:token\titem_id:token\nu\ti\n"}


def test_every_reader_has_its_own_name_and_a_description() -> None:
    names = [reader.name for reader in READERS]
    assert sorted(names) == [
        "amazon", "amazon-ratings", "csv", "douban", "headless", "movielens", "recbole", "released",
        "sasrec", "unisrec",
    ]  # fmt: skip
    assert all(reader.description for reader in READERS)


def test_no_reader_recognises_an_empty_folder_or_odd_files(tmp_path: Path) -> None:
    odd = {"a.json": b"\xff\xfe[1", "b.csv": b"\x00\xff", "train.txt": "", "ratings.dat": "a b c", "c.inter": b"\xff\t"}
    odd |= {"u.data": "", "d.test.inter": "", "deep.json": "[" * 100_000, "manifest.json": '{"user_id": "u"}'}
    write(tmp_path, odd)
    (tmp_path / "e.json.gz").write_bytes(b"not gzip")
    (tmp_path / "f.csv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert [reader.name for reader in READERS if reader.matches(tmp_path)] == []


@pytest.mark.parametrize("name", [reader.name for reader in READERS])
def test_a_reader_named_for_a_folder_that_is_something_else_is_a_data_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError):
        find_reader(write(tmp_path, {"readme.md": "hello"}), name).read(tmp_path)


def test_a_reader_is_found_by_name_and_by_looking(tmp_path: Path) -> None:
    write(tmp_path, RECBOLE)
    assert find_reader(tmp_path).name == "recbole"
    assert find_reader(tmp_path, "douban").name == "douban"
    with pytest.raises(DataError, match=r"(?s)no reader is called 'dubian'.*douban: Douban TSV"):
        find_reader(tmp_path, "dubian")


def test_the_search_fails_clearly_for_none_and_for_two(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no reader recognises these files.*\n  released: "):
        find_reader(tmp_path)
    write(tmp_path, RECBOLE | {"ratings.dat": "u\ti\t5\n"})
    with pytest.raises(DataError, match=r"looks like recbole and douban; say which with data\.format"):
        find_reader(tmp_path)


def test_the_generic_reader_gives_way_to_a_specific_one(tmp_path: Path) -> None:
    write(tmp_path, {"ratings.csv": "userId,movieId,rating,timestamp\n1,2,3,4\n"})
    assert find_reader(tmp_path).name == "movielens"
    assert find_reader(tmp_path, "csv").read(tmp_path).interactions["timestamp"].tolist() == [4]


def test_files_of_the_folder_below_are_found_too(tmp_path: Path) -> None:
    write(tmp_path / "ml-x", RECBOLE)
    assert places(find_reader(tmp_path).read(tmp_path)) == ["ml-x/a.inter:2"]


def test_problems_keep_the_first_five_places_of_each_kind() -> None:
    problems = Problems(read=Counter(f=100))
    for line in range(1, 8):
        problems.add(BROKEN, "f", line, "bad")
    problems.add_all(DUPLICATE, "g", 50, ((line, "again") for line in range(1, 51)))
    problems.add(DUPLICATE, "h", 0, "late")
    assert problems.counts == {BROKEN: 7, DUPLICATE: 51}
    assert problems.examples == {
        BROKEN: [f"f:{line}: bad" for line in range(1, 6)],
        DUPLICATE: [f"g:{line}: again" for line in range(1, 6)],
    }
    assert problems.worst() == ("", 7, 100)
    assert Problems().worst() == ("", 0, 0)


def test_assemble_drops_doubles_counts_bare_items_and_finds_pictures(tmp_path: Path) -> None:
    write(tmp_path, {"images/i.JPG": "", "sub/images/k.png": "", "images/j.txt": "", "l.png": ""})
    first = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["i", "l"], "timestamp": [5, 4], "line": [1, 2]})
    second = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["i", "i"], "timestamp": [5, 6], "line": [7, 8]})
    words = pd.DataFrame({"item_id": ["x", "i", "i"], "title": ["X", "I", "again"], "line": [1, 2, 3]})
    problems = Problems()
    raw = assemble(tmp_path, {"a": first, "b": second}, {"m": words}, problems, timed=True)
    assert events(raw) == [("u", "i", 5), ("u", "l", 4), ("u", "i", 6)]
    assert places(raw) == ["a:1", "a:2", "b:8"]
    assert items(raw) == [("i", "I", "", "", "images/i.JPG"), ("l", "", "", "", "")]
    assert problems.examples == {DUPLICATE: ["b:7: u i 5", "m:3: i"], BARE: ["a:2: l"]}
    assert (raw.timed, raw.filtered) == (True, False)


def test_without_time_a_repeat_is_an_event_and_the_row_number_is_the_time(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["i", "i"], "line": [1, 2]})
    raw = assemble(tmp_path, {"a": frame, "b": frame}, {}, Problems(), timed=False)
    assert events(raw) == [("u", "i", 0), ("u", "i", 1), ("u", "i", 2), ("u", "i", 3)]
    assert raw.problems.examples == {REPEATED: ["a:2: u i", "b:1: u i", "b:2: u i"]}


def test_good_files_do_not_hide_a_broken_one() -> None:
    problems = Problems()
    for file, lines, broken in (("meta.json", 12_000, 0), ("reviews.json", 270, 90), ("short.json", 2, 2)):
        problems.read[file] += lines
        problems.add_all(BROKEN, file, broken, [])
    assert problems.worst() == ("reviews.json", 90, 270)
    assert (problems.lines, problems.counts) == (12_272, {BROKEN: 92})


def test_short_files_share_one_share() -> None:
    problems = Problems()
    for file in ("a", "b"):
        problems.read[file] += 99
    problems.add(BROKEN, "a", 1, "x")
    assert problems.worst() == ("", 1, 198)


def test_repeats_without_time_stay_and_are_counted(tmp_path: Path) -> None:
    raw = find_reader(write(tmp_path, {"a.csv": "user,item\nu,i\nu,j\nu,i\n"})).read(tmp_path)
    assert events(raw) == [("u", "i", 0), ("u", "j", 1), ("u", "i", 2)]
    assert raw.problems.examples == {REPEATED: ["a.csv:4: u i"]}
