"""How good classes are: the share of the vectors' variance they explain, how well they agree with categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from solid.semantics.clustering import Int32
from solid.semantics.vectors import Float32

Float64 = NDArray[np.float64]


def variance_explained(parts: dict[str, Float32], classes: Int32) -> tuple[dict[str, float | None], float | None]:
    """Share of the variance of vectors [N, d] that lies between classes [N]: of each part, and of all side by side.

    None where nothing varies.
    """
    squares = {part: _squares(vectors, classes) for part, vectors in parts.items()}
    within, total = (np.concatenate(columns) for columns in zip(*squares.values(), strict=True))
    return {part: _share(*columns) for part, columns in squares.items()}, _share(within, total)


def category_agreement(category: pd.Series[str], classes: Int32) -> float | None:
    """Normalised mutual information of the classes with given categories; None where fewer than two are known."""
    known: Any = (category != "").to_numpy()
    if category[known].nunique() < 2:
        return None
    return float(normalized_mutual_info_score(category[known], classes[known]))


def collisions(levels: Int32) -> dict[str, int]:
    """How far semantic ids [N, S] tell items apart: how many there are, how many items share one, at most how many."""
    _, sizes = np.unique(levels, axis=0, return_counts=True)
    return {"semantic_ids": len(sizes), "items_that_share_one": int(sizes[sizes > 1].sum()), "most": int(sizes.max())}


def explained_by_levels(parts: dict[str, Float32], levels: Int32) -> list[float | None]:
    """The share of the variance between the classes of the first level, of the first two together, and so on."""
    together = [np.unique(levels[:, : last + 1], axis=0, return_inverse=True)[1] for last in range(levels.shape[1])]
    return [variance_explained(parts, (ids.ravel() + 1).astype(np.int32))[1] for ids in together]


def _squares(vectors: Float32, classes: Int32) -> tuple[Float64, Float64]:
    """Sums of squares per column [d]: around the class means, and around the mean of all."""
    shifted = vectors - vectors[0]  # changes no variance, and makes that of a constant column exactly 0
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)[1:]
    sums = np.add.reduceat(shifted[order], np.cumsum(sizes) - sizes, axis=0, dtype=np.float64)
    raw = np.einsum("nd,nd->d", shifted, shifted, dtype=np.float64)
    within = raw - (sums**2 / sizes[:, None]).sum(axis=0)
    return np.maximum(within, 0), raw - sums.sum(axis=0) ** 2 / len(vectors)


def _share(within: Float64, total: Float64) -> float | None:
    """Share of the variance that lies between classes; None where nothing varies."""
    return float(1 - within.sum() / total.sum()) if total.sum() > 0 else None
