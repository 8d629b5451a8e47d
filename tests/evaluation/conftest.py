"""Eight items, three users, and two models whose scores depend on the candidate alone, so that ranks are plain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from solid.models.config import ModelConfig
from solid.models.heads.solid import SolidHead
from solid.models.recommender import Recommender
from solid.models.storage import save_model
from solid.settings.heads import FusionSettings
from solid.settings.schema import ModelSettings
from solid.storage.local import write_json

DIGEST = "00000000000000000000000000000000.dir"
CLASSES = [1, 1, 1, 2, 2, 3, 3, 4]
TITLES = ["Saw", "<b>Bit & Brace</b>", "Glue", "Tape", "", "</script><script>alert(1)</script>", "Rule", "Vice"]
EVENTS = {"ann": [1, 2, 3], "bob": [4, 5, 6], "<i>cy</i>": [7, 1, 3, 5, 2]}  # the last one is the test
CANDIDATES = [[4, 5, 6], [1, 2, 3], [4, 6, 8]]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Output of prepare."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    pd.DataFrame({"user_id": list(EVENTS)}).to_parquet(folder / "users.parquet")
    items = pd.DataFrame({"item_id": [f"I{n}" for n in range(1, 9)], "title": TITLES, "text": ""})
    items.assign(category="", image="").to_parquet(folder / "items.parquet")
    rows = [(user, item) for user, items in enumerate(EVENTS.values()) for item in items]
    events = pd.DataFrame(rows, columns=["user", "item"]).assign(timestamp=range(len(rows)))
    events.to_parquet(folder / "interactions.parquet")
    for split in ("valid", "test"):
        np.save(folder / f"candidates_{split}.npy", np.array(CANDIDATES, np.int32))
    stats = {"digest": DIGEST, "origin": "shop", "format": "amazon", "k_core": 5, "users": 3, "items": 8}
    stats |= {"interactions": 11, "density": 11 / 24, "length": {"min": 3.0, "median": 3.0, "max": 5.0}}
    nothing = {"users": 0, "items": 0, "interactions": 0}
    write_json(folder / "stats.json", stats | {"dropped": {"short_users": nothing, "k_core": nothing}})
    return folder


Make = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> Make:
    """Write a model folder; the score of item j is tanh(values[j - 1]) for every user."""

    def make(name: str, head: str, values: list[float], digest: str = DIGEST, modality: str = "text") -> Path:
        torch.manual_seed(0)
        solid = head == "solid"
        config = ModelConfig(
            head=head,
            ids="item",
            modality=modality if solid else None,
            n_items=8,
            n_classes=max(CLASSES) if solid else 0,
            model=ModelSettings(form="released", dim=4, length=3, layers=1),
            fusion=FusionSettings() if solid else None,
            digest=digest,
        )
        model = Recommender(config, torch.tensor([0, *CLASSES]) if solid else None)
        with torch.no_grad():
            for parameter in (*model.head.parameters(), model.history.position, *model.history.project.parameters()):
                parameter.zero_()
            model.history.project.weight.copy_(torch.eye(4))
            model.items.id.weight.zero_()
            model.items.id.weight[1:, 0] = torch.tensor(values)
            for layer in (model.target[0], model.target[2]):
                layer.weight.copy_(torch.eye(4))
                layer.bias.zero_()
            # Every user's vector is (1, 0, 0, 0): the bias of the head's last layer.
            last = model.head.semantic.biases[1] if isinstance(model.head, SolidHead) else model.head.mlp[2]
            last.bias[0] = 1
            if isinstance(model.head, SolidHead):
                model.head.codebook.codes.zero_()
                model.head.codebook.codes[:, 0] = torch.tensor([0.0, 0.9, 0.5, 9.0]).tanh()
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        save_model(folder, model.eval())
        trained = {"epochs": 2, "best_epoch": 2.0, "valid_uauc": 0.75, "settings": {"training": {"negatives": 3}}}
        write_json(folder / "training.json", trained)
        (folder / "history.csv").write_text("epoch,bce,alignment,valid_uauc\n1.0,0.7,0.1,0.5\n2.0,0.5,0.1,0.75\n")
        return folder

    return make


@pytest.fixture
def models(make_model: Make) -> dict[str, Path]:
    """The baseline likes items the more the higher their number; SOLID has opinions, some of them equal."""
    return {
        "static": make_model("static", "static", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
        "SOLID <text>": make_model("solid", "solid", [0.0, 0.9, 0.5, 0.5, 0.1, 0.2, 0.0, 0.9]),
    }


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Output of features."""
    folder = tmp_path / "features"
    folder.mkdir()
    write_json(folder / "features.json", {"digest": DIGEST})
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))
    return folder
