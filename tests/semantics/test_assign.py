"""Semantic ids: exact classes where they are plain to see, the same bytes always, clear words on unfit input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solid.data.dataset import read_classes
from solid.errors import DataError, SettingsError
from solid.semantics.assign import assign
from solid.semantics.clustering import cluster, number_of_classes, residual_clusters
from solid.semantics.quality import collisions, explained_by_levels
from solid.semantics.vectors import unit_rows
from solid.settings.schema import SemanticsSettings
from solid.storage.local import read_json, write_json


def _write(root: Path, categories: list[str], **parts: np.ndarray) -> tuple[Path, Path, Path]:
    """Write the folders prepared, features and embeddings of the given items."""
    folders = root / "prepared", root / "features", root / "embeddings"
    for folder in folders:
        folder.mkdir(parents=True)
    names = [f"i{row}" for row in range(len(categories))]
    columns = {"item_id": names, "title": names, "text": names, "category": categories, "image": ""}
    pd.DataFrame(columns).to_parquet(folders[0] / "items.parquet", index=False)
    for folder, name in zip(folders, ("stats.json", "features.json", "embeddings.json"), strict=True):
        write_json(folder / name, {"digest": "0123.dir"})
    for part, matrix in parts.items():
        np.save(folders[2 if part == "id" else 1] / f"{part}.npy", matrix.astype(np.float32))
    return folders


def _classes(folder: Path) -> list[int]:
    table = pd.read_parquet(folder / "semantic_ids.parquet")
    assert table["item"].tolist() == list(range(1, len(table) + 1))
    assert (table.dtypes == np.int32).all()
    return table["class"].tolist()


def test_two_parts_by_hand(tmp_path: Path) -> None:
    # Text tells items 1, 3 from 2, 4 whatever their length; the picture sets item 4 apart and is lacking for item 1.
    text = np.array([[0, 2], [3, 0], [0, 9], [1, 0]])
    image = np.array([[0, 0], [5, 0], [0, 0], [0, 1]])
    prepared, features, _ = _write(tmp_path, ["toys", "", "", "books"], text=text, image=image)
    assign(prepared, features, None, "text_image", tmp_path / "out", SemanticsSettings(classes=3))
    assert _classes(tmp_path / "out") == [1, 2, 1, 3]
    quality = read_json(tmp_path / "out/quality.json")
    assert quality == {
        "modality": "text_image",
        "parts": {
            "text": {"dim": 2, "items_without": 0, "variance_explained": 1},
            "image": {"dim": 2, "items_without": 2, "variance_explained": 1},
        },
        "algorithm": "k-means, best of 3 starts",
        "seed": 0,
        "items": 4,
        "items_without_features": 0,
        "classes": 3,
        "classes_wanted": 3,
        "variance_explained": 1,
        "category_nmi": 1,
        "class_size": {"min": 1, "median": 1, "max": 2},
        "class_sizes": [2, 1, 1],
        "levels": [{"classes": 3, "variance_explained": 1}],
        "collisions": {"semantic_ids": 3, "items_that_share_one": 2, "most": 2},
        "largest_share": 0.5,
        "digest": "0123.dir",
    }


@pytest.mark.parametrize(
    ("parts", "comes_to"),
    [(("text", "image", "id"), "text_image"), (("text", "id"), "text"), (("image", "id"), "image"), (("id",), "id")],
)
def test_auto_is_what_the_data_have(tmp_path: Path, parts: tuple[str, ...], comes_to: str) -> None:
    matrix = np.array([[0, 1], [1, 0], [0, 2], [3, 0]])
    prepared, features, embeddings = _write(tmp_path, [""] * 4, **dict.fromkeys(parts, matrix))
    assign(prepared, features, embeddings, "auto", tmp_path / "out", SemanticsSettings(classes=2))
    assert read_json(tmp_path / "out/quality.json")["modality"] == comes_to
    assert _classes(tmp_path / "out") == [1, 2, 1, 2]


def test_variance_explained_by_hand(tmp_path: Path) -> None:
    # Two pairs of neighbouring directions, opposite to each other, 250 times; the id vectors are all the same.
    text = np.array([[1, 0], [0.6, 0.8], [-1, 0], [-0.6, -0.8]] * 250)
    prepared, features, embeddings = _write(tmp_path, [""] * 1000, text=text, id=np.array([[1, 3, 5]] * 1000))
    assign(prepared, features, embeddings, "id_text", tmp_path / "out", SemanticsSettings(classes=2))
    assert _classes(tmp_path / "out") == [1, 1, 2, 2] * 250
    quality = read_json(tmp_path / "out/quality.json")
    # Class means are +-(.8, .4) of squared length .8, every item has squared length 1 about the common mean 0.
    assert quality["variance_explained"] == pytest.approx(0.8, abs=1e-6)
    assert quality["parts"]["text"]["variance_explained"] == pytest.approx(0.8, abs=1e-6)
    assert quality["parts"]["id"]["variance_explained"] is None  # nothing varies
    assert quality["category_nmi"] is None


def test_blobs_are_found_whatever_the_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    blob = rng.permutation(np.repeat(np.arange(12), 25))
    vectors = (np.eye(12)[blob] + rng.normal(0, 0.02, (300, 12))).astype(np.float32)
    expected = pd.factorize(blob)[0] + 1  # classes by first appearance
    classes, _ = cluster(unit_rows(vectors), 12, seed=0)
    np.testing.assert_array_equal(classes, expected)
    mini, algorithm = _with_mini_batches(vectors, 12)
    assert algorithm == "mini-batch k-means, batches of 48, best of 3 starts"
    np.testing.assert_array_equal(mini, expected)


def _with_mini_batches(vectors: np.ndarray, classes: int) -> tuple[np.ndarray, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("solid.semantics.clustering._LLOYD_ITEMS", 0)
        return cluster(unit_rows(vectors), classes, seed=0)


def test_equal_items_weigh_as_often_as_they_occur() -> None:
    # One item at each place is best paired; twelve at 0 hold the mean of such a pair so far off that 8 leaves it.
    line = np.array([[0], [8], [14], [18]], np.float32)
    assert cluster(line, 2, seed=0)[0].tolist() == [1, 1, 2, 2]
    assert cluster(np.repeat(line, (12, 1, 1, 1), axis=0), 2, seed=0)[0].tolist() == [1] * 12 + [2, 2, 2]


def test_a_level_groups_what_the_one_before_leaves() -> None:
    line = np.array([[0], [1], [10], [11], [0]], np.float32)
    levels, _ = residual_clusters(line, 2, 3, seed=0)
    # Means 1/3 and 10.5 leave -1/3, 2/3, -.5, .5, -1/3; of those, means -.39 and .58 leave .06, .08, -.11, -.08, .06.
    assert levels.T.tolist() == [[1, 1, 2, 2, 1], [1, 2, 1, 2, 1], [1, 1, 2, 2, 1]]
    assert collisions(levels) == {"semantic_ids": 4, "items_that_share_one": 2, "most": 2}
    assert explained_by_levels({"id": line}, levels) == pytest.approx([1 - 7 / 6 / 125.2, 1, 1])
    with pytest.raises(DataError, match="all items have the same vector"):
        residual_clusters(line[:1], 2, 3, seed=0)


def test_levels_are_columns_and_end_where_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = np.array([[1, 0], [0.6, 0.8], [-1, 0], [-0.6, -0.8]])
    prepared, features, _ = _write(tmp_path, [""] * 4, text=text)
    assign(prepared, features, None, "text", tmp_path / "out", SemanticsSettings(classes=2, levels=4))
    assert "text: 2 levels instead of 4" in capsys.readouterr().err
    assert _classes(tmp_path / "out") == [1, 1, 2, 2]
    # Class means +-(.8, .4) leave +-(.2, -.4), which the second level tells apart.
    assert read_classes(tmp_path / "out", 4, "0123.dir").tolist() == [[0, 0], [1, 1], [1, 2], [2, 2], [2, 1]]
    quality = read_json(tmp_path / "out/quality.json")
    assert [level["classes"] for level in quality["levels"]] == [2, 2]
    assert [level["variance_explained"] for level in quality["levels"]] == pytest.approx([0.8, 1])
    assert quality["collisions"] == {"semantic_ids": 4, "items_that_share_one": 0, "most": 1}


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 12))
def test_classes_have_no_gap_and_follow_the_items(seed: int, items: int, wanted: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 3, (items, 2)).astype(np.float32)  # few distinct rows, many duplicates
    vectors[0] = [9, 9]
    vectors[1] = [9, -9]
    classes, _ = cluster(vectors, wanted, seed=0)
    assert pd.unique(classes).tolist() == list(range(1, classes.max() + 1))
    assert classes.max() <= wanted
    distinct, point = np.unique(vectors, axis=0, return_inverse=True)
    assert len(set(zip(point, classes, strict=True))) == len(distinct)  # equal items share a class
    if len(distinct) <= wanted:
        assert classes.max() == len(distinct)
    order = rng.permutation(items)
    shuffled, _ = cluster(vectors[order], wanted, seed=0)
    assert len(set(zip(classes[order], shuffled, strict=True))) == classes.max()  # the same groups, renamed


@pytest.mark.filterwarnings("error")
def test_too_few_distinct_items_lower_the_number_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = np.array([[1, 0], [0, 1], [0, 0], [2, 0], [-0.0, 0]])
    prepared, features, _ = _write(tmp_path, [""] * 5, text=text)
    assign(prepared, features, None, "text", tmp_path / "out", SemanticsSettings(classes=5))
    assert _classes(tmp_path / "out") == [1, 2, 3, 1, 3]
    quality = read_json(tmp_path / "out/quality.json")
    assert (quality["classes"], quality["classes_wanted"], quality["items_without_features"]) == (3, 5, 2)
    assert "text: 3 classes instead of 5" in capsys.readouterr().err
    np.save(features / "text.npy", np.ones((5, 2), np.float32))
    with pytest.raises(DataError, match="all items have the same vector"):
        assign(prepared, features, None, "text", tmp_path / "again", SemanticsSettings())
    assert not (tmp_path / "again").exists()


def test_number_of_classes() -> None:
    paper = {
        "Scientific": (550, 1_600), "Instruments": (490, 6_300), "Arts": (590, 9_500), "Office": (760, 16_800),
        "CDs": (450, 25_000), "Electronics": (3_200, 78_000), "Book": (460, 8_000), "Music": (500, 9_000),
        "ML-1M": (90, 3_000),
    }  # fmt: skip
    assert round(np.median([classes / np.sqrt(items) for classes, items in paper.values()])) == 6
    assert [number_of_classes("auto", items) for items in (2, 9, 100, 1_585, 9_500)] == [2, 3, 33, 239, 585]
    assert number_of_classes(7, 7) == 7
    for bad in (1, 8):
        with pytest.raises(SettingsError, match=f"semantics.classes is {bad}; 7 items allow 2 to 7"):
            number_of_classes(bad, 7)


def test_missing_and_broken_vectors_are_named(tmp_path: Path) -> None:
    prepared, features, embeddings = _write(tmp_path, [""] * 3, id=np.eye(3), image=np.eye(3))
    out, defaults = tmp_path / "out", SemanticsSettings()
    with pytest.raises(SettingsError, match="no modality 'audio'; there are id, text"):
        assign(prepared, features, embeddings, "audio", out, defaults)
    with pytest.raises(DataError, match=r"features/text.npy does not exist.* may be: id, image, id_image$"):
        assign(prepared, features, embeddings, "id_text", out, defaults)
    with pytest.raises(DataError, match=r"no folder was given for text.npy; .*for image.npy.* may be: id$"):
        assign(prepared, None, embeddings, "id_text_image", out, defaults)
    with pytest.raises(DataError, match=r"may be: none$"):
        assign(prepared, None, None, "id", out, defaults)
    for broken, words in (
        (np.eye(2), r"shape is \(2, 2\), but the prepared data has 3 items"),
        (np.ones(3), r"shape is \(3,\)"),
        (np.array([[1, 0], [0, np.nan], [0, 1]]), r"1 items are not finite \(first: item 2\)"),
        (np.array([None] * 3), "not a matrix of numbers"),
    ):
        np.save(embeddings / "id.npy", broken, allow_pickle=True)
        with pytest.raises(DataError, match=rf"id.npy: .*{words}"):
            assign(prepared, None, embeddings, "id", out, defaults)
    (prepared / "items.parquet").unlink()
    with pytest.raises(DataError, match=r"items.parquet: no such file.*output of prepare"):
        assign(prepared, None, embeddings, "id", out, defaults)
    assert not out.exists()


_RUN = """
import sys
from pathlib import Path
from solid.settings.schema import SemanticsSettings
from solid.semantics.assign import assign
root = Path(sys.argv[1])
assign(root / "prepared", root / "features", root / "embeddings", "id_text", Path(sys.argv[2]), SemanticsSettings())
"""


def test_the_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    _write(tmp_path, ["a", "b"] * 400, id=rng.normal(size=(800, 16)), text=rng.normal(size=(800, 24)))
    for threads in "12":
        command = [sys.executable, "-c", _RUN, str(tmp_path), str(tmp_path / threads)]
        variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        subprocess.run(command, check=True, env=os.environ | variables)
    for name in ("semantic_ids.parquet", "quality.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_real_products(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "amazon_scientific_mm_subset"
    parts = {
        part: np.fromfile(source / f"Scientific.feat{number}CLS", "<f4").reshape(-1, 512)
        for part, number in (("text", 1), ("image", 3))
    }
    prepared, features, _ = _write(tmp_path, [""] * len(parts["text"]), **parts)
    assign(prepared, features, None, "text_image", tmp_path / "out", SemanticsSettings())
    quality = read_json(tmp_path / "out/quality.json")
    assert (quality["items"], quality["classes"], sum(quality["class_sizes"])) == (1585, 239, 1585)
    assert max(_classes(tmp_path / "out")) == 239
    # Far above what chance groups of that size explain, which is about K / N = 0.15.
    assert all(part["variance_explained"] > 0.3 for part in quality["parts"].values())
