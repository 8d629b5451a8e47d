"""Event sequences of all users: targets, windows before them, and items their users never touched.

Two flat arrays hold everything, so that each question is a gather and memory grows with the events alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError

Split = Literal["train", "valid", "test"]
Ints = NDArray[np.int64]


def last_items(padded: Ints, starts: Ints, ends: Ints, length: int) -> Ints:
    """The last ``length`` items of each ``padded[start:end]`` [B, length], oldest first, right-padded with 0.

    Args:
        padded: items of all sequences, and one 0 behind them for the places that a sequence does not fill.
        starts: where each of B sequences begins.
        ends: where it ends.
        length: L.
    """
    firsts = np.maximum(ends - length, starts)
    steps = np.arange(length)
    places = firsts[:, None] + steps
    places[steps >= (ends - firsts)[:, None]] = len(padded) - 1
    return padded[places]


@dataclass(frozen=True)
class Sequences:
    """The events of users 0..U-1 on items 1..N, user by user and by time; 0 is padding.

    Attributes:
        items: int32 [E], the item of every event.
        offsets: int64 [U + 1]; events ``offsets[u]`` up to ``offsets[u + 1]`` are user u's, at least three of them.
        n_items: N.
    """

    items: NDArray[np.int32]
    offsets: Ints
    n_items: int

    def __post_init__(self) -> None:
        if len(self.offsets) < 2 or self.offsets[0] != 0 or self.offsets[-1] != len(self.items):
            raise DataError("sequences: the offsets do not span the events; run prepare again")
        if np.diff(self.offsets).min() < 3:
            raise DataError("sequences: a user has fewer than three events; run prepare again")
        if self.items.min() < 1 or self.items.max() > self.n_items:
            raise DataError(f"sequences: an item id lies outside 1..{self.n_items}; run prepare again")

    @property
    def n_users(self) -> int:
        """U."""
        return len(self.offsets) - 1

    def targets(self, split: Split) -> Ints:
        """Event indices [T] that a split predicts, ascending: a user's last event is test, the one before it valid.

        Training predicts every event from the user's second on that comes before those two; valid and test have
        one target a user, in the order of the users. (Protocol: method section 4, leave one out.)
        """
        if split == "test":
            return self.offsets[1:] - 1
        if split == "valid":
            return self.offsets[1:] - 2
        trained = np.ones(len(self.items), dtype=bool)
        trained[self.offsets[:-1]] = trained[self.offsets[1:] - 1] = trained[self.offsets[1:] - 2] = False
        return np.flatnonzero(trained)

    def users_of(self, events: Ints) -> Ints:
        """Users [B] of the events [B]."""
        return self._owners[events]

    def windows(self, events: Ints, length: int) -> Ints:
        """Items [B, length] of the same user just before each event [B], oldest first, right-padded with 0."""
        return last_items(self._padded, self.offsets[self.users_of(events)], events, length)

    def sample_negatives(self, users: Ints, n: int, rng: np.random.Generator) -> Ints:
        """Draw [B, n] items, each uniform over those that the user of its row [B] never touched in any split.

        Draws are independent, so a row may hold an item twice.

        Raises:
            DataError: a user touched every item.
        """
        untouched = self._count_untouched(users)
        if untouched.min() == 0:
            raise DataError("a user touched every item, so no negative can be drawn for it; bring more items")
        ranks = rng.integers(0, untouched[:, None], size=(len(users), n))
        return self._untouched(users[:, None], ranks)

    def sample_candidates(self, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw for every user n different items [U, n] that it never touched; every set of n is equally likely.

        Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", CACM 30(9), 1987), all users at once:
        n draws a user, however few items are left to choose from.

        Raises:
            DataError: a user has fewer than n untouched items.
        """
        users = np.arange(self.n_users)
        untouched = self._count_untouched(users)
        if untouched.min() < n:
            fewest = untouched.min()
            remedy = f"set prepare.negatives to at most {fewest}, or bring more items" if fewest else "bring more items"
            raise DataError(
                f"users with fewer than {n} items that they never touched: {(untouched < n).sum():,}; {remedy}"
            )
        ranks = np.empty((n, self.n_users), dtype=np.int64)
        for drawn in range(n):
            newest = untouched - n + drawn
            rank = rng.integers(0, newest + 1)
            ranks[drawn] = np.where((ranks[:drawn] == rank).any(axis=0), newest, rank)
        return self._untouched(users[:, None], ranks.T).astype(np.int32)

    def _count_untouched(self, users: Ints) -> Ints:
        _, offsets, _ = self._touched
        return self.n_items - (offsets[users + 1] - offsets[users])

    def _untouched(self, users: Ints, ranks: Ints) -> Ints:
        """The untouched item of each rank (0 = the smallest) of each user.

        That item is ``rank + 1`` pushed up by every touched item below it, and the j-th touched item t_j lies below
        it exactly when fewer untouched items precede t_j than rank + 1, that is ``t_j - 1 - j <= rank``.
        """
        _, offsets, keys = self._touched
        pushed = np.searchsorted(keys, users * (self.n_items + 1) + ranks, side="right") - offsets[users]
        return ranks + 1 + pushed

    @cached_property
    def _owners(self) -> Ints:
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    @cached_property
    def _padded(self) -> Ints:
        """The items with the padding item at the end, where windows send the places they do not fill."""
        return np.append(self.items, 0).astype(np.int64)

    @cached_property
    def _touched(self) -> tuple[Ints, Ints, Ints]:
        """Distinct items by user and ascending, their offsets [U + 1], and the sorted keys ``_untouched`` looks up."""
        width = self.n_items + 1
        pairs: NDArray[Any] = np.unique(self._owners * width + self.items)
        users, items = np.divmod(pairs, width)
        offsets = np.searchsorted(users, np.arange(self.n_users + 1))
        order = np.arange(len(items)) - offsets[users]
        return items, offsets, users * width + items - 1 - order
