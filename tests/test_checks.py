"""Data checks on tiny tables whose answers are known by hand, each fault by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.registry.checks import check, popularity_drift
from solid.registry.profile import Profile
from solid.settings.schema import CheckSettings
from solid.storage.local import read_json, write_json

USERS, ITEMS, EVENTS = 12, 10, 5
SETTINGS = CheckSettings(min_users=12)
NAMES = ["schema", "enough users", "volume of users", "volume of items", "volume of interactions", "items with title"]


def write_prepared(folder: Path, first_item: int = 1, users: int = USERS, title: str = "T") -> Path:
    """Every user walks five of ten items in order; items are named i<first_item> and so on."""
    folder.mkdir()
    walks = (np.arange(users)[:, None] + np.arange(EVENTS)) % ITEMS + 1
    pd.DataFrame({"user_id": [f"u{user}" for user in range(users)]}).to_parquet(folder / "users.parquet")
    items = pd.DataFrame({"item_id": [f"i{first_item + item}" for item in range(ITEMS)], "title": title})
    items.assign(text="", category="", image="").to_parquet(folder / "items.parquet")
    pd.DataFrame(
        {
            "user": np.repeat(np.arange(users, dtype=np.int32), EVENTS),
            "item": walks.ravel().astype(np.int32),
            "timestamp": np.tile(np.arange(EVENTS), users),
            "split": (["train"] * (EVENTS - 2) + ["valid", "test"]) * users,
        }
    ).to_parquet(folder / "interactions.parquet")
    others = np.array([np.setdiff1d(np.arange(1, ITEMS + 1), walk) for walk in walks])
    for split in ("valid", "test"):
        np.save(folder / f"candidates_{split}.npy", others.astype(np.int32))
    write_json(folder / "stats.json", {"digest": "0.dir", "format": "walk", "origin": "data"})
    return folder


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write_prepared(tmp_path / "before")


def run(now: Path, reference: Path | None, **settings: Any) -> dict[str, Any]:
    out = now.with_name("checks")
    text = check(now, reference, out, SETTINGS.model_copy(update=settings))
    assert (out / "checks.md").read_text() == text
    report: dict[str, Any] = read_json(out / "checks.json")
    return report


def failed(report: dict[str, Any]) -> list[str]:
    assert report["passed"] == all(check["passed"] for check in report["checks"])
    return [check["name"] for check in report["checks"] if not check["passed"]]


def found(report: dict[str, Any], name: str) -> Any:
    [value] = [check["value"] for check in report["checks"] if check["name"] == name]
    return value


def test_the_same_data_passes_every_check(before: Path) -> None:
    report = run(before, before)
    assert [check["name"] for check in report["checks"]] == [*NAMES, "new items", "drift of popularity"]
    assert failed(report) == []
    assert report["reason"] == "all checks passed"
    assert found(report, "volume of interactions") == 1
    assert found(report, "new items") == found(report, "drift of popularity") == 0


def test_without_a_reference_the_data_is_looked_at_alone(before: Path, tmp_path: Path) -> None:
    report = run(before, None)
    assert [check["name"] for check in report["checks"]] == ["schema", "enough users"]
    write_json(tmp_path / "champion.json", {"name": "solid", "version": None})
    assert run(before, tmp_path)["reference"] == {
        "is": "compared with nothing, for there is no champion", "version": None, "digest": None,
    }  # fmt: skip
    report = run(before, None, min_users=13)
    assert failed(report) == ["enough users"]
    assert report["reason"] == "enough users: 12 (checks.min_users: 13)"


def test_the_profile_of_a_champion_stands_for_its_data(before: Path, tmp_path: Path) -> None:
    champion = tmp_path / "champion"
    Profile.of(Dataset.load(before)).save(champion / "profile")
    write_json(champion / "champion.json", {"name": "solid", "version": "7"})
    report, direct = run(before, champion), run(before, before)
    assert report["checks"] == direct["checks"]
    assert report["reference"] == {
        "is": "compared with the data of version 7 of solid, the champion", "version": "7", "digest": "0.dir",
    }  # fmt: skip
    shutil.rmtree(champion / "profile")  # a question that fails is no answer
    with pytest.raises(DataError, match=r"popularity.parquet: cannot be read .* run solid champion again"):
        run(before, champion)


def test_volume_is_bounded_on_both_sides(before: Path, tmp_path: Path) -> None:
    report = run(write_prepared(tmp_path / "half", users=5), before, min_users=1)
    assert failed(report) == ["volume of users", "volume of interactions"]
    assert (
        "volume of users: 5, 0.42 times the 12 before (checks.min_volume to max_volume: 0.5 to 2 times)"
        in report["reason"]
    )
    assert failed(run(write_prepared(tmp_path / "double", users=25), before)) == [
        "volume of users", "volume of interactions",
    ]  # fmt: skip


def test_a_column_that_lost_its_content_is_found(before: Path, tmp_path: Path) -> None:
    report = run(write_prepared(tmp_path / "bare", title=""), before)
    assert failed(report) == ["items with title"]
    assert "items with title: 0.0%, before 100.0%" in report["reason"]
    assert failed(run(before, tmp_path / "bare")) == []  # what was empty before may fill


def test_new_items_are_counted_by_their_original_ids(before: Path, tmp_path: Path) -> None:
    report = run(write_prepared(tmp_path / "shifted", first_item=5), before)
    assert found(report, "new items") == 0.4
    assert failed(report) == ["new items"]
    assert "new items: 40.0% (checks.max_new_items: 30.0%)" in report["reason"]
    strange = run(write_prepared(tmp_path / "strange", first_item=100), before)
    assert failed(strange) == ["new items", "drift of popularity"]
    assert "drift of popularity: no item is known from before" in strange["reason"]


def popularity(**interactions: int) -> Any:
    return pd.Series(interactions)


def test_the_drift_is_the_population_stability_index_of_groups_of_items() -> None:
    """Two items of equal weight are two groups; 50:50 becomes 80:20, with half an interaction added to each."""
    before, now = popularity(a=50, b=50), popularity(a=80, b=20)
    p, q = np.array([0.5, 0.5]), np.array([80.5, 20.5]) / 101
    assert popularity_drift(before, now) == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert popularity_drift(before, now) > 0.25
    assert popularity_drift(now, before) == pytest.approx(popularity_drift(before, now))


def test_the_drift_knows_no_row_order_no_scale_and_no_new_items() -> None:
    rng = np.random.default_rng(0)
    ids = [f"i{n}" for n in range(200)]
    before = pd.Series(rng.integers(1, 500, 200), index=ids)
    assert popularity_drift(before, before.sample(frac=1, random_state=1)) == 0
    assert popularity_drift(before, before * 3) == pytest.approx(0, abs=1e-6)
    with_new = pd.concat([before, pd.Series([10_000], index=["new"])])
    assert popularity_drift(before, with_new) == 0
    assert popularity_drift(before, pd.Series([1], index=["other"])) is None


def test_the_drift_is_small_under_chance_and_large_under_a_flood() -> None:
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 1001)
    shares /= shares.sum()
    ids = [f"i{n}" for n in range(1000)]
    before, again = (pd.Series(rng.multinomial(20_000, shares), index=ids) for _ in range(2))
    assert popularity_drift(before, again) < 0.05
    flooded = again.copy()
    flooded["i900"] += 20_000  # a robot buys one thing all day
    assert popularity_drift(before, flooded) > 1


def damage(folder: Path, table: str, change: Any) -> Path:
    path = folder / f"{table}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    return folder


@pytest.mark.parametrize(
    ("table", "change", "fault"),
    [
        ("items", lambda frame: frame.drop(columns="title"), "items has no column title"),
        ("interactions", lambda frame: frame.astype({"timestamp": "float64"}), "interactions.timestamp is float64"),
        ("items", lambda frame: frame.assign(title=[None, *frame["title"][1:]]), "items.title has 1 missing values"),
        ("items", lambda frame: frame.assign(item_id="i1"), "items.item_id is empty or repeated in some rows"),
        ("users", lambda frame: frame.iloc[1:], "does not fit users and items"),
        ("interactions", lambda frame: frame.assign(item=np.int32(99)), "an item id lies outside 1..10"),
        ("interactions", lambda frame: frame.assign(timestamp=-frame["timestamp"]), "not in the order of time"),
        ("interactions", lambda frame: frame.assign(split="train"), "does not hold out the last two events"),
    ],
)  # fmt: skip
def test_a_broken_table_is_a_finding_that_names_it(before: Path, table: str, change: Any, fault: str) -> None:
    report = run(damage(before, table, change), None)
    assert failed(report) == ["schema"]
    assert fault in report["reason"]
    assert [check["name"] for check in report["checks"]] == ["schema"]  # nothing is measured on broken tables


def test_a_missing_file_is_a_finding_too(before: Path) -> None:
    (before / "items.parquet").unlink()
    assert "no items.parquet here" in run(before, None)["reason"]


def test_the_report_in_markdown_has_a_row_a_check(before: Path, tmp_path: Path) -> None:
    text = check(write_prepared(tmp_path / "bare", title=""), before, tmp_path / "out", SETTINGS)
    lines = text.splitlines()
    assert lines[0] == "**Data checks did not pass**, compared with before."
    assert lines[2:4] == ["| check | found | allowed | |", "| --- | --- | --- | --- |"]
    assert (
        "| items with title | 0.0%, before 100.0% | checks.min_filled: 0.8 times the share before | **failed** |"
        in lines
    )
    assert len(lines) == 4 + len(json.loads((tmp_path / "out" / "checks.json").read_text())["checks"])
