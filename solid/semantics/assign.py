"""The step that gives items their semantic ids: one table of classes per modality (method section 3.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from solid.console import say
from solid.errors import DataError
from solid.semantics.clustering import number_of_classes, residual_clusters
from solid.semantics.quality import category_agreement, collisions, explained_by_levels, variance_explained
from solid.semantics.vectors import empty_rows, item_vectors
from solid.settings.fields import AUTO
from solid.settings.schema import SemanticsSettings
from solid.storage.local import read_json, whole_folder, write_json

LARGEST = 0.2  # share of items in one class beyond which classes say little


def assign(
    prepared: Path,
    features: Path | None,
    embeddings: Path | None,
    modality: str,
    out: Path,
    settings: SemanticsSettings,
) -> None:
    """Cluster the items of ``prepared`` and write ``semantic_ids.parquet`` and ``quality.json`` to ``out``.

    The table has columns item, class and, for further levels, class_2 and so on (int32), row r = item r + 1; classes
    run from 1 to K without a gap in the order of their first item, 0 stays padding. The parts of the modality are read
    from ``embeddings/id.npy``, ``features/text.npy`` and ``features/image.npy``. ``auto`` is texts and pictures as far
    as there are any, else id.

    Raises:
        SettingsError: no such modality, or a number of classes that these items cannot have.
        DataError: vectors are missing, broken or of other items, or all items have the same.
    """
    items_file = prepared / "items.parquet"
    if not items_file.is_file():
        raise DataError(f"{items_file}: no such file; is {prepared} the output of prepare?")
    if modality == AUTO:
        modality = _what_there_is(features)
    items = pd.read_parquet(items_file, columns=["category"])
    digest = read_json(prepared / "stats.json")["digest"]
    parts = item_vectors(modality, features, embeddings, len(items), digest)
    vectors = np.concatenate(list(parts.values()), axis=1)
    wanted = number_of_classes(settings.classes, len(items))
    levels, algorithm = residual_clusters(vectors, wanted, settings.levels, settings.seed)
    classes = levels[:, 0]
    if levels.shape[1] < settings.levels:
        say(f"{modality}: {levels.shape[1]} levels instead of {settings.levels}, for nothing is left to tell apart")
    sizes = np.bincount(classes)[1:]
    if sizes.size < wanted:
        say(f"{modality}: {sizes.size} classes instead of {wanted}, for no class may be empty")
    if (share := sizes.max() / len(items)) > LARGEST:
        say(f"{modality}: one class holds {share:.0%} of the items, so many have the same vector or nearly")

    by_part, of_all = variance_explained(parts, classes)
    quality = {
        "modality": modality,
        "parts": {
            part: {
                "dim": matrix.shape[1],
                "items_without": empty_rows(matrix),
                "variance_explained": by_part[part],
            }
            for part, matrix in parts.items()
        },
        "algorithm": algorithm,
        "seed": settings.seed,
        "items": len(items),
        "items_without_features": empty_rows(vectors),
        "classes": sizes.size,
        "classes_wanted": wanted,
        "variance_explained": of_all,
        "category_nmi": category_agreement(items["category"], classes),
        "class_size": {"min": int(sizes.min()), "median": float(np.median(sizes)), "max": int(sizes.max())},
        "largest_share": float(sizes.max() / len(items)),
        "class_sizes": sizes.tolist(),
        "levels": [
            {"classes": int(level.max()), "variance_explained": explained}
            for level, explained in zip(levels.T, explained_by_levels(parts, levels), strict=True)
        ],
        "collisions": collisions(levels),
        "digest": digest,
    }
    with whole_folder(out, holds="quality.json") as folder:
        names = ["class", *(f"class_{level}" for level in range(2, levels.shape[1] + 1))]
        table = pd.DataFrame(dict(zip(names, levels.T, strict=True)))
        table.insert(0, "item", np.arange(1, len(items) + 1, dtype=np.int32))
        table.to_parquet(folder / "semantic_ids.parquet", index=False)
        write_json(folder / "quality.json", quality)


def _what_there_is(features: Path | None) -> str:
    """The modality of the vectors that features found; id where it found none."""
    there = [part for part in ("text", "image") if features and (features / f"{part}.npy").is_file()]
    return "_".join(there) or "id"
