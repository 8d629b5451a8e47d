"""RecBole atomic files: tab-separated ``.inter`` and ``.item`` with typed headers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.csv_table import ITEM, USER, times_of
from solid.data.readers.delimited import describe, header_of, parse_events, pick, read_delimited
from solid.data.readers.problems import UNKNOWN, Problems
from solid.errors import DataError

TYPES = {"token", "token_seq", "float", "float_seq"}
TITLE = ("title", "movie_title", "item_title", "name", "item_name", "product_title")
CATEGORY = ("class", "genre", "genres", "category", "categories", "item_category")
TEXT = ("text", "description")


class RecBole(Reader):
    """Interactions one a line; of the item fields it uses title, classes and description."""

    name = "recbole"
    description = "RecBole atomic files .inter and .item with typed headers"

    others = ("*.user", "*.kg", "*.link", "*.net", "*.rel", "*.ent", "*.useremb", "*.itememb")

    def matches(self, folder: Path) -> bool:
        """Some ``.inter`` file names a user and an item and no list of items."""
        return bool(_interactions(folder))

    def read(self, folder: Path) -> RawData:
        """Read all ``.inter`` and ``.item`` files."""
        problems, paths = Problems(), _interactions(folder)
        times = times_of({relative(path, folder): _fields(path) for path in paths}, problems)
        timed, events = bool(times), {}
        for path in paths:
            name = relative(path, folder)
            own = times.get(name, ())
            frame = _read(path, name, {"user_id": USER, "item_id": ITEM}, problems, own)
            events[name] = parse_events(frame, name, problems, timed=timed, times=own)
        metadata = {}
        for path in find_files(folder, "*.item"):
            name = relative(path, folder)
            roles = {"item_id": ITEM, "title": TITLE, "category": CATEGORY, "text": TEXT}
            metadata[name] = describe(_read(path, name, roles, problems), " ")
        return assemble(folder, events, metadata, problems, timed=timed)


def _interactions(folder: Path) -> list[Path]:
    def fits(path: Path) -> bool:
        fields = _fields(path)
        return len(pick(fields, {"user_id": USER, "item_id": ITEM})) == 2 and "item_id_list" not in fields

    return [path for path in find_files(folder, "*.inter") if fits(path)]


def _fields(path: Path) -> list[str]:
    return [field.partition(":")[0] for field in header_of(path, _separator(path))]


def _separator(path: Path) -> str:
    """A tab, or the space that some write instead."""
    return "\t" if len(header_of(path, "\t")) > 1 else " "


def _read(
    path: Path, name: str, roles: dict[str, tuple[str, ...]], problems: Problems, times: Sequence[str] = ()
) -> pd.DataFrame:
    """The columns that play a role, under the role's name, those of time, and ``line``; an absent one is left out."""
    header = header_of(path, separator := _separator(path))
    for field in header:
        if field.partition(":")[2] not in TYPES:
            problems.add(UNKNOWN, name, 1, f"{field!r}: no type among {', '.join(sorted(TYPES))}")
    fields = _fields(path)
    roles_of = pick(fields, roles)
    if "item_id" not in roles_of.values():
        raise DataError(f"{path}:1: no item_id among the fields {fields}; add the typed header")
    frame = read_delimited(path, name, separator, fields, problems, header=True)
    return frame[[*roles_of, *times, "line"]].rename(columns=roles_of)
