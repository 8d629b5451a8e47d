"""RecBole atomic files: tab-separated ``.inter`` and ``.item`` with typed headers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from solid.data.readers.base import UNKNOWN, Problems, RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import describe, header_of, parse_events, pick, read_delimited
from solid.errors import DataError

TYPES = {"token", "token_seq", "float", "float_seq"}
USER, ITEM, TIME = ("user_id", "session_id"), ("item_id",), ("timestamp", "time")
TITLE = ("title", "movie_title", "item_title", "name", "item_name", "product_title")
CATEGORY = ("class", "genre", "genres", "category", "categories", "item_category")
TEXT = ("text", "description")


class RecBole(Reader):
    """Interactions one a line; of the item fields it uses title, classes and description."""

    name = "recbole"
    description = "RecBole atomic files .inter and .item with typed headers"

    def matches(self, folder: Path) -> bool:
        """Some ``.inter`` file names a user and an item and no list of items."""
        return bool(_interactions(folder))

    def read(self, folder: Path) -> RawData:
        """Read all ``.inter`` and ``.item`` files."""
        problems, paths = Problems(), _interactions(folder)
        timed = bool(paths) and all(set(TIME) & set(_fields(path)) for path in paths)
        events = {}
        for path in paths:
            name = relative(path, folder)
            frame = _read(path, name, {"user_id": USER, "item_id": ITEM, "timestamp": TIME}, problems)
            events[name] = parse_events(frame, name, problems, timed=timed)
        metadata = {}
        for path in find_files(folder, "*.item"):
            name = relative(path, folder)
            roles = {"item_id": ITEM, "title": TITLE, "category": CATEGORY, "text": TEXT}
            metadata[name] = describe(_read(path, name, roles, problems), " ")
        return assemble(folder, events, metadata, problems, timed=timed)


def _interactions(folder: Path) -> list[Path]:
    def fits(path: Path) -> bool:
        fields = set(_fields(path))
        return bool(fields & set(USER)) and bool(fields & set(ITEM)) and "item_id_list" not in fields

    return [path for path in find_files(folder, "*.inter") if fits(path)]


def _fields(path: Path) -> list[str]:
    return [field.partition(":")[0] for field in header_of(path, "\t")]


def _read(path: Path, name: str, roles: dict[str, tuple[str, ...]], problems: Problems) -> pd.DataFrame:
    """The columns that play a role, under the role's name, and ``line``; an absent one is left out."""
    header = header_of(path, "\t")
    for field in header:
        if field.partition(":")[2] not in TYPES:
            problems.add(UNKNOWN, name, 1, f"{field!r}: no type among {', '.join(sorted(TYPES))}")
    fields = _fields(path)
    roles_of = pick(fields, roles)
    if "item_id" not in roles_of.values():
        raise DataError(f"{path}:1: no item_id among the fields {fields}; add the typed header")
    frame = read_delimited(path, name, "\t", fields, problems, header=True)
    return frame[[*roles_of, "line"]].rename(columns=roles_of)
