"""What is wrong with a source: counted, with the first places of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

BROKEN = "broken_lines"
UNKNOWN = "unknown_fields"
DUPLICATE = "duplicate_rows"
REPEATED = "repeats_kept"
BARE = "items_without_metadata"
PICTURED = "second_pictures"

EXAMPLES = 5
FEWEST_LINES = 100  # a file with fewer has no share of its own: one broken line would be too many


@dataclass
class Problems:
    """What was wrong with a source: counts per kind and the first few places of each."""

    read: Counter[str] = field(default_factory=Counter)  # lines by file
    broken: Counter[str] = field(default_factory=Counter)  # those of them that are broken
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    untimed: str = ""  # why the source's times cannot order its events; the first reason found

    def no_time(self, why: str) -> None:
        """The source has no times, or they cannot be told in order; the reason names file and line."""
        self.untimed = self.untimed or why

    def add(self, kind: str, file: str, line: int, what: str) -> None:
        """Count one problem of a kind; lines count from 1, and 0 stands for a file without lines."""
        self.add_all(kind, file, 1, [(line, what)])

    def add_all(self, kind: str, file: str, count: int, places: Iterable[tuple[int, str]]) -> None:
        """Count many problems of a kind in a file; only as many places (line, what) are taken as will be shown."""
        if count:
            if kind == BROKEN:
                self.broken[file] += count
            self.counts[kind] = self.counts.get(kind, 0) + count
            shown = self.examples.setdefault(kind, [])
            for line, what in islice(places, EXAMPLES - len(shown)):
                place = f"{file}:{line}: {what}" if line else f"{file}: {what}"
                shown.append(place.encode("utf-8", "backslashreplace").decode("utf-8"))  # for half surrogate pairs

    @property
    def lines(self) -> int:
        """Lines read in all files."""
        return self.read.total()

    def worst(self) -> tuple[str, int, int]:
        """Where the share of broken lines is largest: a file, or "" for all together, its broken lines and its lines.

        A file of some length counts by itself, so that good files do not hide a bad one. Other problems than broken
        lines are reported but cost no line of input.
        """
        shares = [("", self.broken.total(), self.lines)]
        shares += [(file, self.broken[file], lines) for file, lines in self.read.items() if lines >= FEWEST_LINES]
        return max(shares, key=lambda share: share[1] / max(share[2], 1))
