"""Mean popularity of what is recommended (ARP; Yin et al., "Challenging the long tail recommendation", VLDB 2012)."""

from __future__ import annotations

from solid.metrics.base import OfLists
from solid.metrics.exposure import Exposure


def popularity(exposure: Exposure) -> float:
    """Mean training interactions of the items, over all places."""
    return exposure.mean(exposure.popularity.astype(float))


POPULARITY = OfLists(
    "popularity",
    "popularity",
    "mean training interactions of a recommended item; neither high nor low is better in itself",
    higher_is_better=None,
    of=popularity,
)
