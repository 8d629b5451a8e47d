"""From a raw folder to sequences, split and candidates (protocol: method section 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solid.console import say
from solid.data.dataset import HELD_OUT
from solid.data.interactions import Interactions, check_schema, k_core, number
from solid.data.readers import Problems, RawData, Reader, find_reader
from solid.data.readers.base import part_of
from solid.data.readers.problems import BROKEN, EXAMPLES
from solid.data.readers.strangers import sort_out, tell
from solid.data.sequences import Sequences
from solid.errors import DataError
from solid.settings.schema import PrepareSettings
from solid.storage.local import read_json, whole_folder, write_json

FEWEST_EVENTS = 3  # something to read, something to validate on, something to test on
USUAL_CORE = 5
QUANTILES = {"min": 0.0, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}


def prepare(raw: Path, out: Path, settings: PrepareSettings) -> None:
    """Parse, filter, number and split the raw data, draw the candidates, and count it all in ``stats.json``.

    Args:
        raw: output of ingest; its manifest names the format.
        out: receives users, items and interactions (parquet), the validation and test candidates (npy), stats.json.
        settings: k-core, number of candidates, tolerance for broken lines, seed.

    Raises:
        DataError: too many lines are broken, a file is none that anybody knows, the source has no usable time, the
            filter leaves nothing, or a user touched nearly every item.
    """
    manifest = _read_manifest(raw)
    reader = find_reader(raw, manifest["format"])
    source = reader.read(raw)
    check_schema(source)
    _refuse_broken(raw, source.problems, settings.max_bad_share)
    without_events = _refuse_strangers(raw, source, reader)
    timed, why = _order(raw, source, reader, manifest.get("order", "time"))
    core = (0 if source.filtered else USUAL_CORE) if settings.k_core == "auto" else settings.k_core
    kept, dropped = _filter(source.interactions, core)
    numbered = number(
        kept if timed else kept.assign(timestamp=kept.index), source.items, kept["file"].map(part_of).to_numpy(np.int64)
    )
    events = numbered.events
    offsets = np.searchsorted(events["user"], np.arange(len(numbered.users) + 1))
    sequences = Sequences(events["item"].to_numpy(), offsets, len(numbered.items))
    rng = np.random.default_rng(settings.seed)
    untouched = sequences.untouched()
    candidates = {split: untouched.sample_different(settings.negatives, rng) for split in HELD_OUT}
    stats = {
        "digest": manifest["digest"],
        "origin": manifest["source"],
        "format": manifest["format"],
        "k_core": core,
        **_count(numbered),
        "time": {"order": "time" if timed else "file", "why": why, **_ties(events)},
        "repeats": _repeats(events),
        "files": {"read": len(source.files), "without_events": without_events},
        "dropped": dropped,
        "source": _tell(source.problems),
    }
    with whole_folder(out, holds="stats.json") as folder:
        numbered.users.to_parquet(folder / "users.parquet", index=False)
        numbered.items.to_parquet(folder / "items.parquet", index=False)
        events.assign(split=_splits(sequences)).to_parquet(folder / "interactions.parquet", index=False)
        for split, drawn in candidates.items():
            np.save(folder / f"candidates_{split}.npy", drawn, allow_pickle=False)
        write_json(folder / "stats.json", stats)
    say(_summary(out, stats))


def _read_manifest(raw: Path) -> dict[str, Any]:
    path = raw / "manifest.json"
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not {"source", "format", "digest"} <= manifest.keys():
        raise DataError(f"{path}: not a manifest with source, format and digest; run solid ingest again")
    return manifest


def _refuse_broken(raw: Path, problems: Problems, most: float) -> None:
    file, broken, lines = problems.worst()
    if broken > most * lines:
        shown = "".join(f"\n  {example}" for example in problems.examples[BROKEN])
        raise DataError(
            f"{raw / file}: {broken:,} of {lines:,} lines are broken ({broken / lines:.2%}), "
            f"more than prepare.max_bad_share = {most:.2%} allows; the first:{shown}\n"
            "Repair the source, name its format with data.format, or raise prepare.max_bad_share."
        )


def _refuse_strangers(raw: Path, source: RawData, reader: Reader) -> list[str]:
    """The files that were not read, for they hold no events; an error where that is not known of one."""
    without, strangers = sort_out(raw, source.files, reader.others)
    if strangers:
        raise DataError(
            f"{raw}: {len(strangers):,} of {len(strangers) + len(source.files):,} files would be left out of what the "
            f"reader {reader.name} reads:{tell(strangers.items())}\n"
            "Repair them, or take out of the source what holds no events."
        )
    return without


def _order(raw: Path, source: RawData, reader: Reader, order: str) -> tuple[bool, str]:
    """Whether events are ordered by their times, and if not, why; an error where nobody has said that lines do."""
    if order == "file":
        return False, "data.order is file"
    if source.timed:
        return True, ""
    if reader.timeless:
        return False, f"the format {reader.name} has no times"
    why = source.problems.untimed or "the source has none"
    raise DataError(
        f"{raw}: no usable time: {why}. The order of events decides what is held out, so call a column of times "
        "timestamp, or, where the lines stand in the order of events, oldest first, set data.order=file"
    )


def _ties(events: pd.DataFrame) -> dict[str, float]:
    """Share of events at the same time as another of the user, and of users whose held-out events are such."""
    users, times = events["user"].to_numpy(), events["timestamp"].to_numpy()
    same = (users[1:] == users[:-1]) & (times[1:] == times[:-1])  # as the event before
    tied = np.append(False, same) | np.append(same, False)
    last = np.flatnonzero(np.append(users[1:] != users[:-1], True))  # of each user
    doubtful = same[last - 1] | same[last - 2]
    return {"tied_events": float(tied.mean()), "tied_held_out": float(doubtful.mean())}


def _repeats(events: pd.DataFrame) -> dict[str, int]:
    """Events with an item that the user had before, and those of them with the item of the event just before."""
    users, items = events["user"].to_numpy(), events["item"].to_numpy()
    consecutive = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    return {"events": int(events.duplicated(["user", "item"]).sum()), "consecutive": int(consecutive.sum())}


def _filter(interactions: pd.DataFrame, core: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Interactions of users with enough events, then of the k-core, and what each of the two filters dropped."""
    lengths = interactions.groupby("user_id", sort=False)["item_id"].transform("size")
    long = interactions[lengths >= FEWEST_EVENTS]
    users, items = (pd.factorize(long[column])[0] for column in ("user_id", "item_id"))
    kept = long[k_core(users, items, max(core, FEWEST_EVENTS), core)]
    if kept.empty:
        raise DataError(
            f"nothing is left of {len(interactions):,} interactions when users keep at least "
            f"{max(core, FEWEST_EVENTS)} events and items at least {core}; lower prepare.k_core or bring more data"
        )
    short = interactions.assign(events=lengths)[lengths < FEWEST_EVENTS].drop_duplicates("user_id").head(EXAMPLES)
    return kept, {
        "short_users": {
            **_difference(interactions, long),
            "examples": [
                f"{row.file}:{row.line}: user {row.user_id} has {row.events} of {FEWEST_EVENTS} events needed"
                for row in short.itertuples(index=False)
            ],
        },
        "k_core": _difference(long, kept),
    }


