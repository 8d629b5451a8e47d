"""Ranks of held-out items among all others, from what was counted alone: nothing [U, N] is ever formed."""

from __future__ import annotations

from typing import Any

import numpy as np

from solid.counting.reading import Float, Ints
from solid.metrics.ties import Ranks


def rank_counted(shares: Any, popularity: Float, share: float, touched: tuple[Ints, Ints], targets: Ints) -> Ranks:
    """Rank each row's target by (1 - share) counted + share popular, among the items that the row has not touched.

    Most items were not counted for a user: their order is that of popularity, the same for everybody, so that places
    among them are looked up, and only counted and touched items are looked at one by one.

    Args:
        shares: of counted items, rows that sum to one [B, N].
        popularity: [N].
        share: p, of popularity.
        touched: rows and columns of what was touched; a target among them is ranked all the same.
        targets: column of each row's held-out item [B].
    """
    n_rows, n_items = shares.shape
    rows = np.arange(n_rows)
    base = share * popularity
    ordered = np.sort(base)

    counted = np.repeat(rows, np.diff(shares.indptr)) * n_items + shares.indices
    scores = (1 - share) * shares.data + base[shares.indices]
    out = np.unique(np.concatenate([touched[0] * n_items + touched[1], rows * n_items + targets]))

    own = base[targets].copy()
    place = np.searchsorted(counted, rows * n_items + targets)
    place[place == len(counted)] = 0
    hit = counted[place] == rows * n_items + targets if len(counted) else np.zeros(n_rows, bool)
    own[hit] = scores[place[hit]]

    above = n_items - np.searchsorted(ordered, own, "right")
    tied = n_items - np.searchsorted(ordered, own, "left") - above
    left = ~np.isin(counted, out, assume_unique=True)
    # What is not at its place by popularity: taken away there, and put back by its own score where it takes part.
    moved = np.concatenate([out, counted[left]])
    owner, column = np.divmod(moved, n_items)
    above -= _count(base[column] > own[owner], owner, n_rows)
    tied -= _count(base[column] == own[owner], owner, n_rows)
    owner = counted[left] // n_items
    above += _count(scores[left] > own[owner], owner, n_rows)
    tied += _count(scores[left] == own[owner], owner, n_rows)
    return Ranks(above, tied, n_items - _count(np.ones(len(out), bool), out // n_items, n_rows))


def _count(which: Any, rows: Ints, n_rows: int) -> Ints:
    return np.bincount(rows[which], minlength=n_rows).astype(np.int64)
