"""From histories to counted scores: which rows of a matrix a history picks, and the distribution they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Float = NDArray[np.float64]
NO_VECTORS = "none"
"""Picked in place of vectors of items."""
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Table:
    """What was counted.

    Attributes:
        matrix: float32 [N, N], row of an item: what it speaks for; or [U, N], users as vectors of length 1.
        popularity: float64 [N], shares.
    """

    matrix: Any
    popularity: Float


def read_histories(items: Ints, decay: float, n_items: int) -> Any:
    """Weights [B, N] of the items of right-padded histories [B, L], oldest first; 0 is padding.

    The last item weighs 1, each one before it ``decay`` times as much; an item that stands twice has both weights.
    """
    real = items > 0
    steps_back = real.sum(axis=1, keepdims=True) - 1 - np.arange(items.shape[1])
    rows, places = np.nonzero(real)
    weights = np.power(decay, steps_back[rows, places].astype(np.float64))
    return sp.csr_array((weights, (rows, items[rows, places] - 1)), shape=(len(items), n_items))


def distribution(scores: Any) -> Any:
    """Rows [B, N] of counted scores as shares that sum to one; what counts against an item is no share of anything.

    A row without any positive score stays empty.
    """
    shares = sp.csr_array(scores)
    shares.data = np.maximum(shares.data, 0.0)
    shares.eliminate_zeros()
    shares.sort_indices()
    return scale_rows(shares, 1.0)


def scale_rows(matrix: Any, power: float) -> Any:
    """Divide each row [N] by the given power of its sum; an empty row stays empty."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    factors = np.where(sums > 0, sums, 1.0) ** -power
    scaled = sp.csr_array(matrix)
    scaled.data = scaled.data * np.repeat(factors, np.diff(scaled.indptr))
    return scaled


def keep_largest(matrix: Any, most: int) -> Any:
    """Of each row the ``most`` entries of the largest size, of equal ones those of the first columns."""
    matrix = sp.csr_array(matrix)
    sizes = np.diff(matrix.indptr)
    if not len(sizes) or sizes.max() <= most:
        return matrix
    matrix.sort_indices()
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((matrix.indices, -np.abs(matrix.data), rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], sizes)  # within the row, the largest first
    kept = np.sort(order[place < most])
    pointers = np.append(0, np.cumsum(np.minimum(sizes, most)))
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], pointers), shape=matrix.shape)


def dense_to_largest(matrix: NDArray[np.float32], most: int) -> Any:
    """Sparse, of each row of a full matrix the ``most`` entries of the largest size that are not 0.

    Of equal ones those of the first columns.
    """
    parts = []
    most = min(most, matrix.shape[1])
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        rows = matrix[start : start + _ROWS_AT_ONCE]
        sizes = np.abs(rows)
        least = np.partition(sizes, -most, axis=1)[:, -most, None]
        kept, equal = sizes > least, sizes == least
        room = most - kept.sum(axis=1, keepdims=True)
        kept |= equal & (equal.cumsum(axis=1) <= room)
        parts.append(sp.csr_array(np.where(kept, rows, 0)))
    return sp.vstack(parts, format="csr")


def count_for(items: Ints, matrix: Any, decay: float, sessions: int | None = None) -> Any:
    """What was counted for histories [B, L], as shares [B, N] of rows that sum to one or are empty.

    Args:
        items: right-padded, oldest first.
        matrix: [N, N], rows of items; or [U, N], users as vectors of length 1, with ``sessions``.
        decay: of the weight, with every step back.
        sessions: how many of the users most like the history are asked; None where the matrix is of items.
    """
    history = read_histories(items, decay, matrix.shape[1])
    if sessions is not None:
        history = keep_largest(sp.csr_array(history @ matrix.T), sessions)
    return distribution(history @ matrix)
