"""The metrics of one model: per user where a user has a value, over all rows where not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError
from solid.metrics.base import CANDIDATES, FULL, Metric, PerUser, Pooled
from solid.metrics.catalogue import metrics_of
from solid.metrics.ties import Float, Int, Ranks, TieGroups


@dataclass(frozen=True)
class UserMetrics:
    """Metrics of one model on one set of users.

    Attributes:
        users: int64 [U], the users in ascending order.
        metrics: what was measured, in the order of files.
        per_user: float64 [U] by column; NaN where undefined (AUC of a user without both labels, NDCG and HR of a user
            without a positive).
        pooled: by name, of metrics that no single user has.
    """

    users: Int
    metrics: Sequence[Metric]
    per_user: dict[str, Float]
    pooled: dict[str, float]

    def summarise(self) -> dict[str, float]:
        """One number a metric, by its name; per-user values are averaged where defined."""
        return {
            metric.name: self.pooled[metric.name]
            if metric.column is None
            else float(np.nanmean(self.per_user[metric.column]))
            for metric in self.metrics
        }

    def __or__(self, other: UserMetrics) -> Self:
        """With other metrics of the same users."""
        return type(self)(
            self.users, [*self.metrics, *other.metrics], self.per_user | other.per_user, self.pooled | other.pooled
        )


def user_metrics(user: NDArray[Any], score: NDArray[Any], label: NDArray[Any]) -> UserMetrics:
    """Evaluate flat rows; users may have any number of rows and of positives, in any order.

    Args:
        user: integers [R].
        score: logits [R]; only log loss depends on more than their order.
        label: 0 or 1 [R].

    Raises:
        DataError: a score is not finite, a label is neither 0 nor 1, or no user has both labels.
    """
    user, score, label = np.asarray(user), np.asarray(score, np.float64), np.asarray(label)
    if not user.shape == score.shape == label.shape == (user.size,):
        raise DataError(f"user, score and label must be flat and of one length: {user.shape, score.shape, label.shape}")
    broken = np.flatnonzero(~np.isfinite(score))
    if broken.size:
        raise DataError(
            f"{broken.size} of {score.size} scores are not finite (first: row {broken[0]}, user {user[broken[0]]}, "
            f"{score[broken[0]]}); the model has diverged, train it again with a lower training.learning_rate"
        )
    if not np.isin(label, (0, 1)).all():
        raise DataError("labels must be 0 or 1; turn ratings into positives and negatives first")

    best_first = np.argsort(-score)
    user, score, label = user[best_first], score[best_first], label[best_first].astype(np.int64)
    pooled = TieGroups.of(np.zeros_like(user), score, label)
    by_user = np.argsort(user, kind="stable")  # stable: each user's rows stay best first
    groups = TieGroups.of(user[by_user], score[by_user], label[by_user])
    if not (groups.by_user(groups.positives) * groups.by_user(groups.negatives)).any():
        raise DataError("no user has both a positive and a negative row, so nothing can be ranked; add candidates")
    return _of_groups(metrics_of(CANDIDATES), groups, pooled)


def candidate_metrics(scores: NDArray[Any]) -> UserMetrics:
    """Evaluate logits [U, 1 + negatives] with each user's one positive in column 0; user = row."""
    users, width = scores.shape
    label = np.zeros((users, width), np.int64)
    label[:, 0] = 1
    return user_metrics(np.repeat(np.arange(users), width), scores.ravel(), label.ravel())


def full_metrics(ranks: Ranks) -> UserMetrics:
    """Evaluate ranks among all items.

    The metrics mean the same as those of :func:`candidate_metrics`, with all the negatives in place of a sample.
    """
    return _of_groups(metrics_of(FULL), TieGroups.of_ranks(ranks), None)


def _of_groups(metrics: Sequence[Metric], groups: TieGroups, pooled: TieGroups | None) -> UserMetrics:
    per_user: dict[str, Float] = {}
    of_all: dict[str, float] = {}
    for metric in metrics:
        family, arguments = metric.family, [metric.cutoff] if metric.cutoff else []
        if isinstance(family, PerUser):
            assert metric.column is not None
            per_user[metric.column] = family.of(groups, *arguments)
        elif isinstance(family, Pooled):
            assert pooled is not None
            of_all[metric.name] = family.of(pooled)
    return UserMetrics(groups.users, metrics, per_user, of_all)
