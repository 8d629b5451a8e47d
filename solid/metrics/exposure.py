"""What the first K of everybody's ranking show: the matter of metrics that look beyond accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from solid.metrics.ties import Float, Int


@dataclass(frozen=True)
class Exposure:
    """How often each item stands among the first K, over all users.

    Where scores at the end of a list are equal, the list is a draw among them, and these are expectations.

    Attributes:
        shown: float64 [N], expected number of users who see the item.
        seen: float64 [N], chance that at least one does.
        popularity: int64 [N], interactions of the item in training; 0 for one that was never trained.
    """

    shown: Float
    seen: Float
    popularity: Int

    def mean(self, values: Float) -> float:
        """Mean of values [N] over all places of all lists."""
        return float((self.shown * values).sum() / self.shown.sum())
