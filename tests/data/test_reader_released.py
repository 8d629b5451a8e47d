from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import events, places, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BROKEN
from solid.errors import DataError


def window(items: list[int], length: int) -> str:
    kept = items[-length:] if items else []
    return ",".join(map(str, kept + [0] * (length - len(kept))))


def rows(sequence: list[int], user: str, targets: range, length: int = 3, negative: int = 99) -> str:
    """The released rows of some targets of a user: the positive, then a negative."""
    lines = []
    for place in targets:
        windows = f"{window(sequence[: place - 1], length)};{window(sequence[:place], length)}"
        lines += [f"{user};{sequence[place]};{windows};1", f"{user};{negative};{windows};0"]
    return "".join(line + "\n" for line in lines)


def released(sequences: dict[str, list[int]], length: int = 3) -> dict[str, str | bytes]:
    """train.txt and test.txt of whole sequences."""
    items = sequences.items()
    return {
        "train.txt": "".join(rows(sequence, user, range(1, len(sequence) - 1), length) for user, sequence in items),
        "test.txt": "".join(
            rows(sequence, user, range(len(sequence) - 1, len(sequence)), length) for user, sequence in items
        ),
    }


def rebuilt(found: list[tuple[str, str, int]]) -> dict[str, list[int]]:
    sequences = defaultdict(list)
    for user, item, _ in found:
        sequences[user].append(int(item))
    return dict(sequences)


def test_sequences_are_put_together_from_windows_and_targets(tmp_path: Path) -> None:
    sequences = {"7": [5, 6, 5, 5, 8, 9], "3": [1, 2, 3]}
    reader = find_reader(write(tmp_path, released(sequences)))
    raw = reader.read(tmp_path)
    assert reader.name == "released"
    assert events(raw) == [
        ("7", "5", 0), ("7", "6", 1), ("7", "5", 2), ("7", "5", 3), ("7", "8", 4), ("3", "1", 5), ("3", "2", 6),
        ("7", "9", 7), ("3", "3", 8),
    ]  # fmt: skip
    assert places(raw)[:3] == ["train.txt:1", "train.txt:1", "train.txt:3"]
    assert places(raw)[-2:] == ["test.txt:1", "test.txt:3"]
    assert (raw.timed, raw.filtered) == (False, True)
    assert (raw.problems.counts, raw.problems.lines) == ({}, 14)
    assert [item for item in raw.items["item_id"] if item in {"0", "99"}] == []


def test_rows_of_users_may_be_mixed_and_labels_floats(tmp_path: Path) -> None:
    a, b = [1, 2, 3, 4], [5, 6, 7, 8]
    train = "".join(rows(a, "a", range(p, p + 1)) + rows(b, "b", range(p, p + 1)) for p in (1, 2))
    test = rows(b, "b", range(3, 4)) + rows(a, "a", range(3, 4))
    files = {"train.txt": train.replace(";1\n", ";1.0\n").replace(";0\n", ";0.0\n"), "test.txt": test}
    raw = find_reader(write(tmp_path, files)).read(tmp_path)
    assert rebuilt(events(raw)) == {"a": a, "b": b}
    assert raw.problems.counts == {}


def test_a_sequence_may_begin_with_a_whole_window(tmp_path: Path) -> None:
    sequence = [1, 2, 3, 4, 5, 6, 7]  # the first target is the sixth event: of the five before, the window tells three
    files = {"train.txt": rows(sequence, "u", range(5, 6)), "test.txt": rows(sequence, "u", range(6, 7))}
    raw = find_reader(write(tmp_path, files)).read(tmp_path)
    assert rebuilt(events(raw)) == {"u": [3, 4, 5, 6, 7]}
    assert raw.problems.counts == {}


def test_rows_that_contradict_each_other_are_counted(tmp_path: Path) -> None:
    train = "u;2;0,0,0;1,0,0;1\nu;3;1,0,0;1,2,0;1\nu;4;1,2,0;1,9,3;1\nv;2;0,0,0;0,1,0;1\n"
    test = "u;5;2,3,4;2,3,4;1\nw;5;0,0,0;1,0,0;1\nu;6;0,0,0;3,4,0;1\n"
    raw = find_reader(write(tmp_path, {"train.txt": train, "test.txt": test})).read(tmp_path)
    assert rebuilt(events(raw))["u"] == [1, 2, 3, 4, 5, 6]
    wrong = ("train.txt:3", "train.txt:4", "test.txt:3")
    assert raw.problems.examples == {BROKEN: [f"{place}: click_seq contradicts the rows before" for place in wrong]}


def test_broken_lines_are_counted(tmp_path: Path) -> None:
    good = rows([1, 2, 3], "u", range(1, 2))
    bad = ["u;2;0,0,0;1,0;1", "u;x;0,0,0;1,0,0;1", "u;0;0,0,0;1,0,0;1", ";2;0,0,0;1,0,0;1", "u;2;0,0,0;1,0,0;2", "u;2"]
    files = {"train.txt": good + "\n".join(bad) + "\n", "test.txt": rows([1, 2, 3], "u", range(2, 3))}
    raw = find_reader(write(tmp_path, files)).read(tmp_path)
    assert rebuilt(events(raw)) == {"u": [1, 2, 3]}
    assert raw.problems.counts == {BROKEN: 6}


def test_of_several_pairs_the_items_are_read(tmp_path: Path) -> None:
    items, classes = released({"u": [1, 2, 3]}), released({"u": [1, 1, 1]})
    nested = {f"id/{name}": content for name, content in items.items()}
    nested |= {f"text/sasrec/{name}": content for name, content in classes.items()}
    raw = find_reader(write(tmp_path, nested)).read(tmp_path)
    assert rebuilt(events(raw)) == {"u": [1, 2, 3]}
    (tmp_path / "id").rename(tmp_path / "a")
    with pytest.raises(DataError, match=r"expected one train\.txt .*found a/train\.txt, text/sasrec/train\.txt"):
        find_reader(tmp_path).read(tmp_path)


def test_test_txt_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"test\.txt: no such file"):
        find_reader(write(tmp_path, {"train.txt": released({"u": [1, 2, 3]})["train.txt"]})).read(tmp_path)


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 9), min_size=3, max_size=12), min_size=1),
    st.integers(1, 5),
)
def test_any_sequences_come_back(
    tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, list[int]], length: int
) -> None:
    folder = write(tmp_path_factory.mktemp("released"), released(sequences, length))
    raw = find_reader(folder).read(folder)
    assert rebuilt(events(raw)) == sequences
    assert raw.problems.counts == {}
