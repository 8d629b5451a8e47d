"""Ranks in which equal scores never profit from the order of a file.

Rows with equal scores of one user form a *tie group*. AUC counts a tie as half a win; metrics of the first K take the
expectation over all orders of the group, in closed form, so that they need no seed and a constant score gives exactly
the value of chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """Where the one positive of each user stands among its negatives.

    Attributes:
        above: int64 [U], negatives that score higher.
        tied: int64 [U], negatives with the same score.
        others: int64 [U], all negatives.
    """

    above: Int
    tied: Int
    others: Int

    @classmethod
    def of_scores(cls, scores: NDArray[Any]) -> Self:
        """Of scores [U, 1 + n] with each user's positive in column 0."""
        positive, negatives = scores[:, :1], scores[:, 1:]
        above, tied = (np.count_nonzero(found, axis=1) for found in (negatives > positive, negatives == positive))
        return cls(above, tied, np.full(len(scores), negatives.shape[1]))


@dataclass(frozen=True)
class TieGroups:
    """Counts per tie group, of rows sorted by user and then from the highest score down.

    G groups in all; a user's groups are neighbours, and ``first`` [U] is the first group of each user.
    """

    users: Int  # [U]
    first: Int  # [U]
    owner: Int  # [G] which of the users
    above: Int  # [G] rows of the same user that score higher
    positives: Int  # [G]
    negatives: Int  # [G]

    @classmethod
    def of_ranks(cls, ranks: Ranks) -> Self:
        """The groups of users with one positive: what scores higher, the positive and its equals, the rest."""
        users = np.arange(len(ranks.above))
        below = ranks.others - ranks.above - ranks.tied
        nothing = np.zeros_like(users)
        return cls(
            users=users,
            first=3 * users,
            owner=np.repeat(users, 3),
            above=np.column_stack([nothing, ranks.above, ranks.above + ranks.tied + 1]).ravel(),
            positives=np.tile([0, 1, 0], len(users)),
            negatives=np.column_stack([ranks.above, ranks.tied, below]).ravel(),
        )

    @property
    def size(self) -> Int:
        """Rows of each group [G]."""
        return self.positives + self.negatives

    def by_user(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sums [U] of values [G] over each user's groups."""
        return np.add.reduceat(values, self.first)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Float:
    """NaN where the denominator is 0."""
    quotient = np.full(numerator.size, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
