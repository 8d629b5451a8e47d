from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reading import events, items, places, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BARE, BROKEN
from solid.errors import DataError

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
SOURCE = {
    "S.train.inter": HEADER + "0\t0\t1\n",
    "S.valid.inter": HEADER + "0\t0 1\t1\n",
    "S.test.inter": HEADER + "0\t0 1 1\t2\n1\t2\t0\n",
    "S.item2index": "B0\t0\nB1\t1\nB2\t2\n",
    "S.user2index": "A0\t0\nA1\t1\n",
    "S.text": "item_id:token\ttext:token_seq\nB2\tGlue, 1.5 oz. Tapes. Gorilla. \nB0\tLid\n",
}
VECTORS = np.arange(12, dtype="<f4").reshape(3, 4)


def test_sequences_texts_and_original_ids(tmp_path: Path) -> None:
    raw = find_reader(write(tmp_path, SOURCE)).read(tmp_path)
    assert events(raw) == [
        ("A0", "B0", 0), ("A0", "B1", 1), ("A0", "B1", 2), ("A0", "B2", 3), ("A1", "B2", 4), ("A1", "B0", 5),
    ]  # fmt: skip
    assert places(raw) == ["S.test.inter:2"] * 4 + ["S.test.inter:3"] * 2
    assert items(raw) == [
        ("B0", "Lid", "Lid", "", ""),
        ("B1", "", "", "", ""),
        ("B2", "Glue, 1.5 oz", "Glue, 1.5 oz. Tapes. Gorilla. ", "", ""),
    ]
    assert raw.problems.examples == {BARE: ["S.test.inter:2: B1"]}
    assert (raw.timed, raw.filtered) == (False, True)


def test_whole_sequences_are_preferred(tmp_path: Path) -> None:
    write(tmp_path, SOURCE | {"S.inter.json": '{"1": [2, 0, 1], "0": [0], "9": 3, "8": []}'})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A1", "B2", 0), ("A1", "B0", 1), ("A1", "B1", 2), ("A0", "B0", 3)]
    assert raw.problems.examples[BROKEN] == [
        "S.inter.json: user 9 has no list of items", "S.inter.json: user 8 has no list of items",
    ]  # fmt: skip


def test_without_index_maps_the_indices_are_the_ids(tmp_path: Path) -> None:
    raw = find_reader(write(tmp_path, {"S.test.inter": HEADER + "7\t3 4\t5\n"})).read(tmp_path)
    assert events(raw) == [("7", "3", 0), ("7", "4", 1), ("7", "5", 2)]
    assert raw.problems.counts == {}


def test_broken_rows_are_counted(tmp_path: Path) -> None:
    write(tmp_path, SOURCE | {"S.test.inter": HEADER + "0\t0\t1\n0\t0\t2\n1\t0\n1\t0\t\n1\t\t2\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A0", "B0", 0), ("A0", "B1", 1), ("A1", "B2", 2)]
    assert raw.problems.examples[BROKEN] == [
        "S.test.inter:4: not 3 fields: '1\\t0'",
        "S.test.inter:5: no user or target",
        "S.test.inter:3: second row of a user",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"S.item2index": "B0\t0\n"}, r"S\.item2index: has no index 1; these files do not belong together"),
        ({"S.inter.json": "{"}, r"S\.inter\.json: not valid JSON"),
        ({"S.inter.json": "[1]"}, r"S\.inter\.json: expected an object of users"),
        (
            {"S.test.inter": "item_id_list:token_seq\tuser_id:token\n0\t1\n"},
            r"S\.test\.inter:1: expected the typed header",
        ),
        ({"T.test.inter": HEADER + "0\t1\t2\n"}, r"expected one data set .*S\.test\.inter, T\.test\.inter; keep one"),
    ],
)
def test_what_does_not_fit_is_a_data_error(tmp_path: Path, changed: dict[str, str | bytes], message: str) -> None:
    reader = find_reader(write(tmp_path, {**SOURCE, **changed}))
    with pytest.raises(DataError, match=message):
        reader.read(tmp_path)


def test_vectors_follow_the_index_not_the_file(tmp_path: Path) -> None:
    files = {
        "S.item2index": "B1\t1\nB2\t2\nB0\t0\n",
        "S.feat1CLS": VECTORS.tobytes(),
        "S.feat3CLS": (-VECTORS).tobytes(),
    }
    reader = find_reader(write(tmp_path, SOURCE | files))
    vectors = reader.vectors(tmp_path)
    assert list(vectors) == ["text", "image"]
    assert vectors["text"].item_ids == vectors["image"].item_ids == ["B0", "B1", "B2"]
    np.testing.assert_array_equal(vectors["text"].matrix, VECTORS)
    np.testing.assert_array_equal(vectors["image"].matrix, -VECTORS)
    assert vectors["image"].matrix.dtype == np.float32


def test_a_source_without_vectors_has_none(tmp_path: Path) -> None:
    assert find_reader(write(tmp_path, SOURCE)).vectors(tmp_path) == {}