def _difference(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, int]:
    return {
        "users": before["user_id"].nunique() - after["user_id"].nunique(),
        "items": before["item_id"].nunique() - after["item_id"].nunique(),
        "interactions": len(before) - len(after),
    }


def _count(numbered: Interactions) -> dict[str, Any]:
    users, items, events = len(numbered.users), len(numbered.items), len(numbered.events)
    lengths = np.bincount(numbered.events["user"])
    quantiles = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")  # lengths that occur
    return {
        "users": users,
        "items": items,
        "interactions": events,
        "density": events / (users * items),
        "length": dict(zip(QUANTILES, quantiles.tolist(), strict=True)),
    }


def _tell(problems: Problems) -> dict[str, Any]:
    """What was wrong with the source, by kind of problem."""
    kinds = {kind: {"count": problems.counts[kind], "examples": problems.examples[kind]} for kind in problems.counts}
    return {"lines": problems.lines, **kinds}


def _splits(sequences: Sequences) -> pd.Series:
    splits = pd.Series("train", index=range(len(sequences.items)), dtype="str")
    for split in HELD_OUT:
        splits[sequences.targets(split)] = split
    return splits


def _summary(out: Path, stats: dict[str, Any]) -> str:
    lines = [
        f"{out}: {stats['users']:,} users, {stats['items']:,} items, {stats['interactions']:,} interactions "
        f"(density {stats['density']:.2%}, median length {stats['length']['median']})"
    ]
    for name, reason in (
        ("short_users", f"users with fewer than {FEWEST_EVENTS} events"),
        ("k_core", f"k-core of {stats['k_core']}"),
    ):
        loss = stats["dropped"][name]
        if loss["interactions"]:
            sizes = ", ".join(f"{loss[what]:,} {what}" for what in ("users", "items", "interactions"))
            lines.append(f"  dropped, {reason}: {sizes}")
    for kind, found in stats["source"].items():
        if kind != "lines":
            lines.append(f"  {kind.replace('_', ' ')}: {found['count']:,}, first {found['examples'][0]}")
    if without := stats["files"]["without_events"]:
        more = f" and {len(without) - EXAMPLES:,} more" if len(without) > EXAMPLES else ""
        lines.append(f"  without events of their own: {', '.join(without[:EXAMPLES])}{more}")
    if repeats := stats["repeats"]["events"]:
        again = stats["repeats"]["consecutive"]
        lines.append(f"  repeats of an item by its user: {repeats:,} events, {again:,} of them one after the other")
    time = stats["time"]
    if time["tied_events"]:
        lines.append(
            f"  at the same time as another event of the user: {time['tied_events']:.2%} of events, for "
            f"{time['tied_held_out']:.2%} of users a held-out one; their order is drawn"
        )
    if time["order"] == "file":
        lines.append(
            f"  NO TIMES: events are in the order of the lines, a user's last one as the latest; {time['why']}"
        )
    return "\n".join(lines)
