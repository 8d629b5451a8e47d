"""Counts what the first K of everybody's ranking show, batch by batch, in memory that does not grow with the users.

Items with the score of the K-th share the places that are left: each of t tied items has the chance p = places / t.
Legend: B users at once, N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from solid.metrics.exposure import Exposure


class ExposureCounter:
    """Adds up over batches.

    Args:
        n_items: N.
        cutoffs: every K, ascending.
    """

    def __init__(self, n_items: int, cutoffs: Sequence[int]) -> None:
        self.cutoffs = cutoffs
        self._shown = {k: np.zeros(n_items) for k in cutoffs}
        self._unseen = {k: np.ones(n_items) for k in cutoffs}

    def add(self, scores_BN: Tensor) -> None:
        """Count the lists of scores [B, N] on the CPU; -inf is never shown."""
        n_items = scores_BN.shape[1]
        top = scores_BN.topk(min(self.cutoffs[-1] + 1, n_items))
        values, items = top.values.numpy(), top.indices.numpy()
        for k in self.cutoffs:
            last, following = values[:, min(k, n_items) - 1], values[:, min(k, n_items - 1)]
            clear = (last > following) & (last > -np.inf)
            shown = np.bincount(items[clear, :k].ravel(), minlength=n_items)
            self._shown[k] += shown
            self._unseen[k][shown > 0] = 0
            if not clear.all():
                chance = _chances(scores_BN.numpy()[~clear], last[~clear], k)
                self._shown[k] += chance.sum(axis=0)
                self._unseen[k] *= (1 - chance).prod(axis=0)

    def exposures(self, popularity: NDArray[np.int64]) -> dict[int, Exposure]:
        """What was shown so far, by K; ``popularity`` [N] of the items in training."""
        return {k: Exposure(self._shown[k], 1 - self._unseen[k], popularity) for k in self.cutoffs}


def _chances(scores_BN: NDArray[np.float32], last_B: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    """Of each item to be on each list [B, N] whose last score is shared, or which is shorter than k."""
    above = scores_BN > last_B[:, None]
    tied = (scores_BN == last_B[:, None]) & (last_B > -np.inf)[:, None]
    places = k - above.sum(axis=1)
    chance = np.minimum(places / np.maximum(tied.sum(axis=1), 1), 1.0)
    chances: NDArray[np.float64] = above + tied * chance[:, None]
    return chances
