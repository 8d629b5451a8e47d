"""What is exported: a trained model with its items, from a folder or from the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from solid.data.dataset import Dataset
from solid.errors import DataError, SettingsError
from solid.models.protocols import Model
from solid.models.storage import check_trained_on, load_model_of
from solid.registry.loading import Address, load_version

REGISTERED = "models:/"


@dataclass(frozen=True)
class Source:
    """A model and what is known of its items.

    Attributes:
        model: in evaluation mode.
        items: row r is the model's item r + 1: item_id, title, category; of prepared data also image.
        dataset: that it was trained on, where it is at hand.
    """

    model: Model
    items: pd.DataFrame
    dataset: Dataset | None

    @classmethod
    def read(cls, model: str, prepared: Path | None) -> Self:
        """Read a model.

        Args:
            model: output folder of train, or the address of a registered version, such as models:/solid@champion.
            prepared: output of prepare; a registered version does without.

        Raises:
            SettingsError: a folder without ``prepared``, which alone knows what its items are.
            DataError: a file is missing or broken, or the model was trained on other data.
            SolidError: MLflow does not answer, or has no such version.
        """
        dataset = None if prepared is None else Dataset.load(prepared)
        if model.startswith(REGISTERED):
            address = Address.of(model)
            found = load_version(address.name, address.now()).catalogue
            if dataset is None:
                return cls(found.model, found.items, None)
            check_trained_on(dataset, found.model, model)
            return cls(found.model, dataset.items, dataset)
        if not Path(model).is_dir():
            raise DataError(f"--model {model}: no such folder, and no address such as {REGISTERED}solid@champion")
        if dataset is None:
            raise SettingsError(
                f"--model {model} is a folder, which does not hold its items: name the output of prepare, --prepared"
            )
        return cls(load_model_of(dataset, Path(model)), dataset.items, dataset)
