"""Event sequences of all users: targets, and windows before them.

Two flat arrays hold everything, so that each question is a gather and memory grows with the events alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from solid.data.untouched import Untouched
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


def spread(n: int, most: int) -> Ints:
    """At most so many of 0..n-1, evenly spread, ascending."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(np.int64))


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
        predicted = self.trained.copy()
        predicted[self.offsets[:-1]] = False
        return np.flatnonzero(predicted)

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Which events [E] training may look at: all but a user's last two."""
        trained = np.ones(len(self.items), dtype=bool)
        trained[self.offsets[1:] - 1] = trained[self.offsets[1:] - 2] = False
        return trained

    def before(self, split: Literal["valid", "test"]) -> Ints:
        """Event indices [T] that come before each user's event of a held-out split, ascending."""
        left_out = np.zeros(len(self.items), dtype=bool)
        for place in range(1, 3 if split == "valid" else 2):
            left_out[self.offsets[1:] - place] = True
        return np.flatnonzero(~left_out)

    def users_of(self, events: Ints) -> Ints:
        """Users [B] of the events [B]."""
        return self._owners[events]

    def windows(self, events: Ints, length: int) -> Ints:
        """Items [B, length] of the same user just before each event [B], oldest first, right-padded with 0."""
        return last_items(self._padded, self.offsets[self.users_of(events)], events, length)

    def untouched(self, events: Ints | None = None) -> Untouched:
        """The items that each user never touched; with events [E], that it did not touch in these."""
        which = slice(None) if events is None else events
        return Untouched.of(self._owners[which], self.items[which], self.n_users, self.n_items)

    @cached_property
    def _owners(self) -> Ints:
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    @cached_property
    def _padded(self) -> Ints:
        """The items with the padding item at the end, where windows send the places they do not fill."""
        return np.append(self.items, 0).astype(np.int64)
