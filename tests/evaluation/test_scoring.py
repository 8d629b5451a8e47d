"""Ranks among all items: by hand, against loops, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rows import user_metrics
from torch import Tensor

from solid.data.dataset import Dataset
from solid.data.sequences import Sequences
from solid.errors import DataError
from solid.evaluation import scoring
from solid.evaluation.scoring import View, rank_among_all
from solid.metrics.base import FULL, UNMASKED
from solid.metrics.measured import rank_metrics
from solid.metrics.ties import Ranks
from solid.models.config import ModelConfig
from solid.models.layers import Rows
from solid.models.protocols import Encoded
from solid.models.recommender import Recommender
from solid.models.storage import load_model
from solid.settings.schema import ModelSettings

N_ITEMS = 9


class Table(Recommender):
    """Scores are small integers, so that they tie and no product rounds them; the last item read chooses the row."""

    def __init__(self, seed: int) -> None:
        settings = ModelSettings(dim=4, length=3)
        super().__init__(
            ModelConfig(
                head="static", ids="item", modality=None, n_items=N_ITEMS, n_classes=0, model=settings, fusion=None,
                digest="d",
            )
        )  # fmt: skip
        self.table = torch.from_numpy(np.random.default_rng(seed).integers(-1, 2, (N_ITEMS + 1, N_ITEMS))).float()
        self.logits: list[int] = []

    def encode(self, items_BL: Tensor) -> Encoded:
        last = items_BL.gather(1, (items_BL > 0).sum(1, keepdim=True) - 1).squeeze(1)
        rows = self.table[last]
        return Encoded(rows, items_BL > 0, Rows.last(items_BL), rows, torch.nn.Identity(), {})

    def score_all(self, user: Encoded) -> Tensor:
        self.logits.append(user.hidden_BLD.numel())
        return user.hidden_BLD.clone()


def dataset_of(events: list[list[int]]) -> Dataset:
    """Users with these events, and nothing else that a full ranking reads."""
    offsets = np.cumsum([0, *map(len, events)])
    sequences = Sequences(np.concatenate(events).astype(np.int32), offsets, N_ITEMS)
    users = pd.DataFrame({"user_id": [str(user) for user in range(len(events))]})
    return Dataset(users, pd.DataFrame({"item_id": range(N_ITEMS)}), sequences, {}, {})


def told(ranks: Ranks) -> list[list[int]]:
    return [ranks.above.tolist(), ranks.tied.tolist(), ranks.others.tolist()]


def full(model: Recommender, dataset: Dataset, batch_size: int) -> list[list[int]]:
    return told(rank_among_all(model, View.of(model, dataset, "test"), batch_size)[FULL])


def test_ranks_by_hand(prepared: Path, models: dict[str, Path]) -> None:
    dataset = Dataset.load(prepared)
    # ann: 3 of 3 4 5 6 7 8   bob: 6 of 6 1 2 3 7 8   cy: 2 of 2 4 6 8
    static, solid = load_model(models["static"]), load_model(models["SOLID <text>"])
    assert full(static, dataset, 2) == [[5, 2, 3], [0, 0, 0], [5, 5, 3]]
    assert full(solid, dataset, 2) == [[1, 3, 0], [1, 0, 1], [5, 5, 3]]
    # Nothing left out: behind 2 and 8, tied with 4; behind 2, 8, 3 and 4; tied with 8.
    unmasked = rank_among_all(solid, View.of(solid, dataset, "test"), 2)[UNMASKED]
    assert told(unmasked) == [[2, 4, 0], [1, 0, 1], [7, 7, 7]]


def test_validation_leaves_out_what_came_before_and_not_the_test_item() -> None:
    model = Table(0)
    model.table[3] = torch.tensor([9.0, 1, 9, 2, 3, 0, 0, 0, 0])
    # Validation item 2 scores 1; 1 and 3 came before it; 4, the test item, scores 2, and 5 scores 3.
    view = View.of(model, dataset_of([[1, 3, 2, 4]]), "valid")
    ranks = rank_among_all(model, view, 8)
    assert told(ranks[FULL]) == [[2], [0], [6]]
    assert told(ranks[UNMASKED]) == [[4], [0], [8]]


def test_items_that_a_model_does_not_know_stand_below_all_others() -> None:
    model, dataset = Table(0), dataset_of([[1, 2, 3], [1, 2, 4], [1, 2, 5]])
    model.table[1] = torch.tensor([3.0, 2, 1, 0, 0, 0, 0, 0, -9])
    # The data's item 1 is the model's 9, its 3 the model's 1 and so on; 4 and 5 are unknown.
    numbers = np.array([0, 9, 8, 1, 0, 0, 2, 3, 4, 5])
    view = View(dataset, "test", torch.ones(3, 3, dtype=torch.int64), numbers)
    ranks = rank_among_all(model, view, 2)
    assert told(ranks[UNMASKED]) == [[0, 7, 7], [0, 1, 1], [8, 8, 8]]
    assert told(ranks[FULL]) == [[0, 5, 5], [0, 1, 1], [6, 6, 6]]


def test_a_held_out_item_that_was_touched_before_is_ranked() -> None:
    model = Table(0)
    model.table[2] = torch.tensor([1.0, 5, 2, 1, 0, 0, 1, 0, 0])
    # Target 1 scores 1; 2 and 3 were seen, and of 4 to 9 two are tied with it.
    assert full(model, dataset_of([[1, 3, 2, 1]]), 8) == [[0], [2], [6]]


histories = st.lists(st.lists(st.integers(1, N_ITEMS), min_size=3, max_size=8), min_size=1, max_size=7)


@given(histories, st.integers(0, 99), st.integers(1, 8))
def test_agrees_with_a_list_of_all_items_a_user(events: list[list[int]], seed: int, batch_size: int) -> None:
    model = Table(seed)
    rows = [
        (user, model.table[touched[-2], item - 1].item(), item == touched[-1])
        for user, touched in enumerate(events)
        for item in range(1, N_ITEMS + 1)
        if item == touched[-1] or item not in touched
    ]
    expected = user_metrics(*map(np.array, zip(*rows, strict=True))).per_user
    ranks = rank_among_all(model, View.of(model, dataset_of(events), "test"), batch_size)
    found = rank_metrics(ranks[FULL], FULL).per_user
    assert list(found) == [f"full_{name}" for name in expected]
    for name, values in expected.items():
        np.testing.assert_allclose(found[f"full_{name}"], values, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("bound", "largest"), [(1, N_ITEMS), (2 * N_ITEMS + 1, 2 * N_ITEMS), (1 << 24, 6 * N_ITEMS)])
def test_memory_is_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, bound: int, largest: int) -> None:
    events = np.random.default_rng(0).integers(1, N_ITEMS + 1, (13, 5)).tolist()
    expected = full(Table(1), dataset_of(events), 13)
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", bound)
    model = Table(1)
    assert full(model, dataset_of(events), 6) == expected
    assert max(model.logits) == largest
    assert sum(model.logits) == 13 * N_ITEMS


def test_a_score_that_is_not_finite_is_refused_and_the_mode_is_kept(prepared: Path, models: dict[str, Path]) -> None:
    model, dataset = load_model(models["static"]), Dataset.load(prepared)
    for training in (True, False):
        full(model.train(training), dataset, 2)
        assert model.training == training
    with torch.no_grad():
        model.items.id.weight[7] = torch.nan  # no user's target or candidate
    model.train()
    with pytest.raises(DataError, match=r"among all items are not finite.*learning_rate"):
        full(model, dataset, 2)
    assert model.training
