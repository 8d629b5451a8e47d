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
    some = np.flatnonzero((groups.positives > 0) & (drawn > 0))
    left, of, draws = groups.negatives[some], size[some], drawn[some]
    missed = np.ones(len(some))
    for draw in range(draws.max(initial=0)):
        missed *= np.where(draw < draws, np.maximum(left - draw, 0) / np.maximum(of - draw, 1), 1.0)
    miss = np.ones(size.size)
    miss[some] = missed
    hit = 1 - np.multiply.reduceat(miss, groups.first)
    return np.where(groups.by_user(groups.positives) > 0, hit, np.nan)


HR = PerUser("hr", "HR", "chance that the held-out item is among the first {k}", cut=True, of=hr)
