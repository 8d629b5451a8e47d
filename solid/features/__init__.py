"""What items look and read like, as vectors: one matrix a modality, row r for item r + 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from solid.console import say
from solid.data.readers import find_reader
from solid.errors import DataError
from solid.features.encoders import MODALITIES, choose_encoder
from solid.settings.fields import AUTO, Modality
from solid.settings.schema import FeatureSettings
from solid.storage.local import read_json, whole_folder, write_json


def extract_features(
    raw: Path, prepared: Path, out: Path, settings: FeatureSettings, modalities: Sequence[str] = ()
) -> None:
    """Encode the texts and pictures of the items; write ``text.npy``, ``image.npy`` and ``features.json``.

    Each matrix is float32 [N, dim], not normalised; the row of an item with nothing to encode is zero. A modality that
    the data does not have is left out, unless the settings name an encoder for it. ``features.json`` has for each
    modality its encoder, its dim, and the number of items whose row is zero (``missing``); ``digest`` is the data's.

    Args:
        raw: output of ingest; pictures are read from it, and precomputed vectors.
        prepared: output of prepare.
        out: folder to write.
        settings: encoder of each modality, and what they need.
        modalities: what classes are to be made from; that the features for it exist is checked before anything trains.

    Raises:
        DataError: an encoder is asked for that cannot run on this data, not one item could be encoded, or a modality
            needs features that the data does not have.
    """
    items = _read_items(prepared)
    items["image"] = [str(raw / name) if name else "" for name in items["image"]]
    vectors = find_reader(raw, read_json(raw / "manifest.json")["format"]).vectors(raw)
    encoders = {modality: choose_encoder(modality, items, vectors.get(modality), settings) for modality in MODALITIES}
    _check_modalities(modalities, {"id", *(name for name, encoder in encoders.items() if encoder)})
    digest = read_json(prepared / "stats.json")["digest"]
    found: dict[str, Any] = {}
    with whole_folder(out, holds="features.json") as folder:
        for modality, encoder in encoders.items():
            if encoder is None:
                say(f"{modality}: left out, the data has none or features.{modality} is none")
                continue
            matrix = encoder.encode(items)
            missing = int((~matrix.any(axis=1)).sum())
            if missing == len(items):
                raise DataError(f"{raw}: {encoder.name} gives no item a vector; set features.{modality} to none")
            if not np.isfinite(matrix).all():
                raise DataError(f"{raw}: {encoder.name} vectors are not finite; set features.{modality} to another")
            np.save(folder / f"{modality}.npy", matrix, allow_pickle=False)
            found[modality] = {"encoder": encoder.name, "dim": matrix.shape[1], "missing": missing}
            say(f"{modality}: {encoder.name}, {len(items)} x {matrix.shape[1]}, {missing} items without")
        write_json(folder / "features.json", found | {"digest": digest})


def _check_modalities(wanted: Sequence[str], parts: set[str]) -> None:
    for modality in wanted:
        if modality == AUTO:
            continue
        if missing := [part for part in modality.split("_") if part not in parts]:
            possible = [name for name in get_args(Modality) if parts.issuperset(name.split("_"))]
            raise DataError(
                f"semantics.modalities: {modality} needs {' and '.join(missing)}, which this data does not have; "
                f"possible here: {', '.join(possible)}, for example --set 'semantics.modalities=[{possible[-1]}]'"
            )


def _read_items(prepared: Path) -> pd.DataFrame:
    path = prepared / "items.parquet"
    if not path.is_file():
        raise DataError(f"{path}: no such file; is {prepared} the output of prepare?")
    return pd.read_parquet(path)
