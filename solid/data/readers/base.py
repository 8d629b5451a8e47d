"""What every reader gives and the checks that all of them share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from solid.data.readers.moments import FEW, UNITS, unit, within
from solid.data.readers.problems import BARE, BROKEN, DUPLICATE, EXAMPLES, PICTURED, REPEATED, Problems
from solid.errors import DataError

ITEM_COLUMNS = ("item_id", "title", "text", "category", "image")
_FRACTIONAL = 2**43  # seconds and milliseconds lie below; beyond, a fraction says nothing
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"}


@dataclass
class RawData:
    """A source after parsing and before any filter.

    Attributes:
        interactions: ``user_id`` str, ``item_id`` str, ``timestamp`` int64, in file order, with the ``file`` (name) and
            ``line`` each came from. Numbers are times in the source's own unit, dates are microseconds since 1970; only
            the order counts. A source without usable time has the row number there. Of a source in parts those for
            training come first, then validation, then test.
        items: ``item_id``, ``title``, ``text``, ``category``, ``image``, all str and "" where unknown; exactly one
            row for each item of the interactions, in order of first appearance. ``text`` holds all words known of
            the item, its title included; ``image`` is a path relative to the folder read.
        problems: what was broken, unknown, doubled or missing.
        filtered: the source is already k-core filtered.
        timed: the source has usable time; where it has not, ``problems.untimed`` may say why.
        files: names of the files read, pictures among them.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    problems: Problems
    filtered: bool
    timed: bool
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Vectors:
    """Precomputed item vectors: row i of ``matrix`` (float32, [items, width]) belongs to ``item_ids[i]``."""

    item_ids: list[str]
    matrix: npt.NDArray[np.float32]


class Reader(ABC):
    """One source format. Readers look at file names and first lines to recognise it, and never write."""

    name: str
    description: str
    timeless: bool = False
    """Whether the format has no time by definition: a user's events stand in their order."""
    others: tuple[str, ...] = ()
    """Patterns of names of files that the format has and that hold no events that are not elsewhere."""

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


PARTS = {"train": 0, "training": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}
"""Words in the names of files that are parts of a whole -> their place in time."""


def part_of(name: str) -> int:
    """The place in time of a file of a source in parts: 0 for training or no part, 1 validation, 2 test."""
    return next((PARTS[word] for word in reversed(re.split(r"[^a-z]+", name.lower())) if word in PARTS), 0)


def find_files(folder: Path, *patterns: str) -> list[Path]:
    """Files below the folder that fit one of the patterns, without ingest's manifest.

    They are sorted by name; of a source in parts those for training come first, then validation, then test.
    """
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return sorted(found - {folder / "manifest.json"}, key=lambda path: (part_of(relative(path, folder)), path))


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
    Pictures are files named after the item in a folder ``images/`` or below it, whatever the format.

    Args:
        folder: the folder read.
        events: file name -> ``user_id``, ``item_id``, ``timestamp`` (where timed), ``line``.
        metadata: file name -> ``item_id``, ``line`` and any of ``title``, ``text``, ``category``.
        problems: filled so far by the reader; the faults found here are added.
        timed: whether the events have a time; ``problems.untimed`` may say that it is of no use.
        filtered: whether the source is already k-core filtered.

    Raises:
        DataError: there is not a single event, or a file without time lies beside its own parts.
    """
    if not timed:
        _refuse_whole_beside_parts(folder, list(events))
    interactions = _stack(events, ["user_id", "item_id", *(["timestamp"] if timed else [])])
    if interactions.empty:
        shown = "; ".join(problems.examples.get(BROKEN, []))
        names = [relative(path, folder) for path in find_files(folder, "*")][:EXAMPLES]
        found = f" ({shown})" if shown else f" from {', '.join(events or names) or 'an empty folder'}"
        raise DataError(f"{folder}: not one interaction could be read{found}; is data.format right for these files?")
    if timed and not problems.untimed:
        _check_units(interactions, problems)
    timed = timed and not problems.untimed
    if timed:
        interactions = _in_unit(interactions, problems)
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
    items["image"] = items["item_id"].map(pictures := _pictures(folder, problems))
    items = items[list(ITEM_COLUMNS)].astype("str").fillna("")
    interactions = interactions[["user_id", "item_id", "timestamp", "file", "line"]]
    return RawData(interactions, items, problems, filtered, timed, frozenset([*events, *metadata, *pictures.values()]))


def _refuse_whole_beside_parts(folder: Path, names: list[str]) -> None:
    """Without times nothing tells that the events of a whole file are those of its parts."""
    for name in names:
        whole = re.sub(rf"[._-]({'|'.join(PARTS)})(?=[._-])", "", name, flags=re.IGNORECASE)
        if whole != name and whole in names:
            raise DataError(f"{folder}: {whole} lies beside {name}, which may be a part of it; keep one or the other")


def _check_units(interactions: pd.DataFrame, problems: Problems) -> None:
    """Times in several units, in a file or across files, have no order; the reason shows one of each."""
    shown: dict[str, str] = {}
    for file, times in interactions.groupby("file", observed=True, sort=False)["timestamp"]:
        values = times.to_numpy()
        main = unit(values)
        found = {name: within(values, name) for name in UNITS} if main else {"": np.ones(len(values), dtype=bool)}
        for name, rows in found.items():
            if rows.sum() > FEW * len(values) and name not in shown:
                row = interactions.loc[times.index[rows][0]]
                what = f"counts {name} since 1970" if name else "does not count from 1970"
                shown[name] = f"{file}:{row['line']} {what} ({row['timestamp']:.16g})"
    if len(shown) > 1:
        problems.no_time("times are in several units: " + ", but ".join(shown.values()) + "; bring them to one unit")


def _in_unit(interactions: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    """Without the events that lie before 1980 or after 2100, broken where nearly all others count time since 1970."""
    times = interactions["timestamp"].to_numpy()
    if not (main := unit(times)):
        return interactions
    outside = interactions[~within(times, main)]
    for file, rows in outside.groupby("file", observed=True):
        places = zip(rows["line"].astype(int), rows["timestamp"], strict=True)
        problems.add_all(
            BROKEN,
            str(file),
            len(rows),
            ((line, f"time {time:.16g} is not in {main} since 1970") for line, time in places),
        )
    return interactions.drop(outside.index).reset_index(drop=True)


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


def _pictures(folder: Path, problems: Problems) -> dict[str, str]:
    """Item id -> picture, relative to the folder; of several the one in the fewest folders, then the first by name."""
    pictures: dict[str, str] = {}
    for path in sorted(find_files(folder, "images/**/*"), key=lambda path: (len(path.parts), path)):
        if path.suffix.lower() in PICTURES:
            name = relative(path, folder)
            if (first := pictures.setdefault(path.stem, name)) != name:
                problems.add(PICTURED, name, 0, f"{first} is taken for {path.stem}")
    return pictures
