"""Item vectors on a plane, for looking at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

_NEIGHBOURS = 12  # t-SNE's perplexity: about two classes of usual size
_STEPS = 500  # t-SNE's; twice as many take twice as long and look the same
_ITEMS = 2000  # on a map; more of them take t-SNE minutes and hide each other
_COMPONENTS = 50  # t-SNE's input, as its authors advise; the rest is mostly noise


def project(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Place rows [N, D] on a plane [N, 2] so that neighbours stay neighbours (t-SNE, van der Maaten and Hinton 2008).

    Few rows have no neighbourhoods to keep; there the two main components are shown.
    """
    few = len(vectors) <= 3 * _NEIGHBOURS
    components = min(2 if few else _COMPONENTS, *vectors.shape)
    with threadpool_limits(1):  # threads add up in no fixed order, and t-SNE magnifies the last bits
        pca = PCA(components, svd_solver="full" if few else "covariance_eigh")
        plane: NDArray[np.float32] = pca.fit_transform(vectors)
        if not few:
            tsne = TSNE(2, perplexity=_NEIGHBOURS, max_iter=_STEPS, init="pca", random_state=seed)
            plane = tsne.fit_transform(plane)
    return plane


def map_rows(items: int, seed: int) -> NDArray[np.int64]:
    """Rows of the items that a map shows: every item, or a random sample."""
    if items <= _ITEMS:
        return np.arange(items)
    return np.sort(np.random.default_rng(seed).choice(items, _ITEMS, replace=False))
