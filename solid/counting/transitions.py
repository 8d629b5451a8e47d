"""Counted transitions: how often one item followed another, near or far, and smoothed by which items are alike.

The plain form is the association rule of sequences, weighted by distance (Ludewig and Jannach, "Evaluation of
session-based recommendation algorithms", UMUAI 28, 2018, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from solid.counting.reading import keep_largest, scale_rows
from solid.data.sequences import Sequences

_ROWS_AT_ONCE = 2048


def count_transitions(sequences: Sequences, window: int) -> Any:
    """How often item b came within ``window`` steps after item a in training, each time 1 / distance: [N, N].

    Args:
        sequences: whose training events are counted; validation and test events are not looked at.
        window: W, most steps from a to b.
    """
    trained = sequences.trained
    events = np.arange(len(sequences.items))
    owners = sequences.users_of(events)
    columns = sequences.items.astype(np.int64) - 1
    counts = sp.csr_array((sequences.n_items, sequences.n_items))
    for distance in range(1, min(window, len(events) - 1) + 1):
        later = events[distance:][trained[distance:] & (owners[distance:] == owners[:-distance])]
        weights = np.full(len(later), 1 / distance)
        counts = counts + sp.csr_array((weights, (columns[later - distance], columns[later])), shape=counts.shape)
    return counts


def both_ways(counts: Any, backward: float, flatten: float) -> Any:
    """Transitions T [N, N]: C + ``backward`` times its transpose, rows divided by their sum to the power ``flatten``.

    With ``flatten`` 0 an item that was seen often says more, with 1 every item says as much. Rows sum to one on
    average over the items that have any.
    """
    transitions = scale_rows(counts + backward * counts.T, flatten)
    sums = np.asarray(transitions.sum(axis=1)).ravel()
    mean = sums[sums > 0].mean() if (sums > 0).any() else 1.0
    return transitions / mean


@dataclass(frozen=True)
class Neighbours:
    """The k most alike items of every item.

    Attributes:
        items: int64 [N, k], columns from 0.
        cosines: float64 [N, k], at least 0.
    """

    items: NDArray[np.int64]
    cosines: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: NDArray[np.float32], k: int) -> Neighbours:
        """Find them among vectors [N, d], rows of length 1, or 0 for an item that has nothing and so no neighbour."""
        n_items = len(vectors)
        k = min(k, n_items - 1)
        found, cosines = np.zeros((n_items, k), np.int64), np.zeros((n_items, k))
        for start in range(0, n_items, _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, n_items))
            alike = vectors[rows] @ vectors.T
            alike[np.arange(len(alike)), np.arange(rows.start, rows.stop)] = -np.inf  # not itself
            found[rows] = np.sort(np.argpartition(-alike, k - 1, axis=1)[:, :k], axis=1)
            cosines[rows] = np.maximum(np.take_along_axis(alike, found[rows], axis=1), 0)
        return cls(found, cosines)

    def shares(self, power: float) -> Any:
        """K [N, N]: cosines to a power, rows that sum to one."""
        n_items, k = self.items.shape
        pointers = np.arange(0, n_items * k + 1, k)
        shares = sp.csr_array(((self.cosines**power).ravel(), self.items.ravel(), pointers), shape=(n_items, n_items))
        shares.eliminate_zeros()
        return scale_rows(shares, 1.0)


def smooth(transitions: Any, alike: Any, a: float, b: float, c: float, most: int) -> Any:
    """T' = T + a K T + b T K + c K [N, N], of each row the ``most`` largest entries.

    An item that was never counted gets what alike items have (a), items like those that followed get a share (b), and
    so do items like the one itself (c).
    """
    if not (a or b or c):
        return keep_largest(transitions, most)
    parts = []
    for start in range(0, transitions.shape[0], _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        own, near = transitions[rows], alike[rows]
        parts.append(keep_largest(own + a * (near @ transitions) + b * (own @ alike) + c * near, most))
    return sp.vstack(parts, format="csr")