def test_codes_become_vectors_in_which_coarse_levels_weigh_more(tmp_path: Path) -> None:
    codes = '{"0": ["<a_7>", "<b_1>"], "1": ["<a_7>", "<b_2>"], "2": ["<a_9>", "<b_1>"]}'
    files = {"S.index_lemb.json": codes, "S.index_vitemb.json": codes, "S.feat3CLS": VECTORS.tobytes()}
    vectors = find_reader(write(tmp_path, SOURCE | files)).vectors(tmp_path)
    np.testing.assert_array_equal(vectors["image"].matrix, VECTORS)  # real vectors come before codes
    np.testing.assert_array_equal(vectors["text"].matrix, [[1, 0, 0.5, 0], [1, 0, 0, 0.5], [0, 1, 0.5, 0]])
    assert vectors["text"].item_ids == ["B0", "B1", "B2"]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ("[]", "not an object of the codes of items 0 to 2"),
        ('{"0": ["a"], "1": ["b"]}', "not an object of the codes of items 0 to 2"),
        ('{"0": ["a"], "1": ["b"], "2": ["b", "c"]}', "not an object of the codes of items 0 to 2"),
        ('{"0": ["a"], "1": ["b"], "2": ["b"], "3": ["b"]}', "holds codes of 4 items, but there are 3"),
    ],
)
def test_codes_that_do_not_fit_are_a_data_error(tmp_path: Path, codes: str, message: str) -> None:
    reader = find_reader(write(tmp_path, {**SOURCE, "S.index_lemb.json": codes}))
    with pytest.raises(DataError, match=message):
        reader.vectors(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"S.feat1CLS": VECTORS.tobytes()[:-4]}, r"S\.feat1CLS: not 3 rows of finite float32 values"),
        ({"S.feat1CLS": np.full((3, 4), np.nan, "<f4").tobytes()}, r"S\.feat1CLS: not 3 rows of finite"),
        ({"S.feat1CLS": b""}, r"S\.feat1CLS: not 3 rows of finite"),
        (
            {"S.feat1CLS": VECTORS.tobytes(), "S.item2index": "B0\t0\nB2\t2\n"},
            r"S\.item2index: the indices are not 0 to 1",
        ),
    ],
)
def test_vectors_that_do_not_fit_are_a_data_error(tmp_path: Path, changed: dict[str, bytes], message: str) -> None:
    reader = find_reader(write(tmp_path, {**SOURCE, **changed}))
    with pytest.raises(DataError, match=message):
        reader.vectors(tmp_path)


def test_vectors_without_an_index_are_a_data_error(tmp_path: Path) -> None:
    reader = find_reader(write(tmp_path, {"S.test.inter": SOURCE["S.test.inter"], "S.feat1CLS": VECTORS.tobytes()}))
    with pytest.raises(DataError, match=r"S\.item2index: no such file"):
        reader.vectors(tmp_path)


def test_scientific(real_data: Path) -> None:
    folder = real_data / "amazon_scientific_mm_subset"
    reader = find_reader(folder)
    raw, vectors = reader.read(folder), reader.vectors(folder)
    assert (raw.interactions["user_id"].nunique(), len(raw.items), len(raw.interactions)) == (2928, 1585, 19_712)
    assert raw.problems.counts == {}
    assert events(raw)[:2] == [("A1AXCV2WYDA4PD", "B00O47ILVA", 0), ("A1AXCV2WYDA4PD", "B006ATU73A", 1)]
    assert (raw.items["text"] != "").all()
    assert {name: found.matrix.shape for name, found in vectors.items()} == {"text": (1585, 512), "image": (1585, 512)}
    assert set(vectors["text"].item_ids) == set(raw.items["item_id"])


def test_instruments(real_data: Path) -> None:
    folder = real_data / "amazon_instruments_mm"
    reader = find_reader(folder)
    raw = reader.read(folder)
    assert {name: found.matrix.shape for name, found in reader.vectors(folder).items()} == {
        "text": (6250, 892),
        "image": (6250, 940),
    }
    assert (raw.interactions["user_id"].nunique(), len(raw.items), len(raw.interactions)) == (17_112, 6250, 136_226)
    assert events(raw)[0] == ("A3LXYBBLOOEOMQ", "B002SQJL9U", 0)
    assert raw.problems.counts == {}


def test_whole_sequences_with_anything_but_ids_are_broken(tmp_path: Path) -> None:
    sequences = (
        '{"0": [1, "2"], "1": [null], "2": [true], "3": [""], "4": [1.5], "5": ["\\ud800"], "6": [[1]], "7": []}'
    )
    raw = find_reader(write(tmp_path, {"S.inter.json": sequences})).read(tmp_path)
    assert events(raw) == [("0", "1", 0), ("0", "2", 1)]
    assert raw.problems.counts == {BROKEN: 7}
    assert raw.problems.examples[BROKEN][0] == "S.inter.json: user 1 has no list of items"
