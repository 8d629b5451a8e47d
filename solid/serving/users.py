"""Users whom a server was told of: what they did, in original ids. A registered version keeps nobody's events."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solid.data.dataset import Dataset

Ints = NDArray[np.int64]


class Users:
    """Histories of all users of prepared data, to their last event."""

    def __init__(self, ids: list[str], items: NDArray[np.object_], events: NDArray[np.int32], offsets: Ints) -> None:
        self.ids, self._items, self._events, self._offsets = ids, items, events, offsets
        self._rows = {user: row for row, user in enumerate(ids)}

    @classmethod
    def of(cls, prepared: Path) -> Self:
        """Read the output of prepare.

        Raises:
            DataError: it is none.
        """
        dataset = Dataset.load(prepared)
        items = np.array(dataset.items["item_id"].tolist(), dtype=object)
        return cls(dataset.users["user_id"].tolist(), items, dataset.sequences.items, dataset.sequences.offsets)

    def history(self, user: str) -> list[str] | None:
        """Original ids, oldest first; None where there is no such user."""
        row = self._rows.get(user)
        if row is None:
            return None
        history: list[str] = self._items[self._events[self._offsets[row] : self._offsets[row + 1]] - 1].tolist()
        return history
