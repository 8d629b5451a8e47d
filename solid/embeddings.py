"""The embed step: item embeddings of a trained model, the `id` part of semantic ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.models.storage import load_model_of
from solid.storage.local import whole_folder, write_json


def write_embeddings(prepared: Path, model: Path, out: Path) -> None:
    """Write ``id.npy``, the item embeddings float32 [N, d] of a model trained on items, without the padding row.

    ``embeddings.json`` has the digest of the data.

    Args:
        prepared: output of prepare, on which the model was trained.
        model: trained model folder.
        out: folder to write.

    Raises:
        DataError: the model reads classes, or was trained on other data.
    """
    dataset = Dataset.load(prepared)
    trained = load_model_of(dataset, model)
    embeddings, ids = trained.item_embeddings(), getattr(trained.config, "ids", None)
    if embeddings is None:
        raise DataError(f"{model}: {trained.config.head} has no embeddings; those of a model on item ids are needed")
    if ids != "item":
        raise DataError(f"{model}: reads {ids} ids; the embeddings of a model on item ids are needed")
    with whole_folder(out, holds="id.npy") as folder:
        np.save(folder / "id.npy", embeddings.numpy().astype(np.float32), allow_pickle=False)
        write_json(folder / "embeddings.json", {"digest": dataset.stats["digest"]})
