"""Draws of items that users never touched, all users at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Untouched:
    """For each of U users, the items of 1..N that it did not touch; only those that it did are held.

    Attributes:
        n_items: N.
        offsets: where each user's different touched items begin [U + 1].
        keys: sorted; what :meth:`_nth` looks up.
    """

    n_items: int
    offsets: Ints
    keys: Ints

    @classmethod
    def of(cls, users: Ints, items: NDArray[Any], n_users: int, n_items: int) -> Self:
        """All but these events: users [E] and items [E], in any order."""
        width = n_items + 1
        users, items = np.divmod(np.unique(users * width + items), width)
        offsets = np.searchsorted(users, np.arange(n_users + 1))
        order = np.arange(len(items)) - offsets[users]
        return cls(n_items, offsets, users * width + items - 1 - order)

    def count(self, users: Ints) -> Ints:
        """How many items each of these users [B] did not touch."""
        return self.n_items - (self.offsets[users + 1] - self.offsets[users])

    def sample(self, users: Ints, n: int, rng: np.random.Generator) -> Ints:
        """Draw [B, n] items, each uniform over those that the user of its row [B] did not touch.

        Draws are independent, so a row may hold an item twice.

        Raises:
            DataError: a user touched every item.
        """
        counts = self.count(users)
        if counts.min() == 0:
            raise DataError("a user touched every item, so no negative can be drawn for it; bring more items")
        return self._nth(users[:, None], rng.integers(0, counts[:, None], size=(len(users), n)))

    def sample_different(self, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw for every user n different items [U, n]; every set of n is equally likely.

        Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 30(9), 1987), all users at once:
        n draws a user, however few items are left to choose from.

        Raises:
            DataError: a user did not touch fewer than n items.
        """
        users = np.arange(len(self.offsets) - 1)
        counts = self.count(users)
        if (fewest := counts.min()) < n:
            remedy = f"set prepare.negatives to at most {fewest}, or bring more items" if fewest else "bring more items"
            raise DataError(
                f"users with fewer than {n} items that they never touched: {(counts < n).sum():,}; {remedy}"
            )
        ranks = np.empty((n, len(users)), dtype=np.int64)
        for drawn in range(n):
            newest = counts - n + drawn
            rank = rng.integers(0, newest + 1)
            ranks[drawn] = np.where((ranks[:drawn] == rank).any(axis=0), newest, rank)
        return self._nth(users[:, None], ranks.T).astype(np.int32)

    def _nth(self, users: Ints, ranks: Ints) -> Ints:
        """The untouched item of each rank (0 = the smallest) of each user.

        That item is ``rank + 1`` pushed up by every touched item below it, and the j-th touched item t_j lies below
        it exactly when fewer untouched items precede t_j than rank + 1, that is ``t_j - 1 - j <= rank``.
        """
        pushed = np.searchsorted(self.keys, users * (self.n_items + 1) + ranks, side="right") - self.offsets[users]
        return ranks + 1 + pushed
