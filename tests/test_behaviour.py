"""How trained models behave on real data: what they use, and what moves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from solid.data.dataset import Dataset
from solid.data.ingest import ingest
from solid.data.prepare import prepare
from solid.data.readers import find_reader
from solid.evaluation.scoring import View, score_candidates
from solid.metrics.measured import candidate_metrics
from solid.models.config import ModelConfig
from solid.models.heads.solid import SolidHead
from solid.models.layers import Rows
from solid.models.recommender import Recommender
from solid.semantics.clustering import cluster
from solid.semantics.vectors import unit_rows
from solid.settings.heads import FusionSettings
from solid.settings.loading import load_settings
from solid.settings.schema import DataSettings, PrepareSettings
from solid.training.loop import fit
from solid.training.state import TrainingState

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 4


class Trained:
    """SOLID on Scientific with classes of texts, the same with shuffled classes, and what they learned from."""

    def __init__(self, source: Path, folder: Path) -> None:
        ingest(folder / "raw", DataSettings(source=str(source)))
        prepare(folder / "raw", folder / "prepared", PrepareSettings())
        self.data = Dataset.load(folder / "prepared")
        texts = find_reader(folder / "raw").vectors(folder / "raw")["text"]
        rows = [texts.item_ids.index(item) for item in self.data.items["item_id"]]
        found, _ = cluster(unit_rows(texts.matrix[rows]), 200, seed=0)
        self.classes = torch.from_numpy(np.r_[0, found].astype(np.int64))
        shuffled = np.random.default_rng(0).permutation(found)
        self.model, self.uauc = self.train(self.classes)
        _, self.shuffled_uauc = self.train(torch.from_numpy(np.r_[0, shuffled].astype(np.int64)))

    def train(self, classes: Tensor) -> tuple[Recommender, float]:
        torch.manual_seed(0)
        preset = load_settings(ROOT / "presets" / "released.yaml")  # the method as it was published
        config = ModelConfig(
            head="solid", ids="both", modality="text", n_items=self.data.n_items, n_classes=int(classes.max()),
            model=preset.model, fusion=FusionSettings(), digest="",
        )  # fmt: skip
        model = Recommender(config, classes)
        loop = preset.training.model_copy(update={"epochs": EPOCHS, "patience": EPOCHS})
        fit(model, self.data, loop, TrainingState("", "valid_uauc"), lambda _: None)
        scores = score_candidates(model, View.of(model, self.data, "test"), 1024)
        return model, candidate_metrics(scores).summarise()["uauc"]


@pytest.fixture(scope="module")
def trained(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    torch.set_num_threads(1)
    return Trained(real_data / "amazon_scientific_mm_subset", tmp_path_factory.mktemp("behaviour"))


@pytest.fixture(scope="module")
def histories(trained: Trained) -> Tensor:
    """The test histories of users with at least five events."""
    sequences = trained.data.sequences
    windows = torch.from_numpy(sequences.windows(sequences.targets("test"), trained.model.config.model.length))
    return windows[windows[:, 4] > 0][:500]


def vectors(model: Recommender, histories: Tensor) -> Tensor:
    with torch.no_grad():
        user = model.encode(histories)
        return user.vectors()


def test_shuffled_semantic_ids_destroy_the_gain(trained: Trained) -> None:
    assert trained.uauc > trained.shuffled_uauc + 0.03


def test_a_users_vector_and_recommendations_move_with_the_history(trained: Trained, histories: Tensor) -> None:
    model = trained.model
    before, moved = vectors(model, histories), vectors(model, histories.roll(1, dims=0))
    distance = (before - moved).norm(dim=1)
    nearly = histories.clone()
    nearly[:, 0] = histories[:, 0].roll(1)  # only the oldest item is another
    assert distance.median() > 2 * (before - vectors(model, nearly)).norm(dim=1).median() > 0
    with torch.no_grad():
        top, other = (model.score_all(model.encode(h)).topk(10).indices for h in (histories, histories.roll(1, dims=0)))
    shared = (top.unsqueeze(2) == other.unsqueeze(1)).any(2).float().mean()
    assert shared < 0.5, "users with other histories get other items"


def test_the_generated_weights_differ_between_users(trained: Trained, histories: Tensor) -> None:
    head = trained.model.head
    assert isinstance(head, SolidHead) and head.history is not None and head.semantic is not None
    with torch.no_grad():
        hidden = head.history(head.classes(trained.classes[histories].unsqueeze(2)))
        weights = head.semantic(hidden, Rows.last(histories)).weights[0]
    assert (weights.std(dim=0) / weights.std()).median() > 0.05


def test_items_of_a_class_lie_closer_than_chance(trained: Trained) -> None:
    embedded = trained.model.item_embeddings()
    embedded = embedded / embedded.norm(dim=1, keepdim=True)
    alike = embedded @ embedded.T
    same = trained.classes[1:].unsqueeze(0) == trained.classes[1:].unsqueeze(1)
    others = ~torch.eye(len(alike), dtype=torch.bool)
    assert alike[same & others].mean() > alike[~same].mean() + 0.2
