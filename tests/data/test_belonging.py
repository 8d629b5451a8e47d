"""Files of other data are refused, be there as many of everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from solid.data.dataset import Dataset, read_classes
from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.errors import DataError
from solid.semantics.vectors import read_vectors
from solid.settings.schema import DataSettings, PrepareSettings


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    rows = "".join(f"{user},{user}{n},{n}\n" for user in "ab" for n in range(4))
    (tmp_path / "source" / "e.csv").write_text("user,item,time\n" + rows)
    ingest(tmp_path / "raw", DataSettings(source=str(tmp_path / "source")))
    prepare(tmp_path / "raw", tmp_path / "prepared", PrepareSettings(k_core=0, negatives=2))
    return tmp_path / "prepared"


@pytest.mark.parametrize(
    ("drawn", "fault"),
    [
        ([[5, 1], [2, 3]], "among those of user 0 are items that the user touched"),
        ([[5.0, 6.0], [2.0, np.nan]], "does not fit"),
        ([[5.0, 6.0], [2.0, 3.0]], "does not fit"),
        ([5, 2], "does not fit"),
    ],
)
def test_candidates_are_whole_numbers_of_untouched_items(prepared: Path, drawn: list[list[float]], fault: str) -> None:
    assert Dataset.load(prepared).items["item_id"].tolist() == ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]
    np.save(prepared / "candidates_test.npy", np.array(drawn))
    with pytest.raises(DataError, match=rf"candidates_test\.npy: {fault}.*; run solid prepare again"):
        Dataset.load(prepared)


@pytest.mark.parametrize(
    ("classes", "digest", "fault"),
    [
        ([1, 2, 1], None, r"quality\.json: does not say which data it was made from"),
        ([1, 2, 1], "others", r"quality\.json: made from data 'others', not from 'mine'"),
        ([1, 2, 0], "mine", r"semantic_ids\.parquet: classes are not whole numbers from 1"),
        ([1, 2, 1.5], "mine", r"semantic_ids\.parquet: classes are not whole numbers from 1"),
    ],
)
def test_classes_are_those_of_the_data(tmp_path: Path, classes: list[float], digest: str | None, fault: str) -> None:
    pd.DataFrame({"item": [1, 2, 3], "class": classes}).to_parquet(tmp_path / "semantic_ids.parquet")
    (tmp_path / "quality.json").write_text(json.dumps({"digest": digest}))
    with pytest.raises(DataError, match=fault):
        read_classes(tmp_path, 3, "mine")


@pytest.mark.parametrize(("part", "description"), [("text", "features.json"), ("id", "embeddings.json")])
def test_vectors_are_those_of_the_data(tmp_path: Path, part: str, description: str) -> None:
    np.save(tmp_path / f"{part}.npy", np.ones((3, 2), np.float32))
    (tmp_path / description).write_text('{"digest": "mine"}')
    assert read_vectors(tmp_path / f"{part}.npy", 3, "mine").shape == (3, 2)
    with pytest.raises(DataError, match=f"{description}: made from data 'mine', not from 'yours'"):
        read_vectors(tmp_path / f"{part}.npy", 3, "yours")
