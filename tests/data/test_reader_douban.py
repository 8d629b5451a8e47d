from __future__ import annotations

from pathlib import Path

import pytest
from reading import events, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BROKEN, REPEATED
from solid.errors import DataError


def test_douban_takes_the_order_of_the_file_for_time(tmp_path: Path) -> None:
    reader = find_reader(
        write(tmp_path, {"ratings.dat": "1\t30\t4\n2\t30\t5\n1\t10\t-1\nx\n1\t\t3\n1\t30\t4\n"}), "douban"
    )
    with pytest.raises(DataError):
        reader.read(tmp_path)  # the fourth line is among the first, so this does not look like Douban
    write(tmp_path, {"ratings.dat": "1\t30\t4\n2\t30\t5\n1\t10\t-1\n1\t20\t3\n2\t20\t1\nx\n1\t\t3\n1\t30\t4\n"})
    reader = find_reader(tmp_path)
    raw = reader.read(tmp_path)
    assert reader.name == "douban"
    assert events(raw) == [
        ("1", "30", 0), ("2", "30", 1), ("1", "10", 2), ("1", "20", 3), ("2", "20", 4), ("1", "30", 5),
    ]  # fmt: skip
    assert raw.problems.examples == {
        BROKEN: ["ratings.dat:6: not 3 fields: 'x'", "ratings.dat:7: no item"],
        REPEATED: ["ratings.dat:8: 1 30"],
    }
    assert (raw.timed, raw.filtered, raw.problems.lines) == (False, False, 8)


def test_douban_book(real_data: Path) -> None:
    folder = real_data / "douban_book"
    raw = find_reader(folder).read(folder)
    assert events(raw)[:2] == [("1", "1630", 0), ("1", "1181", 1)]
    assert (raw.interactions["user_id"].nunique(), len(raw.items), len(raw.interactions)) == (2110, 6777, 96_041)
    assert raw.problems.counts == {}
