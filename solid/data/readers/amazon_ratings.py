"""Amazon ratings-only files: comma-separated, one rating a line."""

from __future__ import annotations

import re
from pathlib import Path

from solid.data.readers.amazon import read_metadata
from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import header_of, parse_events, read_delimited
from solid.data.readers.lines import first_lines
from solid.data.readers.problems import Problems
from solid.errors import DataError

HEADERS = (  # 2023: full and 5-core files; with and without the history of the leave-last-out files
    ["user_id", "parent_asin", "rating", "timestamp"],
    ["user_id", "parent_asin", "rating", "timestamp", "history"],
)
NAMES = {"parent_asin": "item_id"}
LOOK = 1000
ASIN = re.compile(r"[0-9A-Z]{10}")
RATING = re.compile(r"[0-5](\.\d)?")
TIME = re.compile(r"\d{9,10}")


class AmazonRatings(Reader):
    """The header of 2023 names the columns; files before have none, and the order of user and item is seen by the ids.

    A product id (ASIN) has ten characters from 0-9A-Z, and a user id nearly always more. In 2014 the user comes first,
    in 2018 the item. Time in milliseconds; metadata files beside the ratings are read as the ``amazon`` reader does.
    """

    name = "amazon-ratings"
    description = "Amazon ratings-only CSV of 2014 (user,item,...), 2018 (item,user,...) or 2023 (with header)"

    def matches(self, folder: Path) -> bool:
        """Some CSV file has the header of 2023, or four columns like two ids, a rating and a time."""
        return bool(_files(folder))

    def read(self, folder: Path) -> RawData:
        """Read all ratings files, then the metadata of the items in them."""
        problems, events = Problems(), {}
        for path in _files(folder):
            name, columns = relative(path, folder), _columns(path)
            header = "parent_asin" in columns
            frame = read_delimited(path, name, ",", columns, problems, header=header).rename(columns=NAMES)
            frame = parse_events(frame, name, problems, timed=True)
            if not header and "timestamp" in frame:  # 2023 counts milliseconds, the layouts before count seconds
                frame["timestamp"] *= 1000
            events[name] = frame
        wanted = {item for frame in events.values() for item in frame["item_id"]}
        return assemble(folder, events, read_metadata(folder, wanted, problems), problems, timed=True)


def _files(folder: Path) -> list[Path]:
    """The ratings files."""
    found = find_files(folder, "*.csv", "*.csv.gz")
    return [path for path in found if header_of(path, ",") in HEADERS or any(_asins(path))]


def _asins(path: Path) -> tuple[int, int]:
    """How many of the first two fields look like an ASIN, among the first rows that look like ratings."""
    rows = [line.split(",") for line in first_lines(path, LOOK)]
    rows = [row for row in rows if len(row) == 4 and RATING.fullmatch(row[2]) and TIME.fullmatch(row[3])]
    return sum(bool(ASIN.fullmatch(row[0])) for row in rows), sum(bool(ASIN.fullmatch(row[1])) for row in rows)


def _columns(path: Path) -> list[str]:
    """Column names of a ratings file.

    Raises:
        DataError: user and item look the same.
    """
    if (header := header_of(path, ",")) in HEADERS:
        return header
    first, second = _asins(path)
    if first == second:
        raise DataError(
            f"{path}: users and items look alike; add the line user_id,item_id,rating,timestamp and set data.format=csv"
        )
    ids = ["item_id", "user_id"] if first > second else ["user_id", "item_id"]
    return [*ids, "rating", "timestamp"]
