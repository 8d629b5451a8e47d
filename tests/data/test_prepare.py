"""From a raw folder to the prepared one, by hand and on real data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from solid.data import readers
from solid.data.dataset import Dataset
from solid.data.prepare import prepare
from solid.data.readers.base import RawData, Reader, assemble
from solid.data.readers.problems import BROKEN, Problems
from solid.errors import DataError
from solid.settings.schema import PrepareSettings

SETTINGS = PrepareSettings(k_core=0, negatives=1)


class Words(Reader):
    """Lines of ``user item time`` in events.txt."""

    name = "words"
    description = "for tests"
    filtered = False

    def matches(self, folder: Path) -> bool:
        return True

    def read(self, folder: Path) -> RawData:
        problems, rows = Problems(), []
        for line, text in enumerate((folder / "events.txt").read_text().splitlines(), start=1):
            problems.read["events.txt"] += 1
            fields = text.split()
            if len(fields) == 3:
                rows.append((*fields[:2], int(fields[2]), line))
            else:
                problems.add(BROKEN, "events.txt", line, "expected three fields")
        events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "line"])
        return assemble(folder, {"events.txt": events}, {}, problems, timed=True, filtered=self.filtered)


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(readers, "READERS", (Words(),))
    folder = tmp_path / "raw"
    folder.mkdir()
    write_manifest(folder, "words")
    return folder


def write_manifest(folder: Path, name: str) -> None:
    (folder / "manifest.json").write_text(json.dumps({"source": "words", "format": name, "digest": "abc.dir"}))


def write(raw: Path, *lines: str) -> None:
    (raw / "events.txt").write_text("\n".join(lines) + "\n")


SMALL = (
    "ann x 30",
    "bob x 1",
    "ann y 10",
    "bob z 2",
    "cid w 1",
    "ann x 20",
    "bob v 3",
    "bob v 3",
    "bob x 4",
    "cid y 2",
)


def test_a_small_source_to_the_last_value(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(raw, *SMALL)
    prepare(raw, tmp_path / "out", SETTINGS)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.users["user_id"].tolist() == ["ann", "bob"]
    assert dataset.items["item_id"].tolist() == ["x", "y", "z", "v"]
    events = pd.read_parquet(tmp_path / "out" / "interactions.parquet")
    assert events.to_numpy().tolist() == [
        [0, 2, 10, "train"],
        [0, 1, 20, "valid"],
        [0, 1, 30, "test"],
        [1, 1, 1, "train"],
        [1, 3, 2, "train"],
        [1, 4, 3, "valid"],
        [1, 1, 4, "test"],
    ]
    assert dataset.sequences.items.tolist() == [2, 1, 1, 1, 3, 4, 1]
    assert dataset.sequences.offsets.tolist() == [0, 3, 7]
    assert set(dataset.candidates["test"][0]) <= {3, 4} and dataset.candidates["valid"][1].tolist() == [2]
    assert dataset.stats == {
        "digest": "abc.dir",
        "origin": "words",
        "format": "words",
        "k_core": 0,
        "users": 2,
        "items": 4,
        "interactions": 7,
        "density": 0.875,
        "length": {"min": 3, "p25": 3, "median": 3, "p75": 4, "p90": 4, "p99": 4, "max": 4},
        "time": {"order": "time", "why": "", "tied_events": 0.0, "tied_held_out": 0.0},
        "repeats": {"events": 2, "consecutive": 1},
        "files": {"read": 1, "without_events": []},
        "dropped": {
            "short_users": {
                "users": 1,
                "items": 1,
                "interactions": 2,
                "examples": ["events.txt:5: user cid has 2 of 3 events needed"],
            },
            "k_core": {"users": 0, "items": 0, "interactions": 0},
        },
        "source": {"lines": 10, "duplicate_rows": {"count": 1, "examples": ["events.txt:8: bob v 3"]}},
    }
    said = capsys.readouterr().err
    assert "2 users, 4 items, 7 interactions" in said and "events.txt:8: bob v 3" in said


def test_the_k_core_is_five_unless_the_source_or_the_settings_say_otherwise(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three circles in which everyone has everything: two of five users and five items, one of four and four."""
    circles = (("a", 5), ("b", 5), ("c", 4))
    write(raw, *(f"{name}{user} {name}{item} {item}" for name, n in circles for user in range(n) for item in range(n)))
    prepare(raw, tmp_path / "auto", PrepareSettings(negatives=5))
    stats = Dataset.load(tmp_path / "auto").stats
    assert (stats["users"], stats["items"], stats["interactions"], stats["k_core"]) == (10, 10, 50, 5)
    assert stats["dropped"] == {
        "short_users": {"users": 0, "items": 0, "interactions": 0, "examples": []},
        "k_core": {"users": 4, "items": 4, "interactions": 16},
    }
    prepare(raw, tmp_path / "four", PrepareSettings(negatives=5, k_core=4))
    assert Dataset.load(tmp_path / "four").n_users == 14
    monkeypatch.setattr(Words, "filtered", True)
    prepare(raw, tmp_path / "filtered", PrepareSettings(negatives=5))
    assert Dataset.load(tmp_path / "filtered").n_users == 14
    with pytest.raises(DataError, match=r"items that they never touched: 10; set prepare\.negatives to at most 9"):
        prepare(raw, tmp_path / "greedy", PrepareSettings(negatives=10))
    assert not (tmp_path / "greedy").exists()


