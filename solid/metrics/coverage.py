"""Coverage of the catalogue (Herlocker et al., "Evaluating collaborative filtering", TOIS 22(1), 2004)."""

from __future__ import annotations

from solid.metrics.base import OfLists
from solid.metrics.exposure import Exposure


def coverage(exposure: Exposure) -> float:
    """Expected share of all items that somebody sees."""
    return float(exposure.seen.mean())


COVERAGE = OfLists("coverage", "coverage", "share of all items that somebody sees", of=coverage)
