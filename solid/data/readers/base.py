"""What every reader gives and the checks that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from solid.errors import DataError

BROKEN = "broken_lines"
UNKNOWN = "unknown_fields"
DUPLICATE = "duplicate_rows"
REPEATED = "repeats_kept"
BARE = "items_without_metadata"

ITEM_COLUMNS = ("item_id", "title", "text", "category", "image")
_FRACTIONAL = 2**43  # seconds and milliseconds lie below; beyond, a fraction says nothing
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}
EXAMPLES = 5
FEWEST_LINES = 100  # a file with fewer has no share of its own: one broken line would be too many


@dataclass
class Problems:
    """What was wrong with a source: counts per kind and the first few places of each."""

    read: Counter[str] = field(default_factory=Counter)  # lines by file
    broken: Counter[str] = field(default_factory=Counter)  # those of them that are broken
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

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


@dataclass
class RawData:
    """A source after parsing and before any filter.

    Attributes:
        interactions: ``user_id`` str, ``item_id`` str, ``timestamp`` int64, in file order, with the ``file`` (name) and
            ``line`` each came from. The unit of time is the source's own, only the order counts; a source without time
            has the row number there.
        items: ``item_id``, ``title``, ``text``, ``category``, ``image``, all str and "" where unknown; exactly one
            row for each item of the interactions, in order of first appearance. ``text`` holds all words known of
            the item, its title included; ``image`` is a path relative to the folder read.
        problems: what was broken, unknown, doubled or missing.
        filtered: the source is already k-core filtered.
        timed: the source has time.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    problems: Problems
    filtered: bool
    timed: bool


@dataclass(frozen=True)
class Vectors:
    """Precomputed item vectors: row i of ``matrix`` (float32, [items, width]) belongs to ``item_ids[i]``."""

    item_ids: list[str]
    matrix: npt.NDArray[np.float32]


class Reader(ABC):
    """One source format. Readers look at file names and first lines to recognise it, and never write."""

    name: str
    description: str

    @abstractmethod
    def matches(self, folder: Path) -> bool:
        """Whether the folder looks like this format; cheap, and never an error."""

    @abstractmethod
    def read(self, folder: Path) -> RawData:
        """Read the folder; broken lines are counted, not raised.

        Raises:
            DataError: the folder does not hold this format at all.
        """

    def vectors(self, folder: Path) -> dict[str, Vectors]:
        """Precomputed item vectors by modality ("text", "image"); most formats have none."""
        return {}


def find_files(folder: Path, *patterns: str) -> list[Path]:
    """Files below the folder that fit one of the patterns, sorted, without ingest's manifest."""
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return sorted(found - {folder / "manifest.json"})


def relative(path: Path, folder: Path) -> str:
    """The name under which problems mention a file."""
    return path.relative_to(folder).as_posix()


def assemble(
    folder: Path,
    events: Mapping[str, pd.DataFrame],
    metadata: Mapping[str, pd.DataFrame],
    problems: Problems,
    *,
    timed: bool,
    filtered: bool = False,
) -> RawData:
    """Join the parsed files into ``RawData``.

    Rows with the same user, item and time are dropped after the first and counted; so are second metadata rows of an
    item. In a source without time a repeat is a second event, so all stay; those outside of sequences are counted.
    Pictures are files named after the item in a folder ``images/``, whatever the format.

    Args:
        folder: the folder read.
        events: file name -> ``user_id``, ``item_id``, ``timestamp`` (where timed), ``line``.
        metadata: file name -> ``item_id``, ``line`` and any of ``title``, ``text``, ``category``.
        problems: filled so far by the reader; the faults found here are added.
        timed: whether the events have a time.
        filtered: whether the source is already k-core filtered.

    Raises:
        DataError: there is not a single event.
    """
    interactions = _stack(events, ["user_id", "item_id", *(["timestamp"] if timed else [])])
    if interactions.empty:
        shown = "; ".join(problems.examples.get(BROKEN, []))
        found = f" ({shown})" if shown else ""
        raise DataError(f"{folder}: not one interaction could be read{found}; is data.format right for these files?")
    if timed:
        interactions["timestamp"] = _whole(interactions["timestamp"])
        interactions = _distinct(interactions, ["user_id", "item_id", "timestamp"], problems)
    else:
        interactions["timestamp"] = np.arange(len(interactions), dtype=np.int64)
        if not filtered:  # sequences tell of a repeat on purpose, rows may be doubled by mistake
            _count(
                problems, REPEATED, interactions[interactions.duplicated(["user_id", "item_id"])], "user_id", "item_id"
            )

    first = interactions.drop_duplicates("item_id")
    items = first[["item_id"]].reset_index(drop=True)
    known = _stack(metadata, ["item_id", "title", "text", "category"])
    known = _distinct(known[known["item_id"].isin(items["item_id"])], ["item_id"], problems)
    if metadata:
        bare = first[~first["item_id"].isin(known["item_id"])]
        _count(problems, BARE, bare, "item_id")
    items = items.merge(known[["item_id", "title", "text", "category"]], on="item_id", how="left")
    items["image"] = items["item_id"].map(_pictures(folder))
    items = items[list(ITEM_COLUMNS)].astype("str").fillna("")
    interactions = interactions[["user_id", "item_id", "timestamp", "file", "line"]]
    return RawData(interactions, items, problems, filtered, timed)


def _whole(times: pd.Series[float]) -> pd.Series[int]:
    """Times as int64; where some have a fraction, all are taken a million times larger, so that their order stays."""
    if pd.api.types.is_float_dtype(times) and (times % 1).any() and times.abs().max() < _FRACTIONAL:
        times = (times * 1_000_000).round()
    return times.astype("int64")


def _stack(parts: Mapping[str, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The parts under each other with their file as a category."""
    frames = [part.reindex(columns=[*columns, "line"]) for part in parts.values()]
    codes = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    stacked = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, "line"], dtype="str")
    stacked["file"] = pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(list(parts)))
    return stacked


def _distinct(rows: pd.DataFrame, key: list[str], problems: Problems) -> pd.DataFrame:
    doubled = rows.duplicated(key)
    _count(problems, DUPLICATE, rows[doubled], *key)
    return rows[~doubled].reset_index(drop=True)


def _count(problems: Problems, kind: str, rows: pd.DataFrame, *columns: str) -> None:
    for file, part in rows.groupby("file", observed=True):
        places = part[["line", *columns]].itertuples(index=False, name=None)
        problems.add_all(kind, str(file), len(part), ((int(line), " ".join(map(str, ids))) for line, *ids in places))


def _pictures(folder: Path) -> dict[str, str]:
    """Item id -> picture, relative to the folder."""
    found = (path for path in find_files(folder, "images/*") if path.suffix.lower() in PICTURES)
    return {path.stem: relative(path, folder) for path in found}
