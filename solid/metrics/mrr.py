"""Mean reciprocal rank of the first positive, if it is among the first K (Voorhees, TREC-8, 1999)."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import PerUser
from solid.metrics.ties import Float, Int, TieGroups


def mrr(groups: TieGroups, k: int) -> Float:
    """Expected 1 / rank of the first positive, 0 beyond k [U]; NaN without a positive.

    It lies in the first tie group that has positives. The places of that group are draws without replacement: the
    chance that the first positive is drawn at a place is that of none before and one there.
    """
    has = groups.positives > 0
    before: Int = np.cumsum(has) - has  # groups with positives before each, of any user
    own = np.flatnonzero(has & (before == before[groups.first][groups.owner]) & (groups.above < k))
    above, size, positives = groups.above[own], groups.size[own], groups.positives[own]
    none_yet, expected = np.ones(len(own)), np.zeros(len(own))
    for place in range(min(k, size.max(initial=0))):
        hit = np.clip(positives / np.maximum(size - place, 1), 0, 1)
        rank = above + place + 1
        expected += np.where((place < size) & (rank <= k), none_yet * hit / rank, 0)
        none_yet *= 1 - hit
    gain = np.zeros(has.size)
    gain[own] = expected
    return np.where(groups.by_user(groups.positives) > 0, groups.by_user(gain), np.nan)


MRR = PerUser("mrr", "MRR", "1 / rank of the held-out item, if it is among the first {k}", cut=True, of=mrr)
