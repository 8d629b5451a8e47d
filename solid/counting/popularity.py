"""Popular, and popular lately."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solid.counting.reading import Float


def popularity(items: NDArray[np.integer[Any]], n_items: int, weights: Float | None = None) -> Float:
    """Share [N] of each item 1..N among events; with weights, of their sum."""
    counts = np.bincount(items - 1, weights=weights, minlength=n_items).astype(np.float64)
    shares: Float = counts / max(counts.sum(), 1e-300)
    return shares


def recency(times: NDArray[np.int64], half_life: float) -> Float:
    """Weights of events [E] that halve with every ``half_life`` before the last of them.

    Args:
        times: when each happened, in any unit.
        half_life: as a share of the time from the first event to the last.
    """
    span = max(int(times.max()) - int(times.min()), 1)
    weights: Float = 0.5 ** ((times.max() - times) / (half_life * span))
    return weights
