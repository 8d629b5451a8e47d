"""What each user did, oldest first, by original ids: what recommendations go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.interactions import in_order
from solid.errors import DataError
from solid.interface.frames import Events

_SHOWN = 5  # unknown users that an error names


@dataclass(frozen=True)
class Histories:
    """Events of all users, those that training left out among them.

    Attributes:
        table: ``user_id`` and ``item_id`` as text; users in the order in which they first appear, the events of each
            together and by time.
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, events: Events) -> Self:
        """Sort a frame's events as ``prepare`` sorts them."""
        table = events.table.to_pandas()
        if "timestamp" not in table:
            order = np.argsort(pd.factorize(table["user_id"])[0], kind="stable")
        else:
            order = in_order(table)
            doubled = table.duplicated(["user_id", "item_id", "timestamp"]).to_numpy()
            order = order[~doubled[order]]
        return cls(table[["user_id", "item_id"]].iloc[order].reset_index(drop=True))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(pd.read_parquet(path))

    def save(self, path: Path) -> None:
        """Write a parquet file."""
        self.table.to_parquet(path, index=False)

    @cached_property
    def _codes(self) -> tuple[NDArray[np.int64], pd.Index[Any]]:
        codes, users = pd.factorize(self.table["user_id"])
        return codes, pd.Index(users, dtype=object)

    @property
    def users(self) -> list[str]:
        """All users, in the order in which they first appear."""
        return self._codes[1].tolist()

    @property
    def items(self) -> list[str]:
        """The item of every event."""
        return self.table["item_id"].tolist()

    def of_users(self, users: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the events of each of these users begin and end [B].

        Raises:
            DataError: some have none.
        """
        codes, known = self._codes
        rows = known.get_indexer(pd.Index(users, dtype=object))
        if unknown := [user for user, row in zip(users, rows, strict=True) if row < 0]:
            more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
            raise DataError(
                f"no events of the users {', '.join(unknown[:_SHOWN])}{more}; give what they did as events=, a frame "
                "as for fit"
            )
        starts = np.searchsorted(codes, rows)
        return starts, np.searchsorted(codes, rows, side="right")
