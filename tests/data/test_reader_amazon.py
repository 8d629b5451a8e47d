from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reading import events, items, places, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BARE, BROKEN, DUPLICATE, UNKNOWN
from solid.errors import DataError


def lines(*records: Any) -> str:
    return "".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records)


REVIEWS_2014 = [
    {"reviewerID": "A1", "asin": "0001", "reviewerName": "x", "helpful": [0, 1], "reviewText": "t", "overall": 5.0,
     "summary": "s", "unixReviewTime": 1400000000, "reviewTime": "05 13, 2014"},
    {"reviewerID": "A2", "asin": "0002", "unixReviewTime": 1300000000},
]  # fmt: skip
METADATA_2014 = [  # Python displays, as they were published
    """{'asin': '0001', 'title': "Kid's &amp; Co", 'categories': [['Books', 'Art', 'Deep'], ['Other']], 'brand': 'B',
        'price': 1.5, 'imUrl': 'http://x', 'related': {'also_bought': ['0002']}, 'salesRank': {'Books': 1},
        'description': 'It&#39;s <b>big</b>.'}""".replace("\n", " "),
    {"asin": "unused", "title": "never bought"},
]
REVIEWS_2018 = [
    {"overall": 4.0, "verified": True, "reviewTime": "01 1, 2018", "reviewerID": "A1", "asin": "0003", "style": {},
     "reviewerName": "x", "reviewText": "t", "summary": "s", "unixReviewTime": 1514764800, "vote": "2", "image": []},
]  # fmt: skip
METADATA_2018 = [
    {"category": ["Tools", "Drills"], "tech1": "", "description": ["First.", "Second."], "title": "  Drill\n 3 ",
     "feature": ["light", "loud"], "brand": "Bolt", "asin": "0003", "main_cat": "Tools", "also_buy": [], "rank": []},
]  # fmt: skip
REVIEWS_2023 = [
    {"rating": 5.0, "title": "t", "text": "t", "images": [], "asin": "0004B", "parent_asin": "0004", "user_id": "A1",
     "timestamp": 1588687728923, "helpful_vote": 0, "verified_purchase": True},
]  # fmt: skip
METADATA_2023 = [
    {"main_category": "Music", "title": "Song", "average_rating": 4.8, "rating_number": 10, "features": [],
     "description": [], "price": None, "images": [], "videos": [], "store": "Shop", "categories": [], "details": {},
     "parent_asin": "0004", "bought_together": None},
]  # fmt: skip


def test_2014(tmp_path: Path) -> None:
    write(tmp_path, {"reviews_Books.json.gz": lines(*REVIEWS_2014), "meta_Books.json.gz": lines(*METADATA_2014)})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A1", "0001", 1400000000000), ("A2", "0002", 1300000000000)]
    assert items(raw) == [
        ("0001", "Kid's & Co", "Kid's & Co. Books Art Deep. B. It's big", "Books > Art", ""),
        ("0002", "", "", "", ""),
    ]
    assert raw.problems.examples == {BARE: ["reviews_Books.json.gz:2: 0002"]}
    assert (raw.problems.lines, raw.timed, raw.filtered) == (4, True, False)


def test_2018(tmp_path: Path) -> None:
    write(tmp_path, {"Tools.json": lines(*REVIEWS_2018), "meta_Tools.json": lines(*METADATA_2018)})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A1", "0003", 1514764800000)]
    text = "Drill 3. Tools Drills. Bolt. light. loud. First. Second"
    assert items(raw) == [("0003", "Drill 3", text, "Tools > Drills", "")]
    assert raw.problems.counts == {}


def test_2023(tmp_path: Path) -> None:
    write(tmp_path, {"Music.jsonl": lines(*REVIEWS_2023), "meta_Music.jsonl": lines(*METADATA_2023)})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A1", "0004", 1588687728923)]
    assert items(raw) == [("0004", "Song", "Song. Shop", "Music", "")]
    assert raw.problems.counts == {}


def test_layouts_may_lie_side_by_side_with_pictures(tmp_path: Path) -> None:
    reviews = {"a.json": lines(*REVIEWS_2014), "b.jsonl": lines(*REVIEWS_2023), "c.json": lines(*REVIEWS_2018)}
    write(tmp_path, reviews | {"images/0003.jpg": "", "images/0004.webp": "", "images/unknown.png": ""})
    raw = find_reader(tmp_path).read(tmp_path)
    assert places(raw) == ["a.json:1", "a.json:2", "b.jsonl:1", "c.json:1"]
    assert [(item, image) for item, _, _, _, image in items(raw)] == [
        ("0001", ""), ("0002", ""), ("0004", "images/0004.webp"), ("0003", "images/0003.jpg"),
    ]  # fmt: skip
    assert raw.problems.counts == {}  # no metadata file, so none is missing


def test_broken_lines_are_named_and_passed_over(tmp_path: Path) -> None:
    bad = [
        "{not json", "[1]", "", '{"reviewerID": "A1", "asin": "0001"}', '{"asin": "0001", "unixReviewTime": 1}',
        '{"reviewerID": "A1", "unixReviewTime": 1}', '{"reviewerID": "A1", "asin": 7, "unixReviewTime": 1}',
        "{'a': __import__('os')}", '{"reviewerID": "A1", "asin": "0001", "unixReviewTime": "soon"}', "[" * 100_000,
    ]  # fmt: skip
    content = lines(REVIEWS_2014[0], *bad).encode() + b'{"reviewerID": "\xff"}\n'
    write(tmp_path, {"r.json": content, "m.json": lines("{", METADATA_2014[0], {"title": "x", "asin": None})})
    raw = find_reader(tmp_path).read(tmp_path)
    assert events(raw) == [("A1", "0001", 1400000000000)]
    assert [example.split(" ")[0] for example in raw.problems.examples[BROKEN]] == [
        "r.json:2:", "r.json:3:", "r.json:5:", "r.json:6:", "r.json:7:",
    ]  # fmt: skip
    assert raw.problems.examples[BROKEN][2:] == [
        "r.json:5: a review without time", "r.json:6: a review without user", "r.json:7: a review without item",
    ]  # fmt: skip
    assert raw.problems.counts == {BROKEN: 12}
    assert raw.problems.lines == 14


