"""What a model is trained on: read and checked once, the same for every kind of head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solid.data.dataset import Dataset
from solid.kinds import Ids
from solid.settings.fields import Head
from solid.settings.schema import Settings


@dataclass(frozen=True)
class Inputs:
    """An order to train.

    Attributes:
        head: kind of model.
        ids: what its embeddings are of.
        dataset: whose training targets are learned, and whose validation targets decide.
        classes: of every item at each level, int32 [N + 1, S], 0 for padding; None for a head that reads none.
        modality: what the classes were made from.
        vectors: kind -> of every item, float32 [N + 1, F], of length 1, centred unless the head counts; zero for
            padding and items without.
        semantic_model: folder of the model that it starts from.
        trunk: folder of the static model that it starts as; only what it adds is trained.
        parts: name -> folder of a trained model, for a head that mixes.
        settings: of the whole chain.
        digests: of every folder that was read; with the settings they decide the result.
    """

    head: Head
    ids: Ids
    dataset: Dataset
    classes: NDArray[np.int32] | None
    modality: str | None
    vectors: dict[str, NDArray[np.float32]]
    semantic_model: Path | None
    trunk: Path | None
    parts: dict[str, Path]
    settings: Settings
    digests: list[str]
