"""Known files without a header: Gowalla, Brightkite, Last.fm 1K, Taobao, Yoochoose, what SASRec and TiSASRec read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import parse_events, read_delimited
from solid.data.readers.lines import COMPRESSED, first_lines
from solid.data.readers.problems import Problems

LOOK = 50
_MOMENT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?"
_COORDINATE = r"-?\d{1,3}(?:\.\d*)?(?:[eE]-?\d+)?"
_EPOCH = r"\d{9,13}"


@dataclass(frozen=True)
class Layout:
    """What the columns of a file are, and what its lines look like."""

    about: str
    separator: str
    columns: tuple[str, ...]
    line: re.Pattern[str]


LAYOUTS = (
    Layout(
        "Gowalla and Brightkite check-ins",
        "\t",
        ("user_id", "timestamp", "latitude", "longitude", "item_id"),
        re.compile(rf"[^\t]+\t(?:{_MOMENT})?\t{_COORDINATE}\t{_COORDINATE}\t[^\t]*"),
    ),
    Layout(
        "Last.fm 1K plays, of artists",
        "\t",
        ("user_id", "timestamp", "artist_id", "item_id", "track_id", "track"),
        re.compile(rf"[^\t]+\t{_MOMENT}\t[^\t]*\t[^\t]+\t[^\t]*\t[^\t]*"),
    ),
    Layout(
        "Taobao UserBehavior",
        ",",
        ("user_id", "item_id", "category", "behavior", "timestamp"),
        re.compile(rf"\d+,\d+,\d+,(?:pv|buy|cart|fav),{_EPOCH}"),
    ),
    Layout(
        "Yoochoose clicks, sessions as users",
        ",",
        ("user_id", "timestamp", "item_id", "category"),
        re.compile(rf"\d+,{_MOMENT},\d+,\w+"),
    ),
    Layout(
        "user, item, rating, time, as TiSASRec reads",
        "\t",
        ("user_id", "item_id", "rating", "timestamp"),
        re.compile(rf"\d+\t\d+\t\d(?:\.\d+)?\t{_EPOCH}"),
    ),
)
PAIRS = Layout("user item", " ", ("user_id", "item_id"), re.compile(r"\d+ \d+"))


class Headless(Reader):
    """Each file is of the first layout that its first lines have."""

    name = "headless"
    description = "known files without a header: " + "; ".join(layout.about for layout in LAYOUTS)
    others: tuple[str, ...] = ("*edges.txt*", "userid-profile.tsv", "yoochoose-buys*", "dataset-readme.txt")
    layouts: tuple[Layout, ...] = LAYOUTS

    def matches(self, folder: Path) -> bool:
        """Some file has such lines."""
        return bool(self._files(folder))

    def read(self, folder: Path) -> RawData:
        """Read all such files."""
        problems, events = Problems(), {}
        for path, layout in self._files(folder):
            name = relative(path, folder)
            frame = read_delimited(path, name, layout.separator, layout.columns, problems)
            events[name] = parse_events(frame, name, problems, timed=not self.timeless)
        return assemble(folder, events, {}, problems, timed=not self.timeless)

    def _files(self, folder: Path) -> list[tuple[Path, Layout]]:
        kinds = [f"*.{kind}{zipped}" for kind in ("csv", "tsv", "txt", "dat") for zipped in ("", *COMPRESSED)]
        found = ((path, self._layout(path)) for path in find_files(folder, *kinds))
        return [(path, layout) for path, layout in found if layout]

    def _layout(self, path: Path) -> Layout | None:
        lines = first_lines(path, LOOK)
        return next((layout for layout in self.layouts if lines and all(map(layout.line.fullmatch, lines))), None)


class Pairs(Headless):
    """A user's events stand together and in their order, as SASRec's code reads them."""

    name = "sasrec"
    description = "what SASRec's code reads: user and item, whole numbers with a space between, grouped by user"
    timeless = True
    others = ()
    layouts = (PAIRS,)

    def _layout(self, path: Path) -> Layout | None:
        users = [line.partition(" ")[0] for line in first_lines(path, LOOK)]
        grouped = len(set(users)) == sum(one != other for one, other in pairwise(["", *users]))
        return super()._layout(path) if grouped else None
