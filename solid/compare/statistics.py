"""Is one model better than another, or is it luck with these users and seeds? Errors clustered both ways answer.

The data are differences d[u, s] between two models for the same user u and the same seed s. A user's differences are
alike over seeds, and a seed's are alike over users, so the U x S values are far from independent. The standard error
of their mean m is therefore clustered both ways (Cameron, Gelbach and Miller, "Robust inference with multiway
clustering", Journal of Business & Economic Statistics 29(2), 2011, section 2.3), here for a mean. With residuals
e[u, s] = d[u, s] - m, N of them:

    V = V_users + V_seeds - V_cells
    V_users = U / (U - 1) * sum over u of (sum over s of e[u, s])^2 / N^2
    V_seeds = S / (S - 1) * sum over s of (sum over u of e[u, s])^2 / N^2
    V_cells = N / (N - 1) * sum over u, s of e[u, s]^2 / N^2

If V is not positive, which the subtraction allows, the largest of the three takes its place. m / sqrt(V) is
held against Student's t with S - 1 degrees of freedom, the smaller of the two numbers of clusters less one; with one
seed, V = V_users and the degrees of freedom are U - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from solid.errors import DataError


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences.

    Attributes:
        mean: over users and seeds.
        error: standard error, clustered over users and over seeds.
        low: lower end of the 95 % interval.
        high: upper end of it.
        p: two-sided, of no difference; not corrected for other comparisons.
        freedom: degrees of freedom.
        users: compared.
        seeds: compared.
    """

    mean: float
    error: float
    low: float
    high: float
    p: float
    freedom: int
    users: int
    seeds: int


def paired_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> Difference:
    """Compare the values [U, S] of model a with those of model b, of the same users and seeds.

    Users without a value (NaN) from both models for every seed are left out.

    Raises:
        DataError: fewer than two users remain.
    """
    d = a - b
    d = d[~np.isnan(d).any(axis=1)]
    users, seeds = d.shape
    if users < 2:
        raise DataError(f"{users} users have values from both models; a comparison needs two at least")
    mean = float(d.mean())
    error = sqrt(_variance(d - mean))
    freedom = seeds - 1 if seeds > 1 else users - 1
    if error > 0:
        p = float(2 * student.sf(abs(mean) / error, freedom))
        reach = float(student.ppf(0.975, freedom)) * error
    else:  # the same difference for every user and seed
        p, reach = (1.0 if mean == 0 else 0.0), 0.0
    return Difference(mean, error, mean - reach, mean + reach, p, freedom, users, seeds)


def _variance(e: NDArray[np.float64]) -> float:
    """Of the mean, from the residuals [U, S]."""
    by_users = _clustered(e.sum(axis=1), e.size)
    if e.shape[1] == 1:
        return by_users
    by_seeds = _clustered(e.sum(axis=0), e.size)
    by_cells = _clustered(e.ravel(), e.size)
    both = by_users + by_seeds - by_cells
    return both if both > 0 else max(by_users, by_seeds, by_cells)


def _clustered(sums: NDArray[np.float64], n: int) -> float:
    """Variance of the mean of n values whose residuals sum up to ``sums`` [G] within G clusters."""
    return float(len(sums) / (len(sums) - 1) * np.square(sums).sum() / n**2)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number, in the same order (Holm, Scandinavian Journal of Statistics 6(2), 1979).

    The k-th smallest of n is multiplied by n - k + 1, is at least as large as those before it, and at most 1.
    """
    corrected, largest = [0.0] * len(p), -inf
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, (len(p) - rank) * p[index])
        corrected[index] = min(1.0, largest)
    return corrected
