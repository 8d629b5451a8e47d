"""Any delimited files whose header names user, item and, optionally, time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from solid.data.readers.base import UNKNOWN, Problems, RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import describe, header_of, parse_events, pick, read_delimited

SEPARATORS = ("\t", ",", ";", "|")
USER = ("user_id", "userid", "user", "uid", "reviewerid", "customer_id")
ITEM = ("item_id", "itemid", "item", "iid", "parent_asin", "asin", "movieid", "movie_id", "product_id")
EVENT_ROLES = {"user_id": USER, "item_id": ITEM, "timestamp": ("timestamp", "time", "unix_time", "unixreviewtime")}
ITEM_ROLES = {
    "item_id": ITEM,
    "title": ("title", "name", "item_name", "product_title"),
    "category": ("category", "categories", "i_category", "genres", "genre", "class", "main_category"),
    "text": ("text", "description"),
}
IGNORED = {"rating", "score", "stars"}  # known, but every interaction is a positive


@dataclass(frozen=True)
class Table:
    """A delimited file whose header was understood: ``roles`` maps columns to what they mean."""

    path: Path
    separator: str
    columns: list[str]
    roles: dict[str, str]


class Csv(Reader):
    """Files with a user and an item column are interactions; files with an item column and some words are metadata."""

    name = "csv"
    description = "any .csv, .tsv, .txt (or .gz) with a header naming user, item and, as a number, time"

    def matches(self, folder: Path) -> bool:
        """Some header names a user and an item."""
        return bool(_tables(folder, EVENT_ROLES, {"user_id", "item_id"}))

    def read(self, folder: Path) -> RawData:
        """Read interactions, then the metadata beside them."""
        problems = Problems()
        tables = _tables(folder, EVENT_ROLES, {"user_id", "item_id"})
        timed = all("timestamp" in table.roles.values() for table in tables)
        events = {}
        for table in tables:
            name = relative(table.path, folder)
            events[name] = parse_events(_read(table, name, problems), name, problems, timed=timed)
        metadata = {}
        for table in _tables(folder, ITEM_ROLES, {"item_id"}):
            name = relative(table.path, folder)
            if name not in events and len(table.roles) > 1:
                metadata[name] = describe(_read(table, name, problems), "|")
        return assemble(folder, events, metadata, problems, timed=timed)


def _tables(folder: Path, roles: dict[str, tuple[str, ...]], needed: set[str]) -> list[Table]:
    """The files whose header, split by one of the separators, has all roles needed."""
    tables = []
    for path in find_files(folder, *(f"*.{kind}{zipped}" for kind in ("csv", "tsv", "txt") for zipped in ("", ".gz"))):
        for separator in SEPARATORS:
            columns = header_of(path, separator)
            chosen = pick(columns, roles)
            if needed <= set(chosen.values()):
                tables.append(Table(path, separator, columns, chosen))
                break
    return tables


def _read(table: Table, name: str, problems: Problems) -> pd.DataFrame:
    for column in table.columns:
        if column not in table.roles and column.lower() not in IGNORED:
            problems.add(UNKNOWN, name, 1, f"column {column!r}")
    frame = read_delimited(table.path, name, table.separator, table.columns, problems, header=True)
    return frame[[*table.roles, "line"]].rename(columns=table.roles)
