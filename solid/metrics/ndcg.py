"""Normalised discounted cumulative gain of the first K (Jarvelin and Kekalainen, TOIS 20(4), 2002)."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import PerUser
from solid.metrics.ties import Float, TieGroups, ratio


def ndcg(groups: TieGroups, k: int) -> Float:
    """Expected NDCG@k [U]: each positive of a tie group has the mean discount of the group's ranks.

    Gains are binary, the discount is 1 / log2(1 + rank), and the norm is the ideal order of the user's own positives.
    NaN without a positive.
    """
    discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])  # of the first 0..k ranks
    inside = discount[np.minimum(groups.above + groups.size, k)] - discount[np.minimum(groups.above, k)]
    mean = inside / np.maximum(groups.size, 1)
    positives = groups.by_user(groups.positives)
    return ratio(groups.by_user(groups.positives * mean), discount[np.minimum(positives, k)])


NDCG = PerUser(
    "ndcg", "NDCG", "1 / log2(1 + rank) of the held-out item, if it is among the first {k}", cut=True, of=ndcg
)
