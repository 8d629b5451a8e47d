from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import write

from solid.data.readers.delimited import describe, header_of, parse_events, pick, read_delimited
from solid.data.readers.problems import BROKEN, Problems
from solid.errors import DataError

COLUMNS = ("user_id", "item_id", "timestamp")


def read(
    folder: Path, content: str | bytes, separator: str = "\t", **options: object
) -> tuple[list[list[object]], Problems]:
    problems = Problems()
    path = write(folder, {"f": content}) / "f"
    frame = read_delimited(path, "f", separator, COLUMNS, problems, **options)  # type: ignore[arg-type]
    return frame[["line", *COLUMNS]].to_numpy().tolist(), problems


def test_lines_are_numbered_from_one_around_broken_and_blank_ones(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, "h\th\th\na\tb\t1\n\nc\td\ne\tf\t2\r\ng\th\t3\t4\ni\tj\t5\n\n", header=True)
    assert rows == [[2, "a", "b", "1"], [5, "e", "f", "2"], [7, "i", "j", "5"]]
    assert problems.examples == {BROKEN: ["f:4: not 3 fields: 'c\\td'", "f:6: not 3 fields: 'g\\th\\t3\\t4'"]}
    assert problems.lines == 5


def test_values_stay_text(tmp_path: Path) -> None:
    assert read(tmp_path, "007\tNA\tnull\n")[0] == [[1, "007", "NA", "null"]]


def test_quotes_mean_something_only_between_commas(tmp_path: Path) -> None:
    assert read(tmp_path, '"a,b",c,1\n', ",")[0] == [[1, "a,b", "c", "1"]]
    assert read(tmp_path, '"a\tb\t1\n')[0] == [[1, '"a', "b", "1"]]


def test_all_lines_swallowed_by_an_open_quote_are_counted(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, 'a,b,1\n"c,d,2\ne,f,3\ng,"h,4\ni,j\nk,l,5\n', ",")
    assert rows == [[1, "a", "b", "1"], [6, "k", "l", "5"]]
    assert [example.split(":")[1] for example in problems.examples[BROKEN]] == ["2", "3", "4", "5"]


def test_a_separator_may_have_two_characters(tmp_path: Path) -> None:
    assert read(tmp_path, "a::b: c::1\n", "::")[0] == [[1, "a", "b: c", "1"]]


def test_bytes_outside_utf8_break_a_line_unless_another_encoding_is_named(tmp_path: Path) -> None:
    content = b"a\tb\t1\n\xe9\tb\t2\n"
    rows, problems = read(tmp_path, content)
    assert (rows, problems.examples) == ([[1, "a", "b", "1"]], {BROKEN: ["f:2: not UTF-8"]})
    assert read(tmp_path, content, encoding="latin-1")[0][1] == [2, "é", "b", "2"]
    assert read(tmp_path, "é\tb\t1\n", encoding="latin-1")[0] == [[1, "é", "b", "1"]]


def test_a_replacement_character_in_valid_utf8_is_a_character(tmp_path: Path) -> None:
    assert read(tmp_path, "a\ufffd\tb\t1\n")[0] == [[1, "a\ufffd", "b", "1"]]


def test_a_byte_order_mark_is_no_part_of_the_first_value(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa\tb\t1\n")[0] == [[1, "a", "b", "1"]]
    assert header_of(write(tmp_path, {"g": b"\xef\xbb\xbfx,y\r\n"}) / "g", ",") == ["x", "y"]


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "")[0] == []
    assert read(tmp_path, "\n\n")[0] == []
    assert read(tmp_path, "h\th\th\n", header=True)[0] == []
    assert header_of(tmp_path / "none", ",") == []


def test_a_damaged_gzip_file_is_a_data_error(tmp_path: Path) -> None:
    path = write(tmp_path, {"f.gz": "a\tb\t1\n" * 1000}) / "f.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"f\.gz: damaged gzip file .*; fetch it again"):
        read_delimited(path, "f.gz", "\t", COLUMNS, Problems())


def test_a_column_named_twice_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"f:1: a column name stands twice in \['a', 'a'\]"):
        read_delimited(write(tmp_path, {"f": "1,2\n"}) / "f", "f", ",", ["a", "a"], Problems())


def test_events_need_a_user_an_item_and_a_number(tmp_path: Path) -> None:
    problems = Problems()
    lines = ["u\ti\t1", "\ti\t2", "u\t\t3", "u\ti\tnow", "u\ti\t", "u\ti\t7.9e2", "u\ti\tinf", "u\ti\t-5", "u\ti\t1e30"]
    path = write(tmp_path, {"f": "\n".join(lines)}) / "f"
    frame = read_delimited(path, "f", "\t", COLUMNS, problems)
    timed = parse_events(frame, "f", problems, timed=True)
    assert timed[["line", "timestamp"]].to_numpy().tolist() == [[1, 1], [6, 790], [8, -5]]
    wrong = [f"f:{line}: no time: {text!r}" for line, text in ((4, "now"), (5, ""), (7, "inf"), (9, "1e30"))]
    assert problems.examples[BROKEN] == ["f:2: no user", "f:3: no item", *wrong][:5]
    assert problems.counts[BROKEN] == 6
    assert parse_events(frame, "f", Problems(), timed=False)["line"].tolist() == [1, 4, 5, 6, 7, 8, 9]


def test_times_keep_every_digit(tmp_path: Path) -> None:
    path = write(tmp_path, {"f": "u\ti\t1588687728923\nu\ti\t9007199254740991\nu\tj\t5.5\n"}) / "f"
    frame = parse_events(read_delimited(path, "f", "\t", COLUMNS, Problems()), "f", Problems(), timed=True)
    assert frame["timestamp"].tolist() == [1588687728923, 9007199254740991, 5.5]


TOKEN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), min_size=1)


@settings(max_examples=50)
@given(st.lists(st.lists(TOKEN, min_size=1, max_size=4), min_size=1, max_size=20))
def test_every_line_is_read_or_counted(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    found, problems = read(folder, "\n".join("\t".join(row) for row in rows) + "\n")
    assert found == [[line, *row] for line, row in enumerate(rows, 1) if len(row) == 3]
    assert problems.counts.get(BROKEN, 0) == sum(len(row) != 3 for row in rows)
    assert problems.lines == len(rows)


def test_columns_are_picked_by_the_first_known_name() -> None:
    roles = {"user_id": ("user_id", "user"), "item_id": ("item", "asin"), "text": ("text",)}
    assert pick(["User", "asin", "ITEM", "x"], roles) == {"User": "user_id", "ITEM": "item_id"}


def test_words_of_an_item_are_joined(tmp_path: Path) -> None:
    columns = ["item_id", "title", "category", "text"]
    path = write(tmp_path, {"f": "1\tA.\tx|y\tz.\n2\t\tx\t\n3\tB\t\t\n4\t\t\tz\n"}) / "f"
    frame = read_delimited(path, "f", "\t", columns, Problems())
    assert describe(frame, "|")[["title", "text", "category"]].to_numpy().tolist() == [
        ["A.", "A. x y. z", "x"], ["", "", "x"], ["B", "B", ""], ["", "z", ""],
    ]  # fmt: skip
    assert describe(frame[["item_id", "title", "line"]], "|")["text"].tolist() == ["A", "", "B", ""]
