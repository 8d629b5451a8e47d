"""Gini index: how unevenly items are recommended (Gini, 1912; Fleder and Hosanagar, Management Science 55(5), 2009)."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import OfLists
from solid.metrics.exposure import Exposure


def gini(exposure: Exposure) -> float:
    """Of the users who see each item, over all N items: 0 where all are seen equally often, 1 - 1/N where one is.

    With x ascending, sum over i of (2 i - N - 1) x_i / (N sum of x).
    """
    shown = np.sort(exposure.shown)
    n = len(shown)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * shown).sum() / (n * shown.sum()))


GINI = OfLists(
    "gini",
    "Gini",
    "how unevenly items are seen: 0 all alike, 1 one alone",
    higher_is_better=False,
    of=gini,
)
