"""Which models to mix, and how much of each: what the validation events want, one model at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.data.dataset import Dataset
from solid.data.sequences import spread
from solid.evaluation.measure import measure_one
from solid.evaluation.scoring import View
from solid.metrics.base import Metric
from solid.mixture.model import distribution, mix
from solid.models.config import BaseConfig
from solid.models.protocols import LOGITS_AT_ONCE, Model
from solid.settings.heads import MixtureSettings

Shares = dict[str, float]
Ints = NDArray[np.int64]
_USERS_AT_ONCE = 512
_WORTH = 1.002  # a further model costs time at each answer; it has to bring this much


def pick_shares(
    models: Mapping[str, Model],
    dataset: Dataset,
    metric: Metric,
    settings: MixtureSettings,
    tell: Callable[[Shares, float], object],
) -> Shares:
    """The models to mix and their shares, which sum to one, the largest first.

    Begins with the best model and gives some of the sum to another, or to one that is in it already, as long as that
    raises the metric (ensemble selection: Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of
    models", ICML 2004).

    Args:
        models: by name, trained on these items.
        dataset: whose validation events decide.
        metric: higher is better; each user has a value.
        settings: how many models, the shares to try, how many users judge.
        tell: is told of everything that was tried.
    """
    users = spread(dataset.n_users, settings.users)
    tried: Sequence[Shares] = [{name: 1.0} for name in models]
    best: Shares = {}
    value = 0.0
    while tried:
        values = _judge(models, tried, dataset, users, metric)
        for shares, found in zip(tried, values, strict=True):
            tell(shares, found)
        first = max(range(len(tried)), key=values.__getitem__)
        adds = len(tried[first]) > len(best) > 0
        if best and values[first] <= value * (_WORTH if adds else 1):
            break
        best, value = tried[first], values[first]
        tried = [_with(best, name, share) for name in models for share in settings.shares]
        tried = [shares for shares in tried if len(shares) <= settings.models]
    return dict(sorted(best.items(), key=lambda item: -item[1]))


def _with(shares: Shares, name: str, share: float) -> Shares:
    """Give a share of the sum to one of the models; the others keep what they have of the rest."""
    rest = {other: (1 - share) * old for other, old in shares.items()}
    return rest | {name: rest.get(name, 0.0) + share}


def _judge(
    models: Mapping[str, Model], tried: Sequence[Shares], dataset: Dataset, users: Ints, metric: Metric
) -> list[float]:
    """The mean of the metric over these users for each of the mixtures; every model scores every user once."""
    at_once = max(1, min(_USERS_AT_ONCE, LOGITS_AT_ONCE // dataset.n_items))
    sums = np.zeros(len(tried))
    for start in range(0, len(users), at_once):
        some = dataset.only(users[start : start + at_once])
        shares_of = {name: _distributions(model, some) for name, model in models.items()}
        for place, shares in enumerate(tried):
            mixed = _Mixed(some.n_items, mix((share, shares_of[name]) for name, share in shares.items()))
            view = View(some, "valid", torch.zeros(some.n_users, 1, dtype=torch.long))  # nothing more is read
            sums[place] += some.n_users * measure_one(mixed, view, metric, at_once)
    return [float(value) for value in sums / len(users)]


@torch.inference_mode()
def _distributions(model: Model, dataset: Dataset) -> Tensor:
    histories = View.of(model, dataset, "valid").histories
    return distribution(model, model.encode(histories.to(model.device)))


class _Mixed:
    """What some models say of some users, mixed and ready to be judged."""

    device = torch.device("cpu")

    def __init__(self, n_items: int, scores_BN: Tensor) -> None:
        self.config = BaseConfig(head="mixture", n_items=n_items, digest="")
        self.scores_BN = scores_BN

    def encode(self, items_BL: Tensor) -> Tensor:
        """The scores of all items, for the users that they are of."""
        return self.scores_BN

    def score(self, user: Tensor, candidates_BC: Tensor) -> Tensor:
        """The scores [B, C] of candidates."""
        return user.gather(1, candidates_BC - 1)

    def score_all(self, user: Tensor) -> Tensor:
        """The scores [B, N] of all items."""
        return user
