from __future__ import annotations

from pathlib import Path

import pytest
from reading import events, items, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BARE, BROKEN, DUPLICATE, UNKNOWN
from solid.errors import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"


def test_interactions_and_items(tmp_path: Path) -> None:
    inter = INTER + "u\t1\t5\t881250949.0\nv\t2\t3\t8.9e8\n"
    write(tmp_path, {"x.inter": inter, "x.item": ITEM + "1\tToy Story\t1995\tAnimation Comedy\n2\tL.A.\t1997\t\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("u", "1", 881250949), ("v", "2", 890000000)]
    assert items(raw) == [
        ("1", "Toy Story", "Toy Story. Animation Comedy", "Animation", ""), ("2", "L.A.", "L.A", "", ""),
    ]  # fmt: skip
    assert (raw.timed, raw.filtered, raw.problems.counts, raw.problems.lines) == (True, False, {}, 4)


@pytest.mark.parametrize("field", ["title:token_seq", "item_name:token", "name:token_seq"])
def test_the_title_has_many_names(tmp_path: Path, field: str) -> None:
    write(tmp_path, {"x.inter": INTER + "u\t1\t5\t1\n", "x.item": f"item_id:token\t{field}\n1\tToy\n"})
    assert items(find_reader(tmp_path).read(tmp_path)) == [("1", "Toy", "Toy", "", "")]


def test_time_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, {"x.inter": "item_id:token\tuser_id:token\n5\tu\n3\tu\n5\tu\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert (events(raw), raw.timed) == ([("u", "5", 0), ("u", "3", 1), ("u", "5", 2)], False)


def test_problems_are_counted_with_their_place(tmp_path: Path) -> None:
    inter = INTER.replace("rating:float", "rating:real") + "u\t1\t5\t1\nu\t1\t4\t1\nu\t2\t4\nu\t2\t4\tx\n"
    write(tmp_path, {"x.inter": inter, "x.item": ITEM + "2\tb\t1\tc\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("u", "1", 1)]
    assert raw.problems.examples == {
        UNKNOWN: ["x.inter:1: 'rating:real': no type among float, float_seq, token, token_seq"],
        BROKEN: ["x.inter:4: not 4 fields: 'u\\t2\\t4'", "x.inter:5: no time: 'x'"],
        DUPLICATE: ["x.inter:3: u 1 1"],
        BARE: ["x.inter:2: 1"],
    }


def test_an_item_file_without_item_id_is_a_data_error(tmp_path: Path) -> None:
    write(tmp_path, {"x.inter": INTER + "u\t1\t5\t1\n", "x.item": "1\tToy\n"})
    with pytest.raises(DataError, match=r"x\.item:1: no item_id among the fields \['1', 'Toy'\]; add the typed header"):
        find_reader(tmp_path).read(tmp_path)


def test_the_item_lists_of_unisrec_are_not_recbole(tmp_path: Path) -> None:
    write(tmp_path, {"x.test.inter": "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t1 2\t3\n"})
    assert find_reader(tmp_path).name == "unisrec"


def test_movielens_100k(real_data: Path) -> None:
    folder = real_data / "movielens_100k"
    raw = find_reader(folder).read(folder)
    assert events(raw)[0] == ("196", "242", 881250949)
    assert (raw.interactions["user_id"].nunique(), len(raw.items), len(raw.interactions)) == (943, 1682, 100_000)
    assert raw.problems.counts == {}
    assert (raw.items["text"] != "").all()
    toy = raw.items[raw.items["item_id"] == "1"].iloc[0]
    assert toy["text"] == "Toy Story. Animation Children's Comedy"
