"""Novelty: mean self-information (Zhou et al., PNAS 107(10), 2010; Vargas and Castells, RecSys 2011)."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import OfLists
from solid.metrics.exposure import Exposure


def novelty(exposure: Exposure) -> float:
    """Mean of -log2 of an item's share of the training interactions, over all places, in bits.

    One interaction is added to every item, so that one that was never trained has a share.
    """
    smoothed = exposure.popularity + 1.0
    return exposure.mean(-np.log2(smoothed / smoothed.sum()))


NOVELTY = OfLists(
    "novelty",
    "novelty",
    "bits that a recommended item's share of the training interactions is worth: rarer items have more",
    of=novelty,
)
