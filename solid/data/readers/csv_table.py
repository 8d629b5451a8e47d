"""Any tables whose columns name user, item and time: delimited text with a header, JSON lines, parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from solid.data.readers.base import RawData, Reader, assemble, relative
from solid.data.readers.delimited import describe, parse_events, pick
from solid.data.readers.problems import UNKNOWN, Problems
from solid.data.readers.tables import Table, as_ids, find_tables
from solid.data.readers.times import NAMES, alike, candidates, plain

USER = (
    *("user_id", "user", "uid", "reviewer_id", "customer_id", "customer", "user_no", "user_idx", "user_key"),
    *("visitor_id", "member_id", "client_id", "account_id", "buyer_id", "person_id", "profile_id", "household_key"),
    *("customer_number", "customer_unique_id", "msno", "username", "user_name", "reviewer", "steam_id", "session_id"),
)
ITEM = (
    *("item_id", "item", "iid", "parent_asin", "asin", "movie_id", "movie", "product_id", "product", "business_id"),
    *("book_id", "isbn", "article_id", "gmap_id", "track_id", "song_id", "song", "artist_id", "venue_id", "poi_id"),
    *("location_id", "place_id", "poi", "loc_id", "stock_code", "sku", "goods_id", "news_id", "recipe_id", "show_id"),
    *("anime_id", "game_id", "app_id", "video_id", "beer_id", "beer_beerid", "course_id", "hotel_id", "offer_id"),
    *("restaurant_id", "content_id", "doc_id", "listing_id", "post_id", "item_no", "item_idx", "merchant_id"),
    *("photo_id",),
)
ROLES = {"user_id": USER, "item_id": ITEM}
EVENT_ROLES = ROLES | {"timestamp": NAMES}
ITEM_ROLES = {
    "item_id": ITEM,
    "title": ("title", "name", "item_name", "product_title", "item_title", "product_name", "movie_title", "book_title"),
    "category": ("category", "categories", "i_category", "genres", "genre", "class", "main_category"),
    "text": ("text", "description"),
}
EVENT_WORDS = {  # of an item, where they stand beside events; plain title and text may be those of a review
    "title": ("product_title", "item_title", "item_name", "product_name", "movie_title", "book_title", "track_name"),
    "category": ("product_category", "item_category", "category", "category_id", "genre", "genres", "main_category"),
}
IGNORED = {"rating", "score", "stars"}  # known, but every interaction is a positive


@dataclass(frozen=True)
class Known:
    """A table whose columns were understood: ``roles`` maps columns to what they mean."""

    table: Table
    name: str
    roles: dict[str, str]


class Csv(Reader):
    """Tables with a user and an item column are interactions; those with an item column and some words are metadata."""

    name = "csv"
    description = (
        "any .csv, .tsv, .txt or .dat with a header, JSON lines or parquet, whose columns name user, item and time, "
        "numbers or dates"
    )

    def matches(self, folder: Path) -> bool:
        """Some header names a user and an item."""
        return next(iter(_tables(folder, ROLES, set(ROLES))), None) is not None

    def read(self, folder: Path) -> RawData:
        """Read interactions, then the metadata beside them."""
        problems = Problems()
        tables = list(_tables(folder, ROLES | EVENT_WORDS, set(ROLES)))
        times = times_of({known.name: known.table.columns for known in tables}, problems)
        events, words = {}, {}
        for known in tables:
            frame = _read(known, times.get(known.name, ()), problems)
            if {"title", "category"} & set(frame):
                words[known.name] = frame[frame["item_id"] != ""].drop_duplicates("item_id")
            events[known.name] = parse_events(
                frame, known.name, problems, timed=bool(times), times=times.get(known.name, ())
            )
        metadata = {}
        for known in _tables(folder, ITEM_ROLES, {"item_id"}):
            if known.name not in events and len(known.roles) > 1 and not pick(known.table.columns, {"user_id": USER}):
                metadata[known.name] = describe(_read(known, (), problems), "|")
        if not metadata and words:  # of the first event of each item
            every = pd.concat([frame.assign(file=name) for name, frame in words.items()]).drop_duplicates("item_id")
            metadata = {str(name): describe(frame, "|") for name, frame in every.groupby("file", sort=False)}
        return assemble(folder, events, metadata, problems, timed=bool(times))


def times_of(columns: Mapping[str, Sequence[str]], problems: Problems) -> dict[str, list[str]]:
    """The columns that may hold the time, by file; none, and the reason in ``problems``, where not all files have one.

    Args:
        columns: names of the columns, by file.
        problems: learns why there is no time.
    """
    found = {name: times for name, names in columns.items() if (times := candidates(names))}
    if without := [name for name in columns if name not in found]:
        name = without[0]
        named = f"{name} has no column of time among {', '.join(columns[name])}"
        if found:
            other, times = next(iter(found.items()))
            named += f", while {other} has {times[0]!r}"
        elif odd := alike(columns[name]):
            named += f"; if it is {odd[0]!r}, call it timestamp"
        problems.no_time(named)
        return {}
    return found


def _tables(folder: Path, roles: Mapping[str, tuple[str, ...]], needed: set[str]) -> Iterable[Known]:
    """The files whose header, in one of the ways to read it, has all roles needed."""
    for readings in find_tables(folder):
        for table in readings:
            chosen = pick(table.columns, roles)
            for column, role in pick(table.always, {role: roles[role] for role in needed}).items():
                chosen = {other: known for other, known in chosen.items() if known != role} | {column: role}
            if needed <= set(chosen.values()):
                yield Known(table, relative(table.path, folder), chosen)
                break


def _read(known: Known, times: Sequence[str], problems: Problems) -> pd.DataFrame:
    """The columns that play a role, under the role's name, those of time, and ``line``."""
    for column in known.table.columns:
        if column not in known.roles and column not in times and plain(column) not in IGNORED:
            problems.add(UNKNOWN, known.name, 1, f"column {column!r}")
    frame = known.table.read(known.name, [*known.roles, *times], problems).rename(columns=known.roles)
    for role in known.roles.values():
        frame[role] = as_ids(frame[role]) if role in ROLES else frame[role].astype("str").fillna("")
    return frame
