"""What later data is compared with: the counts of prepared data and the popularity of its items.

A registered version carries the profile of its training data, so that no old data has to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.storage.local import read_json, write_json

CONTENT = ("title", "text", "category", "image")
_COUNTS, _POPULARITY = "profile.json", "popularity.parquet"


@dataclass(frozen=True)
class Profile:
    """A small summary of prepared data.

    Attributes:
        counts: ``digest`` and ``format`` of the data, numbers of ``users``, ``items`` and ``interactions``, and
            ``filled``, for each column of ``CONTENT`` the share of items that have something there.
        popularity: interactions of every item, by its original id, in the order of the items.
    """

    counts: dict[str, Any]
    popularity: pd.Series[int]

    @classmethod
    def of(cls, dataset: Dataset) -> Profile:
        """Summarise prepared data."""
        items, events = dataset.items, dataset.sequences.items
        counts = {
            "digest": dataset.stats["digest"],
            "format": dataset.stats["format"],
            "users": dataset.n_users,
            "items": dataset.n_items,
            "interactions": len(events),
            "filled": {column: float((items[column] != "").mean()) for column in CONTENT},
        }
        interactions = np.bincount(events, minlength=dataset.n_items + 1)[1:]
        return cls(counts, pd.Series(interactions, index=pd.Index(items["item_id"], dtype=object)))

    @classmethod
    def load(cls, folder: Path) -> Profile:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            table = pd.read_parquet(folder / _POPULARITY)
        except (OSError, ValueError) as error:  # pyarrow's for a damaged file
            raise DataError(f"{folder / _POPULARITY}: cannot be read ({error}); run solid champion again") from None
        popularity = pd.Series(table["interactions"].to_numpy(), index=pd.Index(table["item_id"], dtype=object))
        return cls(read_json(folder / _COUNTS), popularity)

    def save(self, folder: Path) -> None:
        """Write into ``folder``, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _COUNTS, self.counts)
        table = pd.DataFrame({"item_id": self.popularity.index, "interactions": self.popularity.to_numpy()})
        table.to_parquet(folder / _POPULARITY, index=False)
