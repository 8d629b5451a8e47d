"""Area under the ROC curve: the share of pairs of a positive and a negative in the right order."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import PerUser, Pooled
from solid.metrics.ties import Float, Floats, TieGroups, ratio


def auc(groups: TieGroups) -> Float:
    """Share of (positive, negative) pairs in the right order, ties half [U]; NaN without both labels."""
    positives, negatives = groups.by_user(groups.positives), groups.by_user(groups.negatives)
    seen = np.cumsum(groups.negatives) - groups.negatives  # negatives in earlier groups, of any user
    below = negatives[groups.owner] - (seen - seen[groups.first][groups.owner]) - groups.negatives
    twice_won = groups.by_user(groups.positives * (2 * below + groups.negatives))
    return ratio(twice_won, 2 * positives * negatives)


def pooled_auc(positives: Floats, negatives: Floats) -> float:
    """The same over the rows of all users: scores of positives [P] and of negatives [M], ascending."""
    twice_won = sum(int(np.searchsorted(negatives, positives, side).sum()) for side in ("left", "right"))
    return twice_won / (2 * len(positives) * len(negatives))


AUC = Pooled(
    "auc",
    "AUC",
    "chance that any user's held-out item scores above any other candidate of anybody",
    of=pooled_auc,
)
UAUC = PerUser(
    "uauc",
    "UAUC",
    "chance that the held-out item stands above one of the others, averaged over users",
    of=auc,
    column="auc",
)
