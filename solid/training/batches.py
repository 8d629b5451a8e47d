"""What an update reads: pieces of users' sequences, a batch of them in groups of about the same length.

Legend: P pieces, B pieces of a group, L positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solid.data.sequences import Sequences

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Pieces of a batch that are about as long.

    Attributes:
        items_BL: right-padded with 0.
        asked_BL: which of them are to be predicted from those before.
        users_B: whose they are.
    """

    items_BL: Ints
    asked_BL: NDArray[np.bool_]
    users_B: Ints


@dataclass(frozen=True)
class Pieces:
    """Runs of events, each of one user: every training target is asked for in exactly one of them.

    Attributes:
        sequences: whose events.
        starts_P: first event.
        asked_P: first event that is asked for.
        ends_P: behind the last event.
    """

    sequences: Sequences
    starts_P: Ints
    asked_P: Ints
    ends_P: Ints

    @classmethod
    def windows(cls, sequences: Sequences, targets: Ints, length: int) -> Self:
        """A piece for each target [P]: the ``length`` items before it, and itself."""
        first = sequences.offsets[sequences.users_of(targets)]
        return cls(sequences, np.maximum(targets - length, first), targets, targets + 1)

    @classmethod
    def whole(cls, sequences: Sequences, targets: Ints, length: int) -> Self:
        """Each user's targets in one piece, or where they are more than ``length`` in pieces of at most that many.

        A later piece asks for the newest half of its items alone: what is asked for has at least half a history
        before it, as it mostly has when the model is used.

        Args:
            sequences: whose events.
            targets: ascending; those of a user are neighbours.
            length: items that are read.
        """
        users, firsts, counts = np.unique(sequences.users_of(targets), return_index=True, return_counts=True)
        step = max(1, length // 2)
        pieces = 1 + np.maximum(0, -(-(counts - length) // step))
        owner = np.repeat(np.arange(len(users)), pieces)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        first = targets[firsts][owner]
        asked = first + np.where(number > 0, length + (number - 1) * step, 0)
        ends = np.minimum(first + length + number * step, first + counts[owner])
        starts = np.maximum(ends - 1 - length, sequences.offsets[users][owner])
        return cls(sequences, starts, asked, ends)

    def __len__(self) -> int:
        """P."""
        return len(self.starts_P)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[list[Group]]:
        """All pieces once, ``size`` at a time in random order."""
        order = rng.permutation(len(self))
        for start in range(0, len(order), size):
            yield list(self._groups(order[start : start + size]))

    def _groups(self, batch: Ints) -> Iterator[Group]:
        """The pieces of a batch, those of up to 4, 8, 16 ... items together: padding is then at most half."""
        lengths = self.ends_P[batch] - self.starts_P[batch]
        size = np.maximum(2, np.ceil(np.log2(lengths)))
        for chosen in np.unique(size):
            yield self._group(batch[size == chosen])

    def _group(self, chosen: Ints) -> Group:
        starts, ends, asked = self.starts_P[chosen], self.ends_P[chosen], self.asked_P[chosen]
        places_BL = starts[:, None] + np.arange((ends - starts).max())
        real_BL = places_BL < ends[:, None]
        items_BL = np.where(real_BL, self.sequences.items[np.minimum(places_BL, ends[:, None] - 1)], 0).astype(np.int64)
        return Group(items_BL, real_BL & (places_BL >= asked[:, None]), self.sequences.users_of(starts))
