"""Is new data fit to replace what the champion learned from? Schema, volume, new items, drift of popularity.

The checks do not stop a training: a drift may be the market's. They decide whether its model may become champion.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.dataset import HELD_OUT, Dataset
from solid.data.readers.base import ITEM_COLUMNS
from solid.errors import DataError
from solid.registry.profile import Profile
from solid.registry.report import checks_markdown
from solid.registry.version import PROFILE, fetch_version
from solid.settings.schema import CheckSettings
from solid.storage.local import read_json, whole_folder, write_json

_SCHEMA: dict[str, dict[str, str]] = {
    "users": {"user_id": "str"},
    "items": dict.fromkeys(ITEM_COLUMNS, "str"),
    "interactions": {"user": "int32", "item": "int32", "timestamp": "int64", "split": "str"},
}
_GROUPS = 10  # of the population stability index; tenths are the custom that its thresholds go with


@dataclass(frozen=True)
class Check:
    """One question to the data.

    Attributes:
        name: of the check, for people.
        passed: the answer.
        found: what was measured, in words.
        allowed: what is required, in words, with the setting that says so.
        value: what was measured, where it is a number.
    """

    name: str
    passed: bool
    found: str
    allowed: str
    value: float | None = None


def check(prepared: Path, reference: Path | None, out: Path, settings: CheckSettings) -> str:
    """Check prepared data, alone and against the data of the champion; write checks.json and checks.md.

    Args:
        prepared: output of prepare, the new data.
        reference: output of champion or, to compare two data sets by hand, of prepare. Without it, or where there is
            no champion yet, the data is only looked at alone.
        out: folder to write.
        settings: thresholds.

    Returns:
        The report in Markdown.

    Raises:
        DataError: the reference is missing or damaged. Faults of the new data are findings, not errors.
    """
    report = examine(prepared, *_reference(reference), settings)
    text = checks_markdown(report)
    with whole_folder(out, holds="checks.json") as folder:
        write_json(folder / "checks.json", report)
        (folder / "checks.md").write_text(text, encoding="utf-8")
    return text


def examine(
    prepared: Path, compared: str, version: str | None, before: Profile | None, settings: CheckSettings
) -> dict[str, Any]:
    """The content of checks.json.

    Args:
        prepared: output of prepare, the new data.
        compared: with what, in words.
        version: of the champion that it is compared with, if it is one.
        before: profile of its data, where there is one.
        settings: thresholds.
    """
    try:
        dataset = Dataset.load(prepared)
        faults = _schema_faults(prepared, dataset)
    except DataError as error:
        dataset, faults = None, [str(error)]
    checks = [Check("schema", not faults, "; ".join(faults) or "as expected", "tables as solid prepare writes them")]
    if dataset is not None and not faults:
        checks += _measure(Profile.of(dataset), before, settings)
    failed = [check for check in checks if not check.passed]
    return {
        "passed": not failed,
        "reason": "; ".join(f"{check.name}: {check.found} ({check.allowed})" for check in failed)
        or "all checks passed",
        "digest": dataset.stats["digest"] if dataset is not None else None,
        "reference": {"is": compared, "version": version, "digest": before.counts["digest"] if before else None},
        "settings": settings.model_dump(mode="json"),
        "checks": [asdict(check) for check in checks],
    }


def examine_again(prepared: Path, checked: dict[str, Any], name: str, version: str) -> dict[str, Any]:
    """Checks of the same data by the same thresholds, against a champion that came after they were made.

    Args:
        prepared: output of prepare.
        checked: content of checks.json.
        name: of the registered model.
        version: the champion's.
    """
    with tempfile.TemporaryDirectory() as scratch:
        profile = fetch_version(name, version, [PROFILE], Path(scratch)) / PROFILE
        compared, before = _compared(name, version, profile)
    return examine(prepared, compared, version, before, CheckSettings.model_validate(checked["settings"]))


def _reference(folder: Path | None) -> tuple[str, str | None, Profile | None]:
    """What is compared with, in words; the champion's version; and the profile, where there is one."""
    if folder is None:
        return "compared with nothing", None, None
    if not (folder / "champion.json").is_file():
        return f"compared with {folder.name}", None, Profile.of(Dataset.load(folder))
    champion = read_json(folder / "champion.json")
    version = champion["version"]
    if version is None:
        return "compared with nothing, for there is no champion", None, None
    compared, before = _compared(champion["name"], version, folder / PROFILE)
    return compared, version, before


def _compared(name: str, version: str, profile: Path) -> tuple[str, Profile]:
    return f"compared with the data of version {version} of {name}, the champion", Profile.load(profile)


