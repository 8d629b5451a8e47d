"""Losses against their formulas, on a model whose logits are written by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from solid.data.sequences import Sequences
from solid.errors import SettingsError
from solid.kinds import LOSSES
from solid.settings.schema import TrainingSettings
from solid.training.learned import Learned
from solid.training.losses.base import Asked, Loss
from solid.training.losses.softmax import SoftmaxInParts

ITEMS = 5
LOGITS = torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0], [1.5, 0.25, -0.5, 3.0, -2.0]])  # of two rows
TARGETS = torch.tensor([3, 1])
# Two users; items 1 2 3 and 4 1 are learned, the last two of each are held out.
SEQUENCES = Sequences(np.array([1, 2, 3, 4, 5, 4, 1, 2, 3], np.int32), np.array([0, 5, 9]), ITEMS)


class Model:
    """Its vectors are rows of logits, and its items the unit vectors."""

    backbone = SimpleNamespace(depends_on_candidate=False)
    items = SimpleNamespace(all=lambda: torch.eye(ITEMS))

    def target(self, items: torch.Tensor) -> torch.Tensor:
        return items

    def score(self, user: Any, candidates: torch.Tensor) -> torch.Tensor:
        return LOGITS.gather(1, candidates - 1)

    def score_same(self, user: Any, candidates: torch.Tensor) -> torch.Tensor:
        return LOGITS[:, candidates - 1]


def loss_of(name: str, monkeypatch: pytest.MonkeyPatch | None = None, **settings: Any) -> float:
    chosen = TrainingSettings(**settings)
    loss: Loss = LOSSES[name].load()(chosen, Learned.of(SEQUENCES, chosen))
    asked = Asked(Model(), SimpleNamespace(vectors=lambda: LOGITS), TARGETS, np.array([0, 1]))
    return float(loss(asked, np.random.default_rng(0)))


def drawn(n: int) -> np.ndarray:
    """The negatives of the rows: the first user learned 1 2 3, the second 4 1."""
    learned = Learned.of(SEQUENCES, TrainingSettings())
    return learned.untouched.sample(np.array([0, 1]), n, np.random.default_rng(0))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_negatives_may_be_what_a_user_touches_after_training() -> None:
    negatives = drawn(200)
    assert set(negatives[0]) == {4, 5}
    assert set(negatives[1]) == {2, 3, 5}


def test_softmax() -> None:
    rows = [
        math.log(sum(math.exp(x) for x in row)) - row[t - 1] for row, t in zip(LOGITS.tolist(), [3, 1], strict=True)
    ]
    assert loss_of("softmax") == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_bce() -> None:
    terms = []
    for row, target, negatives in zip(LOGITS.tolist(), [3, 1], drawn(3).tolist(), strict=True):
        terms.append(-math.log(sigmoid(row[target - 1])))
        terms += [-math.log(1 - sigmoid(row[item - 1])) for item in negatives]
    assert loss_of("bce", negatives=3) == pytest.approx(sum(terms) / 8, rel=1e-6)


@pytest.mark.parametrize("t", [0.0, 0.75, 1.0])
def test_gbce(t: float) -> None:
    alpha = 3 / (ITEMS - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    rows = []
    for row, target, negatives in zip(LOGITS.tolist(), [3, 1], drawn(3).tolist(), strict=True):
        positive = math.log(sigmoid(row[target - 1]) ** beta)
        rows.append(-(positive + sum(math.log(1 - sigmoid(row[item - 1])) for item in negatives)) / 4)
    assert loss_of("gbce", negatives=3, calibration=t) == pytest.approx(sum(rows) / 2, rel=1e-5)
    if t == 0:
        assert loss_of("gbce", negatives=3, calibration=0.0) == pytest.approx(loss_of("bce", negatives=3), rel=1e-5)


@pytest.mark.parametrize("sampling", ["uniform", "popularity", "batch"])
def test_sampled_softmax(sampling: str) -> None:
    rng = np.random.default_rng(0)
    # Targets of training are 2, 3 and 1: a third each.
    popularity = np.array([1, 1, 1, 0, 0]) / 3
    negatives, q = {
        "uniform": lambda: (rng.integers(1, 6, 4), np.full(5, 1 / 5)),
        "popularity": lambda: (rng.choice(5, 4, p=popularity) + 1, popularity),
        "batch": lambda: (TARGETS.numpy(), popularity),
    }[sampling]()
    rows = []
    for row, target in zip(LOGITS.tolist(), [3, 1], strict=True):
        others = [math.exp(row[j - 1]) / (len(negatives) * q[j - 1]) for j in negatives if j != target]
        rows.append(math.log(math.exp(row[target - 1]) + sum(others)) - row[target - 1])
    assert loss_of("sampled_softmax", sampling=sampling, negatives=4) == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_sampled_softmax_of_many_draws_is_the_softmax() -> None:
    assert loss_of("sampled_softmax", negatives=200_000) == pytest.approx(loss_of("softmax"), abs=0.01)


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_softmax_in_parts_has_the_value_and_the_gradients_of_cross_entropy(rows: int) -> None:
    torch.manual_seed(0)
    vectors, items = torch.randn(7, 4, requires_grad=True), torch.randn(9, 4, requires_grad=True)
    answers = torch.randint(0, 9, (7,))
    expected = functional.cross_entropy(vectors @ items.T, answers)
    expected_gradients = torch.autograd.grad(3 * expected, (vectors, items))
    loss = SoftmaxInParts.apply(vectors, items, answers, rows)
    torch.testing.assert_close(loss, expected)
    for gradient, right in zip(torch.autograd.grad(3 * loss, (vectors, items)), expected_gradients, strict=True):
        torch.testing.assert_close(gradient, right)
    on_a_trunk = SoftmaxInParts.apply(vectors, items.detach(), answers, rows)  # where items stay as they are
    torch.testing.assert_close(on_a_trunk, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * on_a_trunk, vectors)[0], expected_gradients[0])


def test_a_softmax_that_fits_no_memory_is_refused_before_any_work() -> None:
    with pytest.raises(SettingsError, match=r"softmax over 5 items .*training\.loss=sampled_softmax"):
        loss_of("softmax", softmax_memory=1e-5)
