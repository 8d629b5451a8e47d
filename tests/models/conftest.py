"""Small models with every kind of head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.settings.heads import ApgSettings, FinetuneSettings, FusionSettings
from solid.settings.schema import ModelSettings

N_ITEMS, N_CLASSES, DIM, LENGTH = 50, 12, 8, 10


@pytest.fixture
def make_model() -> Callable[..., Recommender]:
    """Build a small model; other keywords are fusion settings, for solid."""

    def make(
        head: str,
        ids: str = "item",
        *,
        backbone: str = "sasrec",
        form: str = "released",
        dropout: float = 0.0,
        apg: Any = None,
        vectors: Any = None,
        **fusion: Any,
    ) -> Recommender:
        torch.manual_seed(0)
        classes = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(N_ITEMS) % N_CLASSES + 1])
        reads_classes = head == "solid" or ids != "item"
        config = ModelConfig(
            head=head, ids=ids, modality="id_text" if reads_classes else None, n_items=N_ITEMS,
            n_classes=N_CLASSES if reads_classes else 0, digest="d",
            model=ModelSettings(
                form=form, backbone=backbone, dim=DIM, length=LENGTH, attention_heads=2, dropout=dropout,
                layers=1 if form == "released" else 2,
            ),
            finetune=FinetuneSettings() if head == "finetune" else None,
            apg=apg or ApgSettings(rank=4), fusion=FusionSettings(**fusion) if head == "solid" else None,
        )  # fmt: skip
        return Recommender(config, classes if reads_classes else None, vectors)

    return make


@pytest.fixture
def histories() -> torch.Tensor:
    """Histories of lengths 1 to 10, right-padded [10, 10]."""
    generator = torch.Generator().manual_seed(1)
    items = torch.randint(1, N_ITEMS + 1, (10, LENGTH), generator=generator)
    return items * (torch.arange(LENGTH) <= torch.arange(10).unsqueeze(1))


@pytest.fixture
def candidates() -> torch.Tensor:
    """Candidates [10, 5] of the users of ``histories``."""
    return torch.randint(1, N_ITEMS + 1, (10, 5), generator=torch.Generator().manual_seed(2))
