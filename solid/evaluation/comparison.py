"""Does one model beat another on the same users, or is it luck? The paired bootstrap over users answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError

_DRAWS_AT_ONCE = 1 << 20  # bounds the memory: 8 MiB of indices and as much of values


@dataclass(frozen=True)
class Comparison:
    """Model a against model b on one per-user metric; plain numbers, so ``dataclasses.asdict`` is ready for JSON.

    Attributes:
        difference: mean over users of a - b.
        low: lower end of the 95 % bootstrap interval of the difference.
        high: upper end of it.
        win_share: share of resamples in which a has the higher mean; a tie counts half.
        n: users compared.
        resamples: how many times the users were drawn anew.
        seed: of the draws.
    """

    difference: float
    low: float
    high: float
    win_share: float
    n: int
    resamples: int
    seed: int


def paired_bootstrap(a: NDArray[np.float64], b: NDArray[np.float64], resamples: int, seed: int) -> Comparison:
    """Compare per-user values [U] of two models on the same users by the percentile bootstrap (Efron, 1979).

    Users are drawn with replacement; both models see the same draw, so what makes a user easy or hard for both
    cancels out. Users for whom either value is NaN (no AUC) are left out.

    Raises:
        DataError: the two do not cover the same users, or no user has a value from both.
    """
    if a.shape != b.shape:
        raise DataError(f"per-user values of {a.shape} and {b.shape} users: evaluate both models on the same users")
    difference = (a - b)[~(np.isnan(a) | np.isnan(b))]
    n = difference.size
    if n == 0:
        raise DataError("no user has a value from both models, so they cannot be compared")
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    chunk = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        means[start : start + rows] = difference[rng.integers(0, n, (rows, n))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Comparison(
        difference=float(difference.mean()),
        low=float(low),
        high=float(high),
        win_share=float(np.mean(means > 0) + np.mean(means == 0) / 2),
        n=n,
        resamples=resamples,
        seed=seed,
    )
