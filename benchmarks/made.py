"""What benchmarks measure on: random data, whose speed is that of real ones of the same size, and fresh models."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.evaluation.scoring import View, rank_among_all, score_candidates
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.settings.schema import ModelSettings, TrainingSettings
from solid.training.loop import fit
from solid.training.state import TrainingState


@dataclass(frozen=True)
class Size:
    """Of the data, of a model, and of an update."""

    users: int = 3000
    items: int = 9500
    events: int = 30
    classes: int = 590
    length: int = ModelSettings().length
    batch_size: int = TrainingSettings().batch_size


@dataclass(frozen=True)
class Speed:
    """Of one model: targets trained a second, users a second ranked among 1 + 99 items and among all."""

    targets: float
    sampled: float
    full: float


def data(size: Size) -> Dataset:
    """Users with random events."""
    rng = np.random.default_rng(0)
    items = rng.integers(1, size.items + 1, size.users * size.events).astype(np.int32)
    sequences = Sequences(items, np.arange(size.users + 1) * size.events, size.items)
    candidates = {split: sequences.untouched().sample_different(99, rng) for split in ("valid", "test")}
    return Dataset(
        pd.DataFrame(index=range(size.users)), pd.DataFrame(index=range(size.items)), sequences, candidates, {}
    )


def model(size: Size, backbone: str, head: str) -> Recommender:
    """With fresh weights, and as the settings are by default."""
    torch.manual_seed(0)
    solid = head == "solid"
    config = ModelConfig(
        head=head, ids="both" if solid else "item", modality=None, n_items=size.items, digest="",
        n_classes=size.classes if solid else 0, model=ModelSettings(backbone=backbone, length=size.length),
    )  # fmt: skip
    classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(size.items) % size.classes + 1])
    return Recommender(config, classes if solid else None)


def measure(fresh: Recommender, dataset: Dataset, epochs: int, **training: Any) -> Speed:
    """Train for some epochs, and rank for as many times; of each the median."""
    rates: list[float] = []
    settings = TrainingSettings(epochs=epochs, patience=epochs, **training)
    state = TrainingState("", "valid_full_ndcg_10")
    fit(fresh, dataset, settings, state, lambda done: rates.append(done.targets_per_second))
    fresh.eval()
    view = View.of(fresh, dataset, "test")
    sampled, full = (
        median([seconds(partial(rank, fresh, view, 1024)) for _ in range(epochs)])
        for rank in (score_candidates, rank_among_all)
    )
    return Speed(median(rates), dataset.n_users / sampled, dataset.n_users / full)


def seconds(work: Callable[[], Any]) -> float:
    """That something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(values: list[float]) -> float:
    """As a plain number."""
    return float(np.median(values))


def machine() -> str:
    """What a figure comes from: processor, threads, versions."""
    model_names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    processor = model_names[0] if model_names else platform.processor()
    threads, python = torch.get_num_threads(), platform.python_version()
    return f"{processor}, {threads} thread(s), torch {torch.__version__}, Python {python}"


def _lines(place: str) -> list[str]:
    path = Path(place)
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
