"""Small models with every kind of head over the walk of ``walks``, as a registry holds them; and a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import uvicorn
from walks import ITEMS, write_walk

from solid.counting.model import CountedConfig, CountedModel
from solid.counting.reading import Table
from solid.data.dataset import Dataset
from solid.kinds import HEADS
from solid.mixture.model import Mixture
from solid.models.config import ModelConfig
from solid.models.protocols import Model
from solid.models.recommender import Recommender
from solid.models.storage import save_model
from solid.registry.answers import Answers
from solid.registry.catalogue import Catalogue
from solid.registry.profile import Profile
from solid.registry.version import log_version
from solid.settings.heads import ApgSettings, FinetuneSettings, FusionSettings
from solid.settings.schema import ModelSettings
from solid.tracking import connect

LENGTH, CLASSES = 5, 4
CATEGORIES = ("even", "odd")


def write_data(folder: Path) -> Path:
    """The walk, with titles, and categories that alternate; item i24 has none."""
    write_walk(folder)
    items = pd.read_parquet(folder / "items.parquet")
    items["title"] = "Item " + items["item_id"]
    items["category"] = [CATEGORIES[number % 2] for number in range(1, ITEMS + 1)]
    items.loc[ITEMS - 1, "category"] = ""
    items.to_parquet(folder / "items.parquet")
    return folder


def make_model(head: str = "solid", seed: int = 0, backbone: str = "sasrec", form: str = "residual") -> Model:
    """Fresh weights, or random counts."""
    torch.manual_seed(seed)
    if HEADS[head].by == "counting":
        rng = np.random.default_rng(seed)
        matrix = sp.csr_array(rng.random((ITEMS, ITEMS)).astype(np.float32) * (rng.random((ITEMS, ITEMS)) < 0.5))
        picked: dict[str, Any] = {"items": 3, "decay": 0.5, "share": 0.1}
        config = CountedConfig(head=head, n_items=ITEMS, digest="d.dir", picked=picked)
        return CountedModel(config, Table(matrix, rng.dirichlet(np.ones(ITEMS))))
    if head == "mixture":
        return Mixture.of({name: (0.5, make_model(name, seed)) for name in ("transitions", "solid")})
    classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(ITEMS) % CLASSES + 1])
    made = ModelConfig(
        head=head, ids="both" if head == "solid" else "item", modality="text" if head == "solid" else None,
        n_items=ITEMS, n_classes=CLASSES if head == "solid" else 0, digest="d.dir",
        model=ModelSettings(
            form=form, backbone=backbone, dim=8, length=LENGTH, layers=1, attention_heads=2, vectors=(),
        ),
        finetune=FinetuneSettings() if head == "finetune" else None, apg=ApgSettings(rank=4),
        fusion=FusionSettings() if head == "solid" else None,
    )  # fmt: skip
    model = Recommender(made, classes if head == "solid" else None)
    with torch.no_grad():  # fresh heads add next to nothing to the trunk
        for weights in model.head.parameters():
            weights += 0.3 * torch.randn_like(weights)
    return model.eval()


def catalogue_of(model: Model, prepared: Path) -> Catalogue:
    """With the items and the popularity of prepared data."""
    dataset = Dataset.load(prepared)
    return Catalogue(model, dataset.items, Profile.of(dataset).popularity.to_numpy())


def registered(name: str, model: Model, prepared: Path, scratch: Path | None) -> str:
    """Log a version as register does, without moving an alias; returns its number.

    Artifacts lie in ``scratch``; without one, where the server keeps them.
    """
    dataset, client = Dataset.load(prepared), connect()
    found = client.get_experiment_by_name("tiny")
    place = None if scratch is None else (scratch / "artifacts").as_uri()
    experiment = found.experiment_id if found else client.create_experiment("tiny", place)
    run, catalogue = client.create_run(experiment), catalogue_of(model, prepared)
    answers, example = Answers.of(catalogue, dataset), catalogue.ids[:3].tolist()
    with TemporaryDirectory() as folder:
        save_model(Path(folder), model)
        return log_version(
            name, catalogue, Path(folder), Profile.of(dataset), answers, {}, example, {}, run.info.run_id
        )[1]


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an application on a port of the system's choice; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
