"""The metrics of one model: per user where a user has a value, one number where not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError
from solid.metrics.base import CANDIDATES, LISTS, Metric, OfLists, Pooled, Ranking
from solid.metrics.catalogue import CUTOFFS, metrics_of
from solid.metrics.exposure import Exposure
from solid.metrics.ties import Float, Floats, Int, Ranks, TieGroups


@dataclass(frozen=True)
class UserMetrics:
    """Metrics of one model on one set of users.

    Attributes:
        users: int64 [U], the users in ascending order.
        metrics: what was measured, in the order of files.
        per_user: float64 [U] by column; NaN where undefined (AUC of a user without both labels, NDCG and HR of a user
            without a positive).
        of_all: by name, of metrics that no single user has.
    """

    users: Int
    metrics: Sequence[Metric]
    per_user: Mapping[str, Float]
    of_all: Mapping[str, float]

    def summarise(self) -> dict[str, float]:
        """One number a metric, by its name; per-user values are averaged where defined."""
        return {
            metric.name: self.of_all[metric.name]
            if metric.column is None
            else float(np.nanmean(self.per_user[metric.column]))
            for metric in self.metrics
        }

    def __or__(self, other: UserMetrics) -> Self:
        """With other metrics of the same users."""
        return type(self)(
            self.users,
            [*self.metrics, *other.metrics],
            {**self.per_user, **other.per_user},
            {**self.of_all, **other.of_all},
        )


def candidate_metrics(scores: NDArray[Any], cutoffs: Sequence[int] = CUTOFFS) -> UserMetrics:
    """Evaluate logits [U, 1 + negatives] with each user's one positive in column 0; user = row.

    Raises:
        DataError: a score is not finite.
    """
    _check_finite(scores.ravel(), lambda row: row // scores.shape[1])
    groups = TieGroups.of_ranks(Ranks.of_scores(scores))
    return _among_candidates(groups, scores[:, 0], scores[:, 1:].ravel(), cutoffs)


def rank_metrics(ranks: Ranks, ranking: Ranking, cutoffs: Sequence[int] = CUTOFFS) -> UserMetrics:
    """Evaluate ranks among all items, with or without those that the user touched before, as ``ranking`` says.

    The metrics mean the same as those of :func:`candidate_metrics`, with all the negatives in place of a sample.
    """
    metrics, groups = metrics_of(ranking, cutoffs), TieGroups.of_ranks(ranks)
    return UserMetrics(groups.users, metrics, _per_user(metrics, groups), {})


def list_metrics(users: Int, exposures: Mapping[int, Exposure]) -> UserMetrics:
    """Evaluate what the first K items of everybody's ranking show, for every K of ``exposures``."""
    metrics = metrics_of(LISTS, exposures)
    of_all = {
        metric.name: metric.family.of(exposures[metric.cutoff])
        for metric in metrics
        if isinstance(metric.family, OfLists) and metric.cutoff
    }
    return UserMetrics(users, metrics, {}, of_all)


def _among_candidates(groups: TieGroups, positives: Floats, negatives: Floats, cutoffs: Sequence[int]) -> UserMetrics:
    metrics = metrics_of(CANDIDATES, cutoffs)
    positives, negatives = np.sort(positives), np.sort(negatives)  # the order of rows must not show in the last digits
    of_all = {
        metric.name: metric.family.of(positives, negatives) for metric in metrics if isinstance(metric.family, Pooled)
    }
    return UserMetrics(groups.users, metrics, _per_user(metrics, groups), of_all)


def _check_finite(score: NDArray[Any], user_of: Callable[[Any], Any]) -> None:
    broken = np.flatnonzero(~np.isfinite(score))
    if broken.size:
        raise DataError(
            f"{broken.size} of {score.size} scores are not finite (first: row {broken[0]}, user {user_of(broken[0])}, "
            f"{score[broken[0]]}); the model has diverged, train it again with a lower training.learning_rate"
        )


def _per_user(metrics: Sequence[Metric], groups: TieGroups) -> dict[str, Float]:
    return {metric.column: metric.values(groups) for metric in metrics if metric.column}
