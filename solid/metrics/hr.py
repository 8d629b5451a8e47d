"""Hit ratio: whether there is a positive among the first K."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import PerUser
from solid.metrics.ties import Float, TieGroups


def hr(groups: TieGroups, k: int) -> Float:
    """Chance that a positive is among the first k [U]; NaN without a positive.

    The part of a tie group inside the first k is a draw without replacement, so it misses every positive with
    the hypergeometric probability C(negatives, drawn) / C(size, drawn), here the product over the draws.
    """
    size = groups.size
    drawn = np.clip(k - groups.above, 0, size)
    miss = np.ones(size.size)
    some = np.flatnonzero((groups.positives > 0) & (drawn > 0))
    draw = np.arange(k)
    left, of = groups.negatives[some, None] - draw, size[some, None] - draw
    chances = np.maximum(left, 0) / np.maximum(of, 1)
    miss[some] = np.where(draw < drawn[some, None], chances, 1.0).prod(axis=1)
    hit = 1 - np.multiply.reduceat(miss, groups.first)
    return np.where(groups.by_user(groups.positives) > 0, hit, np.nan)


HR = PerUser("hr", "HR", "chance that the held-out item is among the first {k}", cut=True, of=hr)
