"""Amazon reviews and product metadata as JSON lines, in the field layouts of 2014, 2018 and 2023."""

from __future__ import annotations

import html
import re
from array import array
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.lines import COMPRESSED, first_records, json_lines
from solid.data.readers.problems import BROKEN, UNKNOWN, Problems

LEGACY_REVIEW = """reviewerID asin reviewerName helpful reviewText overall summary unixReviewTime reviewTime
    verified style vote image"""
REVIEW = """user_id asin parent_asin timestamp sort_timestamp rating title text images helpful_vote
    verified_purchase"""
METADATA_2014 = "asin title description price imUrl related salesRank brand categories"
METADATA_2018 = """asin title description price brand category tech1 tech2 fit also_buy also_view feature rank details
    main_cat similar_item date imageURL imageURLHighRes"""
METADATA_2023 = """parent_asin title subtitle author description price categories main_category average_rating
    rating_number features images videos store bought_together details"""
REVIEW_FIELDS = frozenset(f"{LEGACY_REVIEW} {REVIEW}".split())
METADATA_FIELDS = frozenset(f"{METADATA_2014} {METADATA_2018} {METADATA_2023}".split())
USER, ITEM = ("user_id", "reviewerID"), ("parent_asin", "asin")
LOOK = 20  # first lines in which a record is sought
TAG = re.compile(r"<[^>]*>")
SPACE = re.compile(r"\s+")
DAY = re.compile(r"(\d{1,2}) (\d{1,2}), ?(\d{4})")
DIGITS = re.compile(r"\d{1,15}")
SURROGATE = re.compile(r"[\ud800-\udfff]")


class Amazon(Reader):
    """Reviews in any number of files, metadata in others, pictures in ``images/``; time in milliseconds."""

    name = "amazon"
    description = "Amazon reviews and metadata, JSON lines of 2014, 2018 or 2023, .gz or not, pictures in images/"

    def matches(self, folder: Path) -> bool:
        """Some JSON lines file holds reviews."""
        return next(_files(folder, reviews=True), None) is not None

    def read(self, folder: Path) -> RawData:
        """Read all reviews, then the metadata of the items in them."""
        problems = Problems()
        names = [(path, relative(path, folder)) for path in _files(folder, reviews=True)]
        events = {name: _reviews(path, name, problems) for path, name in names}
        wanted = {item for frame in events.values() for item in frame["item_id"]}
        return assemble(folder, events, read_metadata(folder, wanted, problems), problems, timed=True)


def read_metadata(folder: Path, wanted: Collection[str], problems: Problems) -> dict[str, pd.DataFrame]:
    """Metadata of the wanted items from all metadata files of the folder, by file name."""
    return {
        name: _metadata(path, name, wanted, problems)
        for path, name in ((path, relative(path, folder)) for path in _files(folder, reviews=False))
    }


def _files(folder: Path, *, reviews: bool) -> Iterator[Path]:
    """The JSON lines files that hold reviews, or those that hold metadata."""
    for path in find_files(
        folder, *(f"*.{kind}{zipped}" for kind in ("json", "jsonl") for zipped in ("", *COMPRESSED))
    ):
        record = _first_record(path)
        if _first(record, ITEM) and bool(_first(record, USER)) == reviews:
            yield path


def _first_record(path: Path) -> dict[str, Any]:
    return next(iter(first_records(path, LOOK)), {})


def _reviews(path: Path, name: str, problems: Problems) -> pd.DataFrame:
    users: list[str] = []
    items: list[str] = []
    times, lines = array("q"), array("q")
    for line, record in json_lines(path, name, problems):
        _count_unknown(record, REVIEW_FIELDS, name, line, problems)
        user, item, time = _first(record, USER), _first(record, ITEM), _milliseconds(record)
        if not user or not item or time is None:
            what = "user" if not user else "item" if not item else "time"
            problems.add(BROKEN, name, line, f"a review without {what}")
            continue
        users.append(user)
        items.append(item)
        times.append(time)
        lines.append(line)
    columns = {"user_id": pd.array(users, dtype="str"), "item_id": pd.array(items, dtype="str")}
    return pd.DataFrame({**columns, "timestamp": times, "line": lines})


def _metadata(path: Path, name: str, wanted: Collection[str], problems: Problems) -> pd.DataFrame:
    rows = []
    for line, record in json_lines(path, name, problems):
        _count_unknown(record, METADATA_FIELDS, name, line, problems)
        item = _first(record, ITEM)
        if not item:
            problems.add(BROKEN, name, line, "a product without id")
        elif item in wanted:
            rows.append((item, *_describe(record), line))
    return pd.DataFrame(rows, columns=["item_id", "title", "text", "category", "line"])


def _describe(record: dict[str, Any]) -> tuple[str, str, str]:
    """Title, text and category of a product; the category is the first two names of its path."""
    title = " ".join(_words(record.get("title")))
    path = _words(_first_path(record.get("categories") or record.get("category")))
    maker = _words(record.get("brand") or record.get("store"))
    rest = [part for field in ("feature", "features", "description") for part in _words(record.get(field))]
    text = ". ".join(part.rstrip(" .") for part in (title, " ".join(path), *maker, *rest) if part)
    return title, text, " > ".join(path[:2]) or " ".join(_words(record.get("main_category")))


def _first_path(categories: Any) -> Any:
    """2014 lists several paths of categories: the first; later layouts have one."""
    nested = isinstance(categories, list) and categories and isinstance(categories[0], list)
    return categories[0] if nested else categories


def _words(value: Any) -> list[str]:
    """The texts in a string or a list of strings, without markup; anything else has none."""
    parts = value if isinstance(value, list) else [value]
    cleaned = (SPACE.sub(" ", TAG.sub(" ", html.unescape(part))).strip() for part in parts if _is_text(part))
    return [part for part in cleaned if part]


def _first(record: dict[str, Any], fields: tuple[str, ...]) -> str:
    """The value of the first of the fields that holds a text, "" if none does."""
    return next((value for field in fields if _is_text(value := record.get(field))), "")


def _is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a string with something in it and without half a surrogate pair, which JSON allows and no table."""
    return isinstance(value, str) and value != "" and not SURROGATE.search(value)


def _milliseconds(record: dict[str, Any]) -> int | None:
    """Time of a review in milliseconds, the unit of 2023; the layouts before count seconds, or name the day."""
    time, unit = record.get("timestamp", record.get("sort_timestamp")), 1
    if time is None:
        time, unit = record.get("unixReviewTime"), 1000
    if time is None and isinstance(day := record.get("reviewTime"), str) and (match := DAY.fullmatch(day.strip())):
        month, of_month, year = map(int, match.groups())
        with suppress(ValueError):
            return int(datetime(year, month, of_month, tzinfo=UTC).timestamp()) * 1000
    if isinstance(time, str) and DIGITS.fullmatch(time):
        time = int(time)
    if isinstance(time, float) and time.is_integer():
        time = int(time)
    return time * unit if isinstance(time, int) and abs(time) < 2**53 else None


def _count_unknown(record: dict[str, Any], known: frozenset[str], name: str, line: int, problems: Problems) -> None:
    for field in sorted(record.keys() - known):
        problems.add(UNKNOWN, name, line, str(field))