def _schema_faults(prepared: Path, dataset: Dataset) -> list[str]:
    """What is wrong with the tables of a data set that could be loaded."""
    faults: list[str] = []
    for table, columns in _SCHEMA.items():
        frame = pd.read_parquet(prepared / f"{table}.parquet")
        for column, kind in columns.items():
            if column not in frame:
                faults.append(f"{table} has no column {column}")
            elif frame[column].dtype != kind:
                faults.append(f"{table}.{column} is {frame[column].dtype}, not {kind}")
            elif frame[column].isna().any():
                faults.append(f"{table}.{column} has {frame[column].isna().sum():,} missing values")
            elif column == f"{table[:-1]}_id" and (frame[column].duplicated().any() or (frame[column] == "").any()):
                faults.append(f"{table}.{column} is empty or repeated in some rows")
    if not faults:
        events = pd.read_parquet(prepared / "interactions.parquet")
        same_user = np.diff(events["user"]) == 0
        if (np.diff(events["timestamp"])[same_user] < 0).any():
            faults.append("interactions are not in the order of time")
        if any(not (events["split"].to_numpy()[dataset.sequences.targets(split)] == split).all() for split in HELD_OUT):
            faults.append("interactions.split does not hold out the last two events of every user")
    return faults


def _measure(now: Profile, before: Profile | None, settings: CheckSettings) -> Iterator[Check]:
    users = now.counts["users"]
    yield Check(
        "enough users", users >= settings.min_users, f"{users:,}", f"checks.min_users: {settings.min_users:,}", users
    )
    if before is None:
        return
    low, high = settings.min_volume, settings.max_volume
    for what in ("users", "items", "interactions"):
        ratio = now.counts[what] / before.counts[what]
        yield Check(
            f"volume of {what}",
            low <= ratio <= high,
            f"{now.counts[what]:,}, {ratio:.2f} times the {before.counts[what]:,} before",
            f"checks.min_volume to max_volume: {low:g} to {high:g} times",
            ratio,
        )
    for column, share in before.counts["filled"].items():
        if share:
            ratio = now.counts["filled"][column] / share
            yield Check(
                f"items with {column}",
                ratio >= settings.min_filled,
                f"{now.counts['filled'][column]:.1%}, before {share:.1%}",
                f"checks.min_filled: {settings.min_filled:g} times the share before",
                ratio,
            )
    new = float((~now.popularity.index.isin(before.popularity.index)).mean())
    yield Check(
        "new items",
        new <= settings.max_new_items,
        f"{new:.1%}",
        f"checks.max_new_items: {settings.max_new_items:.1%}",
        new,
    )
    drift = popularity_drift(before.popularity, now.popularity)
    allowed = f"checks.max_popularity_drift: {settings.max_popularity_drift:g}"
    if drift is None:
        yield Check("drift of popularity", False, "no item is known from before", allowed)
    else:
        passed = drift <= settings.max_popularity_drift
        yield Check("drift of popularity", passed, f"population stability index {drift:.3f}", allowed, drift)


def popularity_drift(before: pd.Series[int], now: pd.Series[int]) -> float | None:
    """The population stability index of item popularity; None where no item is in both.

    Items are sorted by their popularity before and cut into ten groups that shared the interactions evenly, as far
    as single items allow; the index compares how the groups share them now: sum over groups of
    (q - p) ln(q / p), which is the symmetric divergence of Kullback and Leibler (1951). By custom (Siddiqi, "Credit
    Risk Scorecards", Wiley 2006) below 0.1 is stable and above 0.25 a major shift. Groups rather than items, for with
    a few interactions an item chance alone would look like drift. New items are left out; they are a check of
    their own. Half an interaction is added to every group, so that an empty one gives a number.

    Args:
        before: interactions by item id.
        now: likewise.
    """
    known = before.index[before.index.isin(now.index)]
    if known.empty:
        return None
    ids = known.astype(str).to_numpy()
    old, new = before[known].astype(float).to_numpy(), now[known].astype(float).to_numpy()
    order = np.lexsort((ids, -old))  # ties by id: the order of the rows has no say
    old, new = old[order], new[order]
    middle = (np.cumsum(old) - old / 2) / old.sum()
    groups = np.unique((middle * _GROUPS).astype(int), return_inverse=True)[1]
    p, q = _shares(old, groups), _shares(new, groups)
    return float(((q - p) * np.log(q / p)).sum())


def _shares(interactions: NDArray[Any], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share [G] of the interactions that each group has."""
    sums = np.bincount(groups, interactions).astype(np.float64) + 0.5
    shares: NDArray[np.float64] = sums / sums.sum()
    return shares
