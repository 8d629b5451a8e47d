"""Semantic ids: items clustered by what they are (method section 3.1), one table of classes per modality."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from solid.console import say
from solid.errors import DataError, SettingsError
from solid.settings.schema import MODALITIES, SemanticsSettings
from solid.storage.local import read_json, whole_folder, write_json

_STARTS = 3  # k-means keeps the best of so many starts
_LLOYD_ITEMS = 50_000  # beyond, exact k-means (items x classes x width a pass) takes a quarter of an hour and more

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]


def assign(
    prepared: Path,
    features: Path | None,
    embeddings: Path | None,
    modality: str,
    out: Path,
    settings: SemanticsSettings,
) -> None:
    """Cluster the items of ``prepared`` and write ``semantic_ids.parquet`` and ``quality.json`` to ``out``.

    The table has columns item and class (int32), row r = item r + 1; classes run from 1 to K without a gap in the
    order of their first item, 0 stays padding. The parts of the modality are read from ``embeddings/id.npy``,
    ``features/text.npy`` and ``features/image.npy``.

    Raises:
        SettingsError: no such modality, or a number of classes that these items cannot have.
        DataError: vectors are missing, broken or of other items, or all items have the same.
    """
    items_file = prepared / "items.parquet"
    if not items_file.is_file():
        raise DataError(f"{items_file}: no such file; is {prepared} the output of prepare?")
    items = pd.read_parquet(items_file, columns=["category"])
    digest = read_json(prepared / "stats.json")["digest"]
    parts = item_vectors(modality, features, embeddings, len(items))
    vectors = np.concatenate(list(parts.values()), axis=1)
    wanted = number_of_classes(settings.classes, len(items))
    classes, algorithm = cluster(vectors, wanted, settings.seed)
    sizes = np.bincount(classes)[1:]
    if sizes.size < wanted:
        say(f"{modality}: {sizes.size} classes instead of {wanted}, for no class may be empty")

    column = np.repeat(list(parts), [part.shape[1] for part in parts.values()])
    within, total = _squares(vectors, classes)
    quality = {
        "modality": modality,
        "parts": {
            part: {
                "dim": matrix.shape[1],
                "items_without": _empty_rows(matrix),
                "variance_explained": _explained(within[column == part], total[column == part]),
            }
            for part, matrix in parts.items()
        },
        "algorithm": algorithm,
        "seed": settings.seed,
        "items": len(items),
        "items_without_features": _empty_rows(vectors),
        "classes": sizes.size,
        "classes_wanted": wanted,
        "variance_explained": _explained(within, total),
        "category_nmi": _agreement(items["category"], classes),
        "class_size": {"min": int(sizes.min()), "median": float(np.median(sizes)), "max": int(sizes.max())},
        "class_sizes": sizes.tolist(),
        "digest": digest,
    }
    with whole_folder(out, holds="quality.json") as folder:
        table = pd.DataFrame({"item": np.arange(1, len(items) + 1, dtype=np.int32), "class": classes})
        table.to_parquet(folder / "semantic_ids.parquet", index=False)
        write_json(folder / "quality.json", quality)


def item_vectors(modality: str, features: Path | None, embeddings: Path | None, items: int) -> dict[str, Float32]:
    """The vectors [N, d] of each part of the modality, rows of length 1 (or 0 where an item has nothing).

    Raises:
        SettingsError: no such modality.
        DataError: vectors are missing, broken or of other than ``items`` items.
    """
    files = _vector_files(modality, features, embeddings)
    return {part: unit_rows(_read_vectors(path, items)) for part, path in files.items()}


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


def unit_rows(matrix: Float32) -> Float32:
    """Scale each row to length 1, so that every part weighs the same; zero rows stay zero."""
    length = np.sqrt(np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64))
    return (matrix / np.where(length > 0, length, 1)[:, None]).astype(np.float32)


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


def _vector_files(modality: str, features: Path | None, embeddings: Path | None) -> dict[str, Path]:
    """The file of each part of the modality, in the order of its name."""
    if modality not in MODALITIES:
        raise SettingsError(f"no modality {modality!r}; there are {', '.join(MODALITIES)}")
    folders = {"id": embeddings, "text": features, "image": features}
    files = {part: folder / f"{part}.npy" for part, folder in folders.items() if folder}
    there = {part for part, file in files.items() if file.is_file()}
    missing = [part for part in modality.split("_") if part not in there]
    if missing:
        looked = [
            f"{files[part]} does not exist" if part in files else f"no folder was given for {part}.npy"
            for part in missing
        ]
        possible = [name for name in MODALITIES if there.issuperset(name.split("_"))]
        raise DataError(
            f"modality {modality} lacks vectors: {'; '.join(looked)}. "
            f"With what is there, semantics.modalities may be: {', '.join(possible) or 'none'}"
        )
    return {part: files[part] for part in modality.split("_")}


def _read_vectors(path: Path, items: int) -> Float32:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a matrix of numbers ({error}); run the step that wrote it again") from None
    if matrix.ndim != 2 or len(matrix) != items:
        raise DataError(
            f"{path}: its shape is {matrix.shape}, but the prepared data has {items} items; "
            "run the step that wrote it again on this data"
        )
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if broken.size:
        raise DataError(
            f"{path}: the vectors of {broken.size} items are not finite (first: item {broken[0] + 1}); "
            "run the step that wrote it again"
        )
    return np.asarray(matrix, np.float32)


def _empty_rows(matrix: Float32) -> int:
    return int((~matrix.any(axis=1)).sum())


def _squares(vectors: Float32, classes: Int32) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of squares per column [d]: around the class means, and around the mean of all."""
    shifted = vectors - vectors[0]  # changes no variance, and makes that of a constant column exactly 0
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)[1:]
    sums = np.add.reduceat(shifted[order], np.cumsum(sizes) - sizes, axis=0, dtype=np.float64)
    raw = np.einsum("nd,nd->d", shifted, shifted, dtype=np.float64)
    within = raw - (sums**2 / sizes[:, None]).sum(axis=0)
    return np.maximum(within, 0), raw - sums.sum(axis=0) ** 2 / len(vectors)


def _explained(within: NDArray[np.float64], total: NDArray[np.float64]) -> float | None:
    """Share of the variance that lies between classes; null where nothing varies."""
    return float(1 - within.sum() / total.sum()) if total.sum() > 0 else None


def _agreement(category: pd.Series[str], classes: Int32) -> float | None:
    """Normalised mutual information with the given categories; null where fewer than two are known."""
    known: Any = (category != "").to_numpy()
    if category[known].nunique() < 2:
        return None
    return float(normalized_mutual_info_score(category[known], classes[known]))
