"""The vectors that classes are made from: one matrix for each part of a modality, rows of length 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solid.errors import DataError, SettingsError
from solid.settings.fields import MODALITIES, PARTS
from solid.storage.local import check_digest

Float32 = NDArray[np.float32]


def item_vectors(
    modality: str, features: Path | None, embeddings: Path | None, items: int, digest: str
) -> dict[str, Float32]:
    """The vectors [N, d] of each part of the modality, rows of length 1 (or 0 where an item has nothing).

    Raises:
        SettingsError: no such modality.
        DataError: vectors are missing, broken, of other than ``items`` items, or made from other data.
    """
    files = _vector_files(modality, features, embeddings)
    return {part: unit_rows(read_vectors(path, items, digest)) for part, path in files.items()}


def centred_rows(matrix: Float32) -> Float32:
    """Subtract the mean of the items that have something, then scale each of their rows to length 1.

    What all items have in common tells none from another, and in vectors of encoders it outweighs all else.
    """
    there = np.flatnonzero(matrix.any(axis=1))
    centred = np.zeros_like(matrix)
    centred[there] = matrix[there] - matrix[there].mean(axis=0, dtype=np.float64)
    return unit_rows(centred)


def unit_rows(matrix: Float32) -> Float32:
    """Scale each row to length 1, so that every part weighs the same; zero rows stay zero."""
    length = np.sqrt(np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64))
    return (matrix / np.where(length > 0, length, 1)[:, None]).astype(np.float32)


def empty_rows(matrix: Float32) -> int:
    """How many rows have nothing."""
    return int((~matrix.any(axis=1)).sum())


def _vector_files(modality: str, features: Path | None, embeddings: Path | None) -> dict[str, Path]:
    """The file of each part of the modality, in the order of its name."""
    if modality not in MODALITIES:
        raise SettingsError(f"no modality {modality!r}; there are {', '.join(MODALITIES)}")
    given = {"embeddings": embeddings, "features": features}
    files = {part: folder / f"{part}.npy" for part, step in PARTS.items() if (folder := given[step])}
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


def read_vectors(path: Path, items: int, digest: str) -> Float32:
    """A matrix [N, d] of vectors of all items.

    Raises:
        DataError: it is missing, broken, of other than ``items`` items, or made from data of another digest.
    """
    check_digest(path.with_name("embeddings.json" if path.stem == "id" else "features.json"), digest)
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
