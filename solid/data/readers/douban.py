"""Douban ratings: tab-separated user, item, rating; no header and no time."""

from __future__ import annotations

import re
from pathlib import Path

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import parse_events, read_delimited
from solid.data.readers.lines import first_lines
from solid.data.readers.problems import Problems

COLUMNS = ("user_id", "item_id", "rating")
LOOK = 5
RATING = re.compile(r"-?\d(\.\d+)?")


class Douban(Reader):
    """The order of a user's events is their order in the file, all there is."""

    name = "douban"
    description = "Douban TSV (ratings.dat, *.tsv, *.txt, *.index): user, item, rating; no header, file order for time"
    timeless = True

    def matches(self, folder: Path) -> bool:
        """The first lines of some file have three fields, the last a number of one digit before the point."""
        return bool(_files(folder))

    def read(self, folder: Path) -> RawData:
        """Read all ratings."""
        problems, events = Problems(), {}
        for path in _files(folder):
            name = relative(path, folder)
            frame = read_delimited(path, name, "\t", COLUMNS, problems)
            events[name] = parse_events(frame, name, problems, timed=False)
        return assemble(folder, events, {}, problems, timed=False)


def _files(folder: Path) -> list[Path]:
    return [path for path in find_files(folder, "*.dat", "*.tsv", "*.txt", "*.index") if _fits(path)]


def _fits(path: Path) -> bool:
    rows = [line.split("\t") for line in first_lines(path, LOOK)]
    return bool(rows) and all(len(row) == 3 and bool(RATING.fullmatch(row[2])) for row in rows)
