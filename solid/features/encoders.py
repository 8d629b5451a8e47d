"""What an encoder is, and which one a modality gets."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.readers import Vectors
from solid.errors import DataError
from solid.features.precomputed import Precomputed
from solid.kinds import encoders
from solid.settings.schema import FeatureSettings

Modality = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)


class Encoder(Protocol):
    """Turns the items into vectors of one modality. Those of :data:`solid.kinds.ENCODERS` take the settings."""

    name: str

    def encode(self, items: pd.DataFrame) -> NDArray[np.float32]:
        """Encode all items.

        Args:
            items: one row an item: ``item_id``, ``text``, and ``image``, a file that can be opened; "" where unknown.

        Returns:
            float32 [N, dim], row for row; zero for an item that has nothing to encode.

        Raises:
            DataError: the encoder cannot do it.
        """


def choose_encoder(
    modality: Modality, items: pd.DataFrame, vectors: Vectors | None, settings: FeatureSettings
) -> Encoder | None:
    """The encoder that the settings name; None where the modality is to be left out.

    ``auto`` takes precomputed vectors where the data has them, else the first of the modality, which needs no download,
    if any item has something to encode, else nothing. ``words`` looks at the texts before the vectors.

    Raises:
        DataError: the data lacks what the named encoder needs.
    """
    wanted = settings.text if modality == "text" else settings.image
    known = encoders(modality)
    there = bool((items[modality] != "").any())
    if wanted in ("auto", "words"):
        own, given = (next(iter(known)) if there else ""), ("precomputed" if vectors else "")
        wanted = (given or own if wanted == "auto" else own or given) or "none"
    if wanted == "none":
        return None
    if wanted == "precomputed":
        if vectors is None:
            raise DataError(f"features.{modality} is precomputed, but the data has no such vectors; set it to auto")
        return Precomputed(vectors)
    if not there:
        raise DataError(f"features.{modality} is {wanted}, but no item has any {modality}; set it to auto or none")
    encoder: Encoder = known[wanted].load()(settings)
    return encoder
