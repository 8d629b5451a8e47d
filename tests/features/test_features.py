"""The steps `features` and `embed`, from folders to folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.data.sample import BARE, KINDS, write_sample
from solid.embeddings import write_embeddings
from solid.errors import DataError
from solid.features import extract_features
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.models.storage import save_model
from solid.settings.schema import DataSettings, FeatureSettings, ModelSettings, PrepareSettings
from solid.storage.local import folder_digest


def _prepare(source, folder):
    raw, prepared = folder / "raw", folder / "prepared"
    ingest(raw, DataSettings(source=str(source)))
    prepare(raw, prepared, PrepareSettings())
    return raw, prepared


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample data set, ingested and prepared."""
    folder = tmp_path_factory.mktemp("features")
    write_sample(folder / "data", 0)
    return _prepare(folder / "data", folder)


@pytest.fixture(scope="module")
def out(sample, tmp_path_factory):
    out = tmp_path_factory.mktemp("features") / "out"
    extract_features(*sample, out, FeatureSettings())
    return out


def _matrix(folder, modality):
    return np.load(folder / f"{modality}.npy", allow_pickle=False)


def test_every_item_gets_a_row_and_the_missing_are_counted(sample, out):
    items = pd.read_parquet(sample[1] / "items.parquet")
    described = json.loads((out / "features.json").read_text())
    assert described.pop("digest") == json.loads((sample[1] / "stats.json").read_text())["digest"]
    assert described == {
        "text": {"encoder": "tfidf", "dim": 256, "missing": BARE},
        "image": {"encoder": "pixels", "dim": 320, "missing": BARE},
    }
    for modality, facts in described.items():
        matrix = _matrix(out, modality)
        assert matrix.dtype == np.float32
        assert matrix.shape == (len(items), facts["dim"])
        np.testing.assert_array_equal(~matrix.any(axis=1), items[modality] == "")


@pytest.mark.parametrize(("modality", "agreement"), [("text", 0.95), ("image", 0.85)])
def test_the_kinds_of_the_sample_are_seen(sample, out, modality, agreement):
    category = pd.read_parquet(sample[1] / "items.parquet")["category"].to_numpy()
    matrix = _matrix(out, modality)
    unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    classes = KMeans(len(KINDS), n_init=3, random_state=0).fit_predict(unit)
    assert normalized_mutual_info_score(category[category != ""], classes[category != ""]) > agreement


def test_the_same_bytes_in_another_process_with_two_threads(sample, out, tmp_path):
    code = (
        "import sys; from pathlib import Path; from solid.settings.schema import FeatureSettings;"
        "from solid.features import extract_features;"
        "extract_features(*map(Path, sys.argv[1:]), FeatureSettings())"
    )
    threads = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "2")
    command = [sys.executable, "-c", code, *map(str, sample), str(tmp_path / "again")]
    subprocess.run(command, env={**os.environ, **threads}, check=True)
    assert folder_digest(tmp_path / "again") == folder_digest(out)


def test_a_modality_may_be_left_out(sample, tmp_path, capsys):
    extract_features(*sample, tmp_path / "out", FeatureSettings(text="none"))
    assert "text: left out" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["features.json", "image.npy"]


def test_a_failure_leaves_nothing_behind(sample, tmp_path):
    raw, prepared = sample
    bare = tmp_path / "raw"
    bare.mkdir()
    (bare / "manifest.json").write_text((raw / "manifest.json").read_text())
    with pytest.raises(DataError, match=r"pixels gives no item a vector; set features\.image to none"):
        extract_features(bare, prepared, tmp_path / "out", FeatureSettings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_the_vectors_of_missrec_come_through_unchanged(real_data, tmp_path):
    source = real_data / "amazon_scientific_mm_subset"
    raw, prepared = _prepare(source, tmp_path)
    extract_features(raw, prepared, tmp_path / "out", FeatureSettings(text="precomputed"))
    index = pd.read_csv(source / "Scientific.item2index", sep="\t", names=["item_id", "row"]).set_index("item_id")
    rows = index["row"][pd.read_parquet(prepared / "items.parquet")["item_id"]]
    for modality, ending in {"text": "feat1CLS", "image": "feat3CLS"}.items():
        given = np.fromfile(source / f"Scientific.{ending}", dtype="<f4").reshape(-1, 512)
        np.testing.assert_array_equal(_matrix(tmp_path / "out", modality), given[rows])


def _model(prepared, folder, classes=None, **changes):
    items = len(pd.read_parquet(prepared / "items.parquet"))
    digest = json.loads((prepared / "stats.json").read_text())["digest"]
    facts = {"head": "duet", "ids": "item", "modality": None, "n_items": items, "n_classes": 0, "digest": digest}
    torch.manual_seed(0)
    model = Recommender(ModelConfig(model=ModelSettings(dim=8), fusion=None, **facts | changes), classes)
    folder.mkdir()
    save_model(folder, model)
    return model


def test_embeddings_are_those_of_the_model_without_padding(sample, tmp_path):
    model = _model(sample[1], tmp_path / "model")
    write_embeddings(sample[1], tmp_path / "model", tmp_path / "out")
    written = _matrix(tmp_path / "out", "id")
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written, model.items.id.weight.detach().numpy()[1:])


@pytest.mark.parametrize("changes", [{"n_items": 3}, {"digest": "other"}])
def test_a_model_of_other_data_is_refused(sample, tmp_path, changes):
    _model(sample[1], tmp_path / "model", **changes)
    with pytest.raises(DataError, match=r"trained on .* items of data .*; train it again"):
        write_embeddings(sample[1], tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_on_classes_is_refused(sample, tmp_path):
    items = len(pd.read_parquet(sample[1] / "items.parquet"))
    classes = torch.arange(items + 1).clamp(max=5)
    _model(sample[1], tmp_path / "model", classes, ids="semantic", modality="text", n_classes=5)
    with pytest.raises(DataError, match="reads semantic ids"):
        write_embeddings(sample[1], tmp_path / "model", tmp_path / "out")


def test_a_modality_the_data_cannot_have_is_said_before_anything_trains(
    sample: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"id_image needs image.*possible here: id, text, id_text, for example"):
        extract_features(*sample, tmp_path / "out", FeatureSettings(image="none"), ("id_text", "id_image"))
    assert not (tmp_path / "out").exists()
