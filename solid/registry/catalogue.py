"""A trained model with the original ids and titles of its items: what is registered, served and compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.data.sequences import last_items
from solid.errors import DataError
from solid.models.recommender import Recommender
from solid.models.storage import load_model

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """A model and its items.

    Attributes:
        model: on the CPU, in evaluation mode.
        items: row r is the model's item r + 1: item_id, title ("" where unknown).
    """

    model: Recommender
    items: pd.DataFrame

    def __post_init__(self) -> None:
        if len(self.items) != self.model.config.n_items:
            raise DataError(
                f"the model knows {self.model.config.n_items:,} items and the table lists {len(self.items):,}; "
                "take both from the same data"
            )

    @classmethod
    def load(cls, model: Path, items: Path) -> Catalogue:
        """Read a model folder and a parquet file of its items.

        Raises:
            DataError: the two do not belong together, or the model is of another version.
        """
        return cls(load_model(model), pd.read_parquet(items, columns=["item_id", "title"]))

    def numbers(self, item_ids: list[str]) -> Ints:
        """The model's numbers of original item ids, 0 for those it does not know."""
        found: Ints = self._index.get_indexer(pd.Index(item_ids, dtype=object)).astype(np.int64)
        return found + 1

    @cached_property
    def _index(self) -> pd.Index[Any]:
        # Objects, for the str type of pandas refuses what is not valid Unicode; here it is only unknown.
        index: pd.Index[Any] = pd.Index(self.items["item_id"], dtype=object)
        return index

    def histories(self, numbers: Ints, starts: Ints, ends: Ints) -> Tensor:
        """What the model reads [B, L] of sequences ``numbers[starts[b]:ends[b]]``: the last L items that it knows.

        Args:
            numbers: items of all sequences, oldest first; 0 is an item the model does not know.
            starts: where each of B sequences begins.
            ends: where it ends.
        """
        known = np.append(0, np.cumsum(numbers > 0))
        items = np.append(numbers[numbers > 0], 0)
        return torch.from_numpy(last_items(items, known[starts], known[ends], self.model.config.model.length))
