"""The released layout, row by row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from solid.data.export import export
from solid.data.readers import find_reader
from solid.errors import DataError

HISTORIES = [[1, 2, 3], [4, 1, 5, 6, 2, 3, 1, 4, 5, 6, 2, 1, 7]]
N_ITEMS = 9
CLASSES = [0, 3, 1, 2, 1, 3, 2, 1, 2, 3]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    folder.mkdir()
    pd.DataFrame({"user_id": ["ann", "bob"]}).to_parquet(folder / "users.parquet")
    names = [f"i{item}" for item in range(1, N_ITEMS + 1)]
    pd.DataFrame({"item_id": names, "title": "", "text": "", "category": "", "image": ""}).to_parquet(
        folder / "items.parquet"
    )
    users = np.repeat([0, 1], [len(history) for history in HISTORIES]).astype(np.int32)
    events = pd.DataFrame({"user": users, "item": np.concatenate(HISTORIES).astype(np.int32)})
    events.assign(timestamp=range(len(events))).to_parquet(folder / "interactions.parquet")
    np.save(folder / "candidates_valid.npy", np.array([[5, 6], [9, 8]], np.int32))
    np.save(folder / "candidates_test.npy", np.array([[9, 4], [8, 9]], np.int32))
    (folder / "stats.json").write_text('{"digest": "d"}')
    return folder


@pytest.fixture
def semantics(tmp_path: Path) -> Path:
    folder = tmp_path / "semantics" / "text"
    folder.mkdir(parents=True)
    table = pd.DataFrame({"item": range(1, N_ITEMS + 1), "class": CLASSES[1:]}, dtype=np.int32)
    table.to_parquet(folder / "semantic_ids.parquet")
    (folder / "quality.json").write_text(json.dumps({"modality": "text", "digest": "d"}))
    return folder


def rows(path: Path) -> list[tuple[int, int, list[int], list[int], int]]:
    found = []
    for line in path.read_text().splitlines():
        user, target, trigger, click, label = line.split(";")
        found.append(
            (int(user), int(target), [*map(int, trigger.split(","))], [*map(int, click.split(","))], int(label))
        )
    return found


def window(items: list[int]) -> list[int]:
    return items[-10:] + [0] * (10 - len(items[-10:]))


def test_test_rows_to_the_last_character(prepared: Path, tmp_path: Path) -> None:
    export(prepared, (), tmp_path / "out", negatives=2, seed=0)
    assert (tmp_path / "out" / "id" / "test.txt").read_bytes().decode() == (
        "0;3;1,0,0,0,0,0,0,0,0,0;1,2,0,0,0,0,0,0,0,0;1\n"
        "0;9;1,0,0,0,0,0,0,0,0,0;1,2,0,0,0,0,0,0,0,0;0\n"
        "0;4;1,0,0,0,0,0,0,0,0,0;1,2,0,0,0,0,0,0,0,0;0\n"
        "1;7;1,5,6,2,3,1,4,5,6,2;5,6,2,3,1,4,5,6,2,1;1\n"
        "1;8;1,5,6,2,3,1,4,5,6,2;5,6,2,3,1,4,5,6,2,1;0\n"
        "1;9;1,5,6,2,3,1,4,5,6,2;5,6,2,3,1,4,5,6,2,1;0\n"
    )


def test_train_rows_cover_the_second_event_up_to_the_last_but_one(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solid.data.export.ROWS_AT_ONCE", 7)  # two groups a batch, so batches have to join up
    export(prepared, (), tmp_path / "out", negatives=2, seed=0)
    train = rows(tmp_path / "out" / "id" / "train.txt")
    positives = [row for row in train if row[4] == 1]
    assert positives == [
        (user, history[place], window(history[: place - 1]), window(history[:place]), 1)
        for user, history in enumerate(HISTORIES)
        for place in range(1, len(history) - 1)
    ]
    assert len(train) == 3 * len(positives)
    for place, (user, target, *windows, label) in enumerate(train):
        if place % 3:
            assert label == 0 and target not in HISTORIES[user] and 1 <= target <= N_ITEMS
            assert windows == list(positives[place // 3][2:4])


def test_semantic_files_are_the_same_rows_in_classes(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    export(prepared, (semantics,), tmp_path / "out", negatives=2, seed=0)
    for file in ("train.txt", "test.txt"):
        in_items, in_classes = rows(tmp_path / "out/id" / file), rows(tmp_path / "out/text/sasrec" / file)
        assert in_classes == [
            (user, CLASSES[target], [CLASSES[item] for item in trigger], [CLASSES[item] for item in click], label)
            for user, target, trigger, click, label in in_items
        ]


def test_the_released_reader_takes_the_items_back(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    export(prepared, (semantics,), tmp_path / "out", negatives=2, seed=0)
    reader = find_reader(tmp_path / "out")
    source = reader.read(tmp_path / "out")
    found = source.interactions.groupby("user_id", sort=False)["item_id"].agg(list)
    assert reader.name == "released" and not source.problems.counts
    assert found.to_dict() == {str(user): [*map(str, history)] for user, history in enumerate(HISTORIES)}


def test_the_seed_decides_the_training_negatives(prepared: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        export(prepared, (), tmp_path / name, negatives=2, seed=seed)
    texts = {name: (tmp_path / name / "id/train.txt").read_bytes() for name in ("one", "two", "other")}
    assert texts["one"] == texts["two"] != texts["other"]


def test_tables_that_do_not_fit_are_refused(prepared: Path, semantics: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="second table of the modality text"):
        export(prepared, (semantics, semantics), tmp_path / "out", negatives=2, seed=0)
    pd.DataFrame({"item": [1], "class": [1]}, dtype=np.int32).to_parquet(semantics / "semantic_ids.parquet")
    with pytest.raises(DataError, match=r"made for other items than the 9 prepared"):
        export(prepared, (semantics,), tmp_path / "out", negatives=2, seed=0)
    assert not (tmp_path / "out").exists()
