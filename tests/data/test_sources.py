"""Sources as people have them: no file left out, parts in their order, ties that say nothing, layouts recognised."""

# ruff: noqa: E501 - lines of other people's files are as long as they are

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from pathlib import Path

import numpy as np
import pytest
from reading import events, items, write

from solid.data.dataset import Dataset
from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.data.readers import find_reader
from solid.errors import DataError
from solid.settings.schema import DataSettings, PrepareSettings

ROWS = "".join(f"{user},{user}{n},{n}\n" for user in "ab" for n in range(4))
EVENTS = "user,item,time\n" + ROWS
MORE = EVENTS.replace("a", "c").replace("b", "d")


def prepared(folder: Path, files: dict[str, bytes | str], order: str = "time") -> Dataset:
    """The source prepared; files are written as they are, whatever their names say."""
    for name, content in files.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    ingest(folder / "raw", DataSettings(source=str(folder / "source"), order=order))  # type: ignore[arg-type]
    prepare(folder / "raw", folder / "out", PrepareSettings(k_core=0, negatives=1))
    return Dataset.load(folder / "out")


def held_out(dataset: Dataset, split: str = "test") -> list[str]:
    found = dataset.sequences.items[dataset.sequences.targets(split)]  # type: ignore[arg-type]
    return dataset.items["item_id"].iloc[found - 1].tolist()


# no file left out


