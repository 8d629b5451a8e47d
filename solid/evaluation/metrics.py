"""Ranking metrics per user and over all rows, in which equal scores never profit from the order of a file.

Rows with equal scores of one user form a *tie group*. AUC counts a tie as half a win; NDCG and HR take the
expectation over all orders of the group, in closed form, so that they need no seed and a constant score gives
exactly the value of chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError

CUTOFFS = (5, 10, 20)
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class UserMetrics:
    """Metrics of one model on one set of rows.

    Attributes:
        users: int64 [U], the users in ascending order.
        per_user: float64 [U] under ``auc``, ``ndcg_K`` and ``hr_K``, and under the names of :func:`full_metrics`
            where those were added; NaN where undefined (AUC of a user without both labels, NDCG and HR of a user
            without a positive).
        auc: AUC over the rows of all users together.
        logloss: mean binary log loss of all rows, in nats.
    """

    users: Int
    per_user: dict[str, Float]
    auc: float
    logloss: float

    def summarise(self) -> dict[str, float]:
        """One number a metric; per-user values are averaged where defined, and the mean of AUC is named ``uauc``."""
        means = {name.replace("auc", "uauc"): float(np.nanmean(values)) for name, values in self.per_user.items()}
        return {"auc": self.auc, "uauc": means.pop("uauc"), "logloss": self.logloss, **means}


def user_metrics(user: NDArray[Any], score: NDArray[Any], label: NDArray[Any]) -> UserMetrics:
    """Evaluate flat rows; users may have any number of rows and of positives, in any order.

    NDCG@K has binary gains, the discount 1 / log2(1 + rank) and the ideal order of the user's own positives as its
    norm; HR@K says whether any positive is among the first K.

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
    pooled = _TieGroups.of(np.zeros_like(user), score, label)
    by_user = np.argsort(user, kind="stable")  # stable: each user's rows stay best first
    groups = _TieGroups.of(user[by_user], score[by_user], label[by_user])
    per_user = {"auc": groups.auc()}
    if np.isnan(per_user["auc"]).all():
        raise DataError("no user has both a positive and a negative row, so nothing can be ranked; add candidates")
    for k in CUTOFFS:
        per_user[f"ndcg_{k}"] = groups.ndcg(k)
        per_user[f"hr_{k}"] = groups.hr(k)
    return UserMetrics(groups.users, per_user, auc=float(pooled.auc()[0]), logloss=pooled.logloss())


def candidate_metrics(scores: NDArray[Any]) -> UserMetrics:
    """Evaluate logits [U, 1 + negatives] with each user's one positive in column 0; user = row."""
    users, width = scores.shape
    label = np.zeros((users, width), np.int64)
    label[:, 0] = 1
    return user_metrics(np.repeat(np.arange(users), width), scores.ravel(), label.ravel())


@dataclass(frozen=True)
class Ranks:
    """Where the one positive of each user stands among its negatives.

    Attributes:
        above: int64 [U], negatives that score higher.
        tied: int64 [U], negatives with the same score.
        others: int64 [U], all negatives.
    """

    above: Int
    tied: Int
    others: Int


def full_metrics(ranks: Ranks) -> dict[str, Float]:
    """Per-user values [U] of ranks among all items: ``full_auc``, ``full_ndcg_K`` and ``full_hr_K``.

    They mean the same as those of :func:`candidate_metrics`, with all the negatives in place of a sample.
    """
    users = np.arange(len(ranks.above))
    # NDCG and HR depend on nothing but the tie group of the positive.
    groups = _TieGroups(
        users=users,
        first=users,
        owner=users,
        score=np.zeros(len(users)),
        above=ranks.above,
        positives=np.ones_like(users),
        negatives=ranks.tied,
    )
    per_user = {"full_auc": _ratio(2 * (ranks.others - ranks.above) - ranks.tied, 2 * ranks.others)}
    for k in CUTOFFS:
        per_user[f"full_ndcg_{k}"] = groups.ndcg(k)
        per_user[f"full_hr_{k}"] = groups.hr(k)
    return per_user


@dataclass(frozen=True)
class _TieGroups:
    """Counts per tie group, of rows sorted by user and then from the highest score down.

    G groups in all; a user's groups are neighbours, and ``first`` [U] is the first group of each user.
    """

    users: Int  # [U]
    first: Int  # [U]
    owner: Int  # [G] which of the users
    score: Float  # [G]
    above: Int  # [G] rows of the same user that score higher
    positives: Int  # [G]
    negatives: Int  # [G]

    @classmethod
    def of(cls, user: NDArray[Any], score: NDArray[Any], label: NDArray[Any]) -> _TieGroups:
        new_user = _changes(user)
        start = np.flatnonzero(new_user | _changes(score))
        size = np.diff(start, append=user.size)
        positives = np.add.reduceat(label, start)
        owner = np.cumsum(new_user)[start] - 1
        user_start = np.flatnonzero(new_user)
        return cls(
            users=user[user_start].astype(np.int64),
            first=np.searchsorted(start, user_start),
            owner=owner,
            score=score[start],
            above=start - user_start[owner],
            positives=positives,
            negatives=size - positives,
        )

    def auc(self) -> Float:
        """Share of (positive, negative) pairs in the right order, ties half [U]; NaN without both labels."""
        positives, negatives = self._by_user(self.positives), self._by_user(self.negatives)
        seen = np.cumsum(self.negatives) - self.negatives  # negatives in earlier groups, of any user
        below = negatives[self.owner] - (seen - seen[self.first][self.owner]) - self.negatives
        twice_won = self._by_user(self.positives * (2 * below + self.negatives))
        pairs = positives * negatives
        return _ratio(twice_won, 2 * pairs)

    def ndcg(self, k: int) -> Float:
        """Expected NDCG@k [U]: each positive of a tie group has the mean discount of the group's ranks."""
        discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of the first 0..k ranks
        size = self.positives + self.negatives
        mean = (discount[np.minimum(self.above + size, k)] - discount[np.minimum(self.above, k)]) / size
        positives = self._by_user(self.positives)
        return _ratio(self._by_user(self.positives * mean), discount[np.minimum(positives, k)])

    def hr(self, k: int) -> Float:
        """Chance that a positive is among the first k [U].

        The part of a tie group inside the first k is a draw without replacement, so it misses every positive with
        the hypergeometric probability C(negatives, drawn) / C(size, drawn), here the product over the draws.
        """
        size = self.positives + self.negatives
        drawn = np.clip(k - self.above, 0, size)
        miss = np.ones(size.size)
        some = np.flatnonzero((self.positives > 0) & (drawn > 0))
        draw = np.arange(k)
        left, of = self.negatives[some, None] - draw, size[some, None] - draw
        chances = np.maximum(left, 0) / np.maximum(of, 1)
        miss[some] = np.where(draw < drawn[some, None], chances, 1.0).prod(axis=1)
        hit = 1 - np.multiply.reduceat(miss, self.first)
        return np.where(self._by_user(self.positives) > 0, hit, np.nan)

    def logloss(self) -> float:
        """Mean of log(1 + exp(-score)) over positives and log(1 + exp(score)) over negatives."""
        loss = self.positives * np.logaddexp(0, -self.score) + self.negatives * np.logaddexp(0, self.score)
        return float(loss.sum() / (self.positives.sum() + self.negatives.sum()))

    def _by_user(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(values, self.first)


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first always does."""
    return np.concatenate([[True], values[1:] != values[:-1]])[: values.size]


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Float:
    """NaN where the denominator is 0."""
    quotient = np.full(numerator.size, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
