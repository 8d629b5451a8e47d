"""Recall: the share of a user's positives among the first K; with one held-out item a user it is the hit ratio."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import PerUser
from solid.metrics.ties import Float, TieGroups, ratio


def recall(groups: TieGroups, k: int) -> Float:
    """Expected share of the positives among the first k [U]; NaN without a positive."""
    inside = np.clip(k - groups.above, 0, groups.size) / np.maximum(groups.size, 1)
    return ratio(groups.by_user(groups.positives * inside), groups.by_user(groups.positives))


RECALL = PerUser("recall", "recall", "share of the held-out items among the first {k}", cut=True, of=recall)