def test_unknown_fields_and_doubles_are_counted(tmp_path: Path) -> None:
    strange = REVIEWS_2014[1] | {"zeta": 1, "alpha": 2}
    reviews = lines(REVIEWS_2014[0], strange, REVIEWS_2014[0], REVIEWS_2014[0] | {"unixReviewTime": 1})
    write(
        tmp_path, {"r.json": reviews, "m.json": lines(METADATA_2014[0], {"asin": "0001"}, {"asin": "0002", "new": 1})}
    )
    raw = find_reader(tmp_path).read(tmp_path)
    assert places(raw) == ["r.json:1", "r.json:2", "r.json:4"]
    assert raw.problems.examples == {
        UNKNOWN: ["r.json:2: alpha", "r.json:2: zeta", "m.json:3: new"],
        DUPLICATE: ["r.json:3: A1 0001 1400000000000", "m.json:2: 0001"],
    }


def test_other_json_is_left_alone(tmp_path: Path) -> None:
    write(
        tmp_path, {"r.json": lines(*REVIEWS_2014), "x.jsonl": lines({"movie_id": 1, "title": "x"}), "y.json": "[1, 2]"}
    )
    assert find_reader(tmp_path).read(tmp_path).problems.lines == 2


def test_reviews_of_which_none_can_be_read_are_a_data_error(tmp_path: Path) -> None:
    write(tmp_path, {"r.json": lines({"reviewerID": "A1", "asin": "0001"})})
    with pytest.raises(DataError, match=r"not one interaction could be read \(r\.json:1: a review without time\)"):
        find_reader(tmp_path).read(tmp_path)


# ratings only


@pytest.mark.parametrize(
    ("content", "time"),
    [
        ("A2SUAM1J3GNN3B,0000013714,5.0,1400000000\nA3SUAM1J3GNN3B,B000000002,3.0,1400000001\n", 1400000000000),
        ("0000013714,A2SUAM1J3GNN3B,5.0,1400000000\nB000000002,A3SUAM1J3GNN3B,3.0,1400000001\n", 1400000000000),
        (
            "user_id,parent_asin,rating,timestamp\n"
            "A2SUAM1J3GNN3B,0000013714,5.0,1400000000000\nA3SUAM1J3GNN3B,B000000002,3.0,1400000001000\n",
            1400000000000,
        ),
        (
            "user_id,parent_asin,rating,timestamp,history\n"
            "A2SUAM1J3GNN3B,0000013714,5.0,1400000000000,\nA3SUAM1J3GNN3B,B000000002,3.0,1400000001000,X Y\n",
            1400000000000,
        ),
    ],
    ids=["2014", "2018", "2023", "2023 with history"],
)
@pytest.mark.parametrize("name", ["ratings.csv", "ratings.csv.gz"])
def test_ratings_only(tmp_path: Path, name: str, content: str, time: int) -> None:
    reader = find_reader(write(tmp_path, {name: content, "other.csv": "movie_id,title,year,link\n1,x,5,123456789\n"}))
    raw = reader.read(tmp_path)
    assert reader.name == "amazon-ratings"
    assert events(raw) == [("A2SUAM1J3GNN3B", "0000013714", time), ("A3SUAM1J3GNN3B", "B000000002", time + 1000)]
    assert (raw.problems.lines, raw.problems.counts) == (2, {})


def test_ratings_take_metadata_from_beside_them(tmp_path: Path) -> None:
    ratings = "user_id,parent_asin,rating,timestamp\nA1,0004,5.0,7\nA1,0005,5.0,8\nA1,,5.0,8\n"
    write(tmp_path, {"Music.csv": ratings, "meta_Music.jsonl": lines(*METADATA_2023)})
    raw = find_reader(tmp_path).read(tmp_path)
    assert items(raw) == [("0004", "Song", "Song. Shop", "Music", ""), ("0005", "", "", "", "")]
    assert raw.problems.examples == {BROKEN: ["Music.csv:4: no item"], BARE: ["Music.csv:3: 0005"]}


def test_ratings_whose_users_look_like_items_need_a_header(tmp_path: Path) -> None:
    write(tmp_path, {"r.csv": "A2SUAM1J3G,B000000002,5.0,1400000000\n"})
    with pytest.raises(DataError, match=r"users and items look alike; add the line user_id,item_id,rating,timestamp"):
        find_reader(tmp_path).read(tmp_path)


def test_half_surrogate_pairs_and_odd_python_are_broken_lines(tmp_path: Path) -> None:
    half = '"reviewerID": "A1", "unixReviewTime": 1, "asin": '
    bad = ["{" + half + '"\\ud83d"}', "{'asin': '0001', 1: 2}", "{'asin': {[]: 1}}", "{'asin': {[1]}}"]
    good = "{" + half + '"0001", "\\ud83d": 1}'
    write(tmp_path, {"r.json": lines(REVIEWS_2014[0], *bad, good), "m.json": lines(METADATA_2014[0])})
    raw = find_reader(tmp_path).read(tmp_path)
    assert raw.problems.counts == {BROKEN: 4, UNKNOWN: 1}
    assert raw.problems.examples[BROKEN][0] == "r.json:2: a review without item"
    assert raw.problems.examples[UNKNOWN] == ["r.json:6: \\ud83d"]
