"""Vectors become classes, by k-means (method section 3.1)."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from solid.errors import DataError, SettingsError
from solid.semantics.vectors import Float32

_STARTS = 3  # k-means keeps the best of so many starts
_LLOYD_ITEMS = 50_000  # beyond, exact k-means (items x classes x width a pass) takes a quarter of an hour and more
_NOTHING = 1e-6  # of a vector of length 1

Int32 = NDArray[np.int32]


def number_of_classes(setting: int | str, items: int) -> int:
    """The number of classes K to ask for: the setting, or for ``auto`` min(6 √N, N / 3) and at least 2.

    The paper's nine configurations (method section 3.1) have K / √N = 13.8 Scientific, 11.5 Electronics, 6.2
    Instruments, 6.1 Arts, 5.9 Office, 5.3 Douban Music, 5.1 Douban Book, 2.8 CDs and 1.6 ML-1M: the median is 5.9.
    A third of the items is the densest of them (Scientific), and a class of fewer than three items shares little.

    Raises:
        SettingsError: a number below 2 or above the number of items.
    """
    if isinstance(setting, str):
        return max(2, min(round(6 * sqrt(items)), items // 3))
    if not 2 <= setting <= items:
        raise SettingsError(f"semantics.classes is {setting}; {items} items allow 2 to {items} classes, or 'auto'")
    return setting


def cluster(vectors: Float32, classes: int, seed: int) -> tuple[Int32, str]:
    """Group rows [N, d] by k-means into at most ``classes`` classes, none of them empty.

    Equal rows count as one weighted point, so they share a class and the order of the items cannot matter.

    Returns:
        The class of each row, int32 [N] from 1 in the order of first appearance, and the algorithm in words.

    Raises:
        DataError: all rows are equal.
    """
    # Rows as opaque bytes, which sort far quicker than rows of numbers; + 0.0 turns -0.0 into 0.0.
    rows = np.ascontiguousarray(vectors + 0.0).view(f"V{vectors.shape[1] * vectors.itemsize}").ravel()
    _, first, point, weight = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    if first.size < 2:
        raise DataError("all items have the same vector, so there is nothing to cluster; choose another modality")
    k = min(classes, first.size)
    if first.size <= _LLOYD_ITEMS:
        algorithm, kmeans = f"k-means, best of {_STARTS} starts", KMeans(k, n_init=_STARTS, random_state=seed)
    else:  # on 60,000 x 128, batches of 4 k explained .31 of the variance in 9 s, exact k-means .33 in 30 s
        algorithm = f"mini-batch k-means, batches of {4 * k}, best of {_STARTS} starts"
        kmeans = MiniBatchKMeans(k, n_init=_STARTS, batch_size=4 * k, random_state=seed)
    with threadpool_limits(1):  # several threads add in no fixed order: last digits would differ
        labels = kmeans.fit(vectors[first], sample_weight=weight).labels_[point]
    _, appearance, label = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(appearance))
    return (rank[label] + 1).astype(np.int32), algorithm


def residual_clusters(vectors: Float32, classes: int, levels: int, seed: int) -> tuple[Int32, str]:
    """Group rows [N, d] at each level by what the class means of the levels before leave of them.

    (Residual quantisation, as in TIGER: Rajput et al., "Recommender systems with generative retrieval", NeurIPS 2023;
    k-means in place of its autoencoder.) There are fewer levels where nothing is left.

    Returns:
        The classes of each row, int32 [N, S] with S of at most ``levels``, and the algorithm of the first in words.

    Raises:
        DataError: all rows are equal.
    """
    first, algorithm = cluster(vectors, classes, seed)
    found, rest = [first], vectors
    while len(found) < levels:
        rest = rest - _means(rest, found[-1])
        rest[np.abs(rest).max(axis=1) < _NOTHING] = 0  # rounding is no reason for a class
        if not rest.any():
            break
        found.append(cluster(rest, classes, seed)[0])
    return np.column_stack(found), algorithm


def _means(vectors: Float32, classes: Int32) -> Float32:
    """The mean of each row's class [N, d]."""
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)[1:]
    sums = np.add.reduceat(vectors[order], np.cumsum(sizes) - sizes, axis=0, dtype=np.float64)
    return (sums / sizes[:, None])[classes - 1].astype(np.float32)