def test_nothing_left_after_the_core_is_an_error_with_a_remedy(raw: Path, tmp_path: Path) -> None:
    write(raw, *SMALL)
    with pytest.raises(DataError, match=r"nothing is left of 9 interactions .* lower prepare\.k_core"):
        prepare(raw, tmp_path / "out", PrepareSettings(negatives=1))
    assert list(tmp_path.iterdir()) == [raw]


def test_too_many_broken_lines_stop_the_step(raw: Path, tmp_path: Path) -> None:
    write(raw, *SMALL, "what is this line", "and this")
    with pytest.raises(DataError, match=r"2 of 12 lines are broken \(16\.67%\)") as error:
        prepare(raw, tmp_path / "out", SETTINGS)
    assert "events.txt:11: expected three fields" in str(error.value) and "prepare.max_bad_share" in str(error.value)
    assert list(tmp_path.iterdir()) == [raw]
    prepare(raw, tmp_path / "out", PrepareSettings(k_core=0, negatives=1, max_bad_share=0.2))
    assert Dataset.load(tmp_path / "out").stats["source"]["broken_lines"]["count"] == 2


def test_the_same_settings_give_the_same_bytes_and_another_seed_other_candidates(raw: Path, tmp_path: Path) -> None:
    write(raw, *(f"u{user} i{(7 * user + step) % 50} {step}" for user in range(40) for step in range(5)))
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        prepare(raw, tmp_path / name, PrepareSettings(k_core=0, negatives=9, seed=seed))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    same = {
        name: {
            file for file in files if (tmp_path / "one" / file).read_bytes() == (tmp_path / name / file).read_bytes()
        }
        for name in ("two", "other")
    }
    assert files == [
        "candidates_test.npy",
        "candidates_valid.npy",
        "interactions.parquet",
        "items.parquet",
        "stats.json",
        "users.parquet",
    ]
    assert same["two"] == set(files)
    assert same["other"] == {file for file in files if not file.startswith("candidates")}


def test_a_prepared_folder_that_does_not_fit_is_refused(raw: Path, tmp_path: Path) -> None:
    write(raw, *SMALL)
    prepare(raw, tmp_path / "out", SETTINGS)
    np.save(tmp_path / "out" / "candidates_test.npy", np.array([[1]], np.int32))
    with pytest.raises(DataError, match=r"candidates_test\.npy: does not fit"):
        Dataset.load(tmp_path / "out")
    (tmp_path / "out" / "users.parquet").unlink()
    with pytest.raises(DataError, match=r"no users\.parquet here; .* solid prepare"):
        Dataset.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("folder", "name", "counts"),
    [
        ("amazon_scientific_mm_subset", "unisrec", (2_928, 1_585, 19_712)),
        ("movielens_100k", "recbole", (943, 1_349, 99_287)),
    ],
)
def test_real_data(real_data: Path, tmp_path: Path, folder: str, name: str, counts: tuple[int, int, int]) -> None:
    if name not in {reader.name for reader in readers.READERS}:
        pytest.fail(f"no reader {name}")
    shutil.copytree(real_data / folder, tmp_path / "raw")
    write_manifest(tmp_path / "raw", name)
    prepare(tmp_path / "raw", tmp_path / "out", PrepareSettings())
    dataset = Dataset.load(tmp_path / "out")
    assert (dataset.n_users, dataset.n_items, len(dataset.sequences.items)) == counts
    for drawn in dataset.candidates.values():
        assert drawn.shape == (dataset.n_users, 99)
        assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()
        items = dataset.sequences.items
        touched = np.zeros((dataset.n_users, dataset.n_items + 1), dtype=bool)
        touched[dataset.sequences.users_of(np.arange(len(items))), items] = True
        assert not np.take_along_axis(touched, drawn.astype(np.int64), axis=1).any()


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_a_manifest_without_its_keys_is_a_data_error(raw: Path, tmp_path: Path, content: str) -> None:
    write(raw, *SMALL)
    (raw / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*run solid ingest again"):
        prepare(raw, tmp_path / "out", SETTINGS)


@pytest.mark.parametrize("name", ["items.parquet", "interactions.parquet", "candidates_test.npy"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_file_is_a_data_error(raw: Path, tmp_path: Path, name: str, share: float) -> None:
    write(raw, *SMALL)
    prepare(raw, tmp_path / "out", SETTINGS)
    data = (tmp_path / "out" / name).read_bytes()
    (tmp_path / "out" / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=f"{name}: damaged .*run solid prepare again"):
        Dataset.load(tmp_path / "out")
