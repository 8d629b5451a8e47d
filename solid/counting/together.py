"""What was touched by the same users: ItemKNN, EASE, and sessions like this one."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from solid.counting.reading import dense_to_largest, keep_largest
from solid.data.sequences import Sequences
from solid.errors import SolidError

Floats = NDArray[np.float32]


def touched(sequences: Sequences) -> Any:
    """1 where a user touched an item in training, [U, N]."""
    events = np.flatnonzero(sequences.trained)
    ones = np.ones(len(events))
    columns = sequences.items[events].astype(np.int64) - 1
    seen = sp.csr_array((ones, (sequences.users_of(events), columns)), shape=(sequences.n_users, sequences.n_items))
    seen.data[:] = 1.0  # however often
    return seen


def item_neighbours(seen: Any, k: int, shrink: float) -> Any:
    """Cosine of items as sets of users, shrunk towards 0 where few users speak; the k nearest of each: [N, N].

    (Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001.)
    """
    common = sp.csr_array(seen.T @ seen)
    common.setdiag(0)
    common.eliminate_zeros()
    length = np.sqrt(np.asarray(seen.sum(axis=0)).ravel())
    rows = np.repeat(np.arange(common.shape[0]), np.diff(common.indptr))
    common.data = common.data / (length[rows] * length[common.indices] + shrink)
    return keep_largest(common, k)


def ease(seen: Any, ridge: float, side: float, vectors: NDArray[np.float32] | None, items: int, most: int) -> Any:
    """The linear item-item model with a zero diagonal in closed form, of each row the ``most`` largest entries: [N, N].

    B = I - P diag(1 / diag P) with P the inverse of X'X + ridge I (Steck, "Embarrassingly shallow autoencoders", WWW
    2019). With vectors V of the items, ``side`` V V' is added to X'X, as if each coordinate were one more user
    (Jeunen, Van Balen, Goethals, "Closed-form models for collaborative filtering with side-information", RecSys 2020).

    Args:
        seen: X [U, N].
        ridge: lambda.
        side: weight of the vectors.
        vectors: [N, d], or None.
        items: at most so many, the most touched, take part; time grows with the cube, memory with the square.
        most: entries of a row that are kept.
    """
    counts = np.asarray(seen.sum(axis=0)).ravel()
    part = np.sort(np.argsort(-counts, kind="stable")[:items])
    those = seen[:, part]
    gram = (those.T @ those).toarray().astype(np.float32)
    with threadpool_limits(1):  # several threads add in no fixed order
        if vectors is not None:
            own = vectors[part]
            gram += side * (own @ own.T)
        gram[np.diag_indices_from(gram)] += ridge
        weights = _inverse(gram)
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0)
    small = dense_to_largest(weights, most).tocoo()
    n_items = len(counts)
    return sp.csr_array((small.data, (part[small.row], part[small.col])), shape=(n_items, n_items))


def _inverse(matrix: Floats) -> Floats:
    """Of a symmetric positive definite matrix, in its own place: less than half the work of solving for the identity.

    Raises:
        SolidError: it is not positive definite, as far as 32 bits can tell.
    """
    # A row-major symmetric matrix read as a column-major one is itself, so LAPACK copies nothing.
    factor, failed = lapack.spotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
    if not failed:
        upper, failed = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed:
        raise SolidError("EASE: what items have in common cannot be inverted; raise the values of counting.ridge")
    inverse: Floats = np.triu(upper)
    inverse += np.triu(upper, 1).T
    return inverse


def sessions(seen: Any) -> Any:
    """Users as vectors of length 1, [U, N], among which a history finds those most like it.

    (Session kNN: Jannach and Ludewig, "When recurrent neural networks meet the neighborhood", RecSys 2017.)
    """
    lengths = np.sqrt(np.diff(seen.indptr))
    unit = sp.csr_array(seen)
    unit.data = unit.data / np.repeat(np.maximum(lengths, 1), np.diff(unit.indptr))
    return unit