def packed(content: bytes) -> bytes:
    """As gzip, the same bytes at any time: workers name tests by them."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.csv.gz", MORE.encode()),  # unpacked on the way, its name kept
        ("b.csv", packed(MORE.encode())),  # renamed
        ("b.csv.bz2", bz2.compress(MORE.encode())),
        ("b.csv.xz", lzma.compress(MORE.encode())),
        ("b.csv.gz", packed(MORE[:30].encode()) + packed(MORE[30:].encode())),  # of two members
        ("b.tsv", MORE.replace(",", "\t").encode()),
    ],
)
def test_what_can_be_read_is_read_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    assert prepared(tmp_path, {"a.csv": EVENTS, name: content}).n_users == 4


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("b.csv.gz", packed(MORE.encode() * 99)[:60], "b.csv.gz: damaged gzip file"),
        ("b.csv.gz", packed(MORE.encode()) + packed(MORE.encode())[:20], "b.csv.gz: damaged gzip file"),
        ("b.csv.gz", packed(MORE.encode()) + b"what is this", "b.csv.gz: damaged gzip file"),
        ("b.csv.gz", random.Random(0).randbytes(2000), "b.csv.gz: is neither text nor a compressed file"),
        ("b.csv.gz", "<!DOCTYPE html>\n<html>404</html>", "b.csv.gz: is a web page"),
        ("b.csv", "", "b.csv: is empty"),
        ("b.csv", MORE.partition("\n")[2], "b.csv: no reader knows lines like 'c,c0,0'"),
        ("b.csv", MORE.encode("utf-16"), "b.csv: is UTF-16 text; save it as UTF-8"),
        ("b.csv.part", MORE, "b.csv.part: no reader knows lines like 'user,item,time'"),
        ("b.xlsx", b"PK\x03\x04" + bytes(100), "b.xlsx: is an archive"),
        ("b.inter", "x\ty\n1\t2\n", "b.inter: no reader knows lines like 'x\\ty'"),
        ("b.parquet", b"PAR1" + bytes(50), "b.parquet: is neither text nor a compressed file"),
        ("b.json", "[1, 2", "b.json: no reader knows lines like '[1, 2'"),
    ],
)
def test_what_cannot_be_read_stops_the_step(tmp_path: Path, name: str, content: bytes | str, why: str) -> None:
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, {"a.csv": EVENTS, name: content})
    assert why in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_holds_no_events_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = {
        "README.md": "x", "LICENSE": "x", "get.sh": "x", "sums.md5": "x", "notes/paper.pdf": "x", "a/pic.png": "x",
        "weights.csv": "item,weight\na1,2\n", "people.jsonl": '{"user_id": "a", "age": 3}\n',
        "words.csv": "item,title\na1,A\n",
    }  # fmt: skip
    dataset = prepared(tmp_path, {"e.csv": EVENTS} | beside)
    unread = ["LICENSE", "README.md", "get.sh", "notes/paper.pdf", "people.jsonl", "sums.md5", "weights.csv"]
    assert dataset.stats["files"] == {"read": 2, "without_events": unread}
    assert "  without events of their own: LICENSE, README.md, get.sh, notes/paper.pdf, people.jsonl and 2 more" in (
        capsys.readouterr().err
    )


def test_a_table_of_neither_users_nor_items_nor_times_lies_beside_events(tmp_path: Path) -> None:
    beside = {
        "category_tree.csv": "categoryid,parentid\n1,2\n", "tags.csv": "tag_id,tag_name\n1,good\n", "run.log": "done\n",
        "authors.jsonl": '{"author_id": 3, "name": "A", "average_rating": 4.1}\n',
    }  # fmt: skip
    dataset = prepared(tmp_path, {"e.csv": EVENTS} | beside)
    assert dataset.stats["files"] == {"read": 1, "without_events": sorted(beside)}


@pytest.mark.parametrize(
    "strange",
    [
        {"b.csv": "kunde,artikel,zeit\nx,y,1\n"},  # what may be a time
        {"ratings2.csv": "kunde,artikel\nx,y\n"},  # by its name
        {"b.csv": "x,y1,7\n"},  # no names of columns
        {"b.csv": "one\ntwo\n"},  # no table
    ],
)
def test_a_table_that_may_hold_events_is_not_passed_over(tmp_path: Path, strange: dict[str, bytes | str]) -> None:
    with pytest.raises(DataError, match="would be left out of what the reader csv reads"):
        prepared(tmp_path, {"e.csv": EVENTS} | strange)


def test_the_files_of_another_format_are_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.csv: has users and items, but in another format"):
        prepared(tmp_path, {"a.inter": "user_id:token\titem_id:token\ttime:float\nu\ti\t1\n", "b.csv": EVENTS})


def test_a_source_that_nobody_knows_says_what_each_file_looks_like(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no reader recognises these files:\n  r\.json\.gz: is a web page"):
        prepared(tmp_path, {"r.json.gz": "<html>404</html>"})


# parts


@pytest.mark.parametrize("ending", ["inter", "csv", "tsv", "jsonl", "txt"])
@pytest.mark.parametrize("names", [("x.train", "x.valid", "x.test"), ("train/x", "val/x", "test/x")])
def test_parts_are_read_in_the_order_of_time(tmp_path: Path, ending: str, names: tuple[str, str, str]) -> None:
    files = {}
    for number, name in enumerate(names):
        rows = [(user, f"{user}{number}{n}") for user in "12" for n in range(3 if number == 0 else 1)]
        if ending == "jsonl":
            text = "".join(json.dumps({"user_id": user, "item_id": item}) + "\n" for user, item in rows)
        elif ending == "tsv":  # without a header, as of Douban
            text = "".join(f"{user}\t{item}\t5\n" for user, item in rows)
        elif ending == "txt":  # as SASRec reads
            text = "".join(f"{user} {item}\n" for user, item in rows)
        else:
            header = "user_id:token\titem_id:token\n" if ending == "inter" else "user_id\titem_id\n"
            text = header + "".join(f"{user}\t{item}\n" for user, item in rows)
        files[f"{name}.{ending}"] = text
    dataset = prepared(tmp_path, dict(files), "file")
    assert (held_out(dataset, "valid"), held_out(dataset)) == (["110", "210"], ["120", "220"])


def test_at_the_same_time_the_part_decides(tmp_path: Path) -> None:
    def rows(*items: str) -> str:
        return "user,item,time\n" + "".join(f"{user},{user}{item},7\n" for user in "ab" for item in items)

    files = {"test.csv": rows("t"), "train.csv": rows(*map(str, range(9))), "valid.csv": rows("v")}
    dataset = prepared(tmp_path, dict(files))
    assert (held_out(dataset, "valid"), held_out(dataset)) == (["av", "bv"], ["at", "bt"])


def test_a_whole_beside_its_parts_is_refused_without_times(tmp_path: Path) -> None:
    rows = "user_id:token\titem_id:token\nu\ti\n"
    with pytest.raises(DataError, match=r"click\.inter lies beside click\.train\.inter.*; keep one or the other"):
        prepared(tmp_path, {"click.inter": rows, "click.train.inter": rows, "click.test.inter": rows}, "file")


# ties


def test_chance_grouped_by_item_stays_chance(tmp_path: Path) -> None:
    """1,000 users take 9 of 200 items, three a day; lines are grouped by item, as in the raw files of Amazon.

    A score that knows nothing gives users an AUC with a deviation of .29, so the mean lies within .037 of .5. By the order of
    lines within a day, the number of an item gave .75.
    """
    rng = np.random.default_rng(6)
    rows = [
        (item, f"u{user}", 1_400_025_600 + 86_400 * (n // 3))
        for user in range(1000)
        for n, item in enumerate(rng.choice(200, 9, replace=False).tolist())
    ]
    text = "".join(f"{user},B{item:03d},{time}\n" for item, user, time in sorted(rows))
    dataset = prepared(tmp_path, {"e.csv": f"user_id,item_id,timestamp\n{text}"})
    assert dataset.stats["time"] == {"order": "time", "why": "", "tied_events": 1.0, "tied_held_out": 1.0}
    untouched = dataset.sequences.untouched().sample_different(99, rng)
    number = np.arange(dataset.n_items + 1)
    targets = dataset.sequences.items[dataset.sequences.targets("test")]
    ranks = (number[targets][:, None] > number[untouched]).mean(axis=1)
    assert abs(ranks.mean() - 0.5) < 0.037
    before = dataset.sequences.items[dataset.sequences.targets("valid")]
    assert abs((targets > before).mean() - 0.5) < 4 * 0.5 / 1000**0.5


def test_ties_and_repeats_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "a,x,1\na,y,1\na,z,2\na,x,3\nb,y,1\nb,w,2\nb,w,3\nb,y,3\n"
    stats = prepared(tmp_path, {"e.csv": f"user,item,time\n{rows}"}).stats
    assert stats["time"] == {"order": "time", "why": "", "tied_events": 0.5, "tied_held_out": 0.5}
    assert stats["repeats"]["events"] == 3
    said = capsys.readouterr().err
    assert "at the same time as another event of the user: 50.00% of events, for 50.00% of users a held-out one" in said
    assert "repeats of an item by its user: 3 events" in said


# layouts


LAYOUTS = {
    "Amazon customer reviews": (
        "amazon_reviews_us_Toys_v1_00.tsv",
        "marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_parent\tproduct_title\tproduct_category\tstar_rating\t"
        "review_body\treview_date\nUS\tu\tR2\tj\t9\tJay\tToys\t5\tsays \"so\tt\t2014-10-08\n"
        "US\tu\tR1\ti\t8\tEye\tToys\t5\tgood\t2014-10-07\n".replace('"so\tt', '"so'),
        "csv",
    ),
    "Yelp": (
        "yelp_academic_dataset_review.json",
        '{"review_id": "r", "user_id": "u", "business_id": "j", "stars": 4.0, "text": "a\\nb", "date": "2018-07-07 22:09:11"}\n'
        '{"review_id": "r", "user_id": "u", "business_id": "i", "stars": 4.0, "text": "", "date": "2012-01-03 15:28:18"}\n',
        "csv",
    ),
    "Goodreads": (
        "goodreads_reviews.json.gz",
        '{"user_id": "u", "book_id": "j", "review_id": "r", "date_added": "Sun Jul 30 07:44:10 -0700 2017", "date_updated":'
        ' "Wed Aug 30 00:00:26 -0700 2017", "read_at": "", "started_at": ""}\n'
        '{"user_id": "u", "book_id": "i", "review_id": "r", "date_added": "Sun Jul 30 07:44:10 +0200 2017", "date_updated":'
        ' "Thu Aug 31 00:00:26 -0700 2017", "read_at": "", "started_at": ""}\n',
        "csv",
    ),
    "Steam": (
        "steam_reviews.json.gz",
        "{u'username': u'u', u'hours': 0.5, u'product_id': u'j', u'date': u'2018-01-02', u'text': u'It\\'s'}\n"
        "{u'username': u'u', u'user_id': u'7', u'product_id': u'i', u'date': u'2018-01-01', u'text': u''}\n",
        "csv",
    ),
    "Last.fm 1K": (
        "userid-timestamp-artid-artname-traid-traname.tsv",
        "u\t2009-05-04T23:08:57Z\tf1b1\tj\t\tFuniculi\nu\t2009-05-04T13:54:10Z\ta7f7\ti\t\tComposition\n",
        "headless",
    ),
    "Gowalla": (
        "loc-gowalla_totalCheckins.txt",
        "0\t2010-10-19T23:55:27Z\t30.2359091167\t-97.7951395833\tj\n0\t2010-10-18T22:17:43Z\t30.26\t-97.76\ti\n",
        "headless",
    ),
    "Taobao": ("UserBehavior.csv", "1,2,4,pv,1511544070\n1,3,5,buy,1511544069\n", "headless"),
    "Taobao, Tianchi": (
        "tianchi.csv",
        "user_id,item_id,behavior_type,user_geohash,item_category,time\nu,j,1,,7,2014-12-06 02\nu,i,1,,7,2014-12-05 22\n",
        "csv",
    ),
    "Yoochoose": ("yoochoose-clicks.dat", "1,2014-04-07T10:51:09.277Z,2,0\n1,2014-04-07T10:51:08.277Z,3,0\n", "headless"),
    "TiSASRec": ("ml-1m.txt", "1\t2\t5\t978300760\n1\t3\t3\t978300750\n", "headless"),
    "Retailrocket": ("events.csv", "timestamp,visitorid,event,itemid,transactionid\n1433221332117,u,view,j,\n1433221332116,u,view,i,\n", "csv"),
    "Online Retail": (
        "retail.csv",
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID\n1,j,Cup,6,12/13/2010 8:26,u\n1,i,Pot,6,12/1/2010 8:28,u\n",
        "csv",
    ),
    "H&M": ("transactions_train.csv", "t_dat,customer_id,article_id,price\n2018-09-21,u,j,.1\n2018-09-20,u,i,.1\n", "csv"),
    "eCommerce": ("2019-Oct.csv", "event_time,event_type,product_id,category_id,user_id\n2019-10-01 00:00:01 UTC,view,j,2,u\n2019-10-01 00:00:00 UTC,view,i,2,u\n", "csv"),
    "Google Local": ("review.json", '{"user_id": "u", "time": 1609909927056, "gmap_id": "j"}\n{"user_id": "u", "time": 1609909927055, "gmap_id": "i"}\n', "csv"),
    "RecBole, Yelp": ("yelp.inter", "user_id:token\tbusiness_id:token\tdate:float\nu\tj\t1388534401\nu\ti\t1388534400\n", "recbole"),
    "RecBole with spaces": ("x.inter", "user_id:token item_id:token timestamp:float\nu j 2\nu i 1\n", "recbole"),
    "an array": ("r.json", '[\n {"reviewerID": "u", "asin": "j", "unixReviewTime": 1400000001},\n {"reviewerID": "u", "asin": "i", "unixReviewTime": 1400000000}\n]', "amazon"),
    "spaces": ("x.txt", "user_id item_id timestamp\nu j 2\nu i 1\n", "csv"),
}  # fmt: skip


@pytest.mark.parametrize("source", LAYOUTS)
def test_a_layout_that_people_have_is_recognised_with_its_time(tmp_path: Path, source: str) -> None:
    name, text, format_name = LAYOUTS[source]
    reader = find_reader(write(tmp_path, {name: text}))
    raw = reader.read(tmp_path)
    assert (reader.name, raw.timed, raw.problems.broken) == (format_name, True, {})
    newest_first = events(raw)
    assert len(newest_first) == 2 and newest_first[0][2] > newest_first[1][2]
    if "\tj" in text or '"j"' in text:
        assert [item for _, item, _ in newest_first] == ["j", "i"]


def test_titles_beside_events_are_used(tmp_path: Path) -> None:
    name, text, _ = LAYOUTS["Amazon customer reviews"]
    raw = find_reader(write(tmp_path, {name: text})).read(tmp_path)
    assert [row[:4] for row in items(raw)] == [("j", "Jay", "Jay. Toys", "Toys"), ("i", "Eye", "Eye. Toys", "Toys")]


def test_ids_that_became_floats_are_those_of_the_other_file(tmp_path: Path) -> None:
    write(tmp_path, {"e.csv": "user,item,time\n1,7.0,1\n1,8.0,2\n", "i.csv": "item,title\n7,Seven\n8,Eight\n"})
    assert [row[:2] for row in items(find_reader(tmp_path).read(tmp_path))] == [("7", "Seven"), ("8", "Eight")]


def test_not_one_interaction_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not one interaction could be read from e\.csv"):
        find_reader(write(tmp_path, {"e.csv": "user,item,time\n"})).read(tmp_path)


@pytest.mark.parametrize(
    ("written", "category", "text"),
    [
        ("'Sports & Outdoors', 'Balls'", "Sports & Outdoors", "Ball. Sports & Outdoors Balls"),
        ("['Kid's, small', \"Men's\"]", "Kid's, small", "Ball. Kid's, small Men's"),
        ("Sports Balls", "Sports", "Ball. Sports Balls"),
    ],
)
def test_categories_in_quotes_keep_their_commas(tmp_path: Path, written: str, category: str, text: str) -> None:
    inter = "user_id:token\titem_id:token\ttimestamp:float\nu\ti\t1.5\n"
    item = f"item_id:token\ttitle:token_seq\tcategories:token_seq\ni\tBall\t{written}\n"
    raw = find_reader(write(tmp_path, {"x.inter": inter, "x.item": item})).read(tmp_path)
    assert items(raw) == [("i", "Ball", text, category, "")]


def test_pictures_lie_below_and_second_ones_are_counted(tmp_path: Path) -> None:
    pictures = ["images/i.png", "images/i.jpg", "images/10/j.JPG", "images/10/deep/k.webp", "images/10/i.png"]
    write(tmp_path, {"e.csv": "user,item,time\nu,i,1\nu,j,2\nu,k,3\n"} | dict.fromkeys(pictures, b""))
    raw = find_reader(tmp_path).read(tmp_path)
    assert [row[4] for row in items(raw)] == ["images/i.jpg", "images/10/j.JPG", "images/10/deep/k.webp"]
    assert raw.problems.examples["second_pictures"] == [
        "images/i.png: images/i.jpg is taken for i", "images/10/i.png: images/i.jpg is taken for i",
    ]  # fmt: skip
