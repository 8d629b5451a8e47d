"""The prepared data as every later step reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.sequences import Sequences
from solid.errors import DataError
from solid.storage.local import check_digest, read_json

HELD_OUT: tuple[Literal["valid"], Literal["test"]] = ("valid", "test")


@dataclass(frozen=True)
class Dataset:
    """Users, items and sequences, and the candidates that validation and test rank beside each positive.

    Attributes:
        users: one row a user: user_id.
        items: one row an item, row r is item r + 1: item_id, title, text, category, image ("" where unknown).
        sequences: all events.
        candidates: for each held-out split int32 [U, n], row u for user u: items that the user never touched.
        stats: what prepare counted, with the ``digest`` of the raw data.
        times: int64 [E], when each event happened; only their order where the source has no time.
    """

    users: pd.DataFrame
    items: pd.DataFrame
    sequences: Sequences
    candidates: dict[Literal["valid", "test"], NDArray[np.int32]]
    stats: dict[str, Any]
    times: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def n_users(self) -> int:
        """U."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.items)

    def only(self, users: NDArray[np.int64]) -> Dataset:
        """These users [B], ascending, as if there were no others; the items are all there."""
        kept = np.isin(self.sequences.users_of(np.arange(len(self.sequences.items))), users)
        lengths = np.diff(self.sequences.offsets)[users]
        sequences = Sequences(self.sequences.items[kept], np.append(0, np.cumsum(lengths)), self.n_items)
        candidates = {split: drawn[users] for split, drawn in self.candidates.items()}
        return Dataset(self.users.iloc[users], self.items, sequences, candidates, self.stats)

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read the output folder of prepare.

        Raises:
            DataError: a file is missing, or the files do not belong together.
        """
        names = [
            "users.parquet",
            "items.parquet",
            "interactions.parquet",
            "candidates_valid.npy",
            "candidates_test.npy",
        ]
        if missing := [name for name in [*names, "stats.json"] if not (folder / name).is_file()]:
            raise DataError(f"{folder}: no {missing[0]} here; is this the output of solid prepare?")
        users, items, interactions = (_load(folder / name, pd.read_parquet) for name in names[:3])
        owners = interactions["user"].to_numpy()
        candidates = {split: _load(folder / f"candidates_{split}.npy", np.load) for split in HELD_OUT}
        for split, drawn in candidates.items():
            whole = drawn.ndim == 2 and drawn.size and drawn.dtype.kind in "iu"
            if not whole or len(drawn) != len(users) or drawn.min() < 1 or drawn.max() > len(items):
                raise DataError(
                    f"{folder}/candidates_{split}.npy: does not fit users and items; run solid prepare again"
                )
        if (np.diff(owners) < 0).any():
            raise DataError(f"{folder}/interactions.parquet: not sorted by user; run solid prepare again")
        offsets = np.searchsorted(owners, np.arange(len(users) + 1))
        sequences = Sequences(interactions["item"].to_numpy(np.int32), offsets, len(items))
        touched = owners.astype(np.int64) * (len(items) + 1) + sequences.items
        for split, drawn in candidates.items():
            keys = np.arange(len(users))[:, None] * (len(items) + 1) + drawn
            if (wrong := np.isin(keys, touched).any(axis=1)).any():
                raise DataError(
                    f"{folder}/candidates_{split}.npy: among those of user {wrong.argmax()} are items that the user "
                    "touched; run solid prepare again"
                )
        times = interactions["timestamp"].to_numpy(np.int64)
        return cls(users, items, sequences, candidates, read_json(folder / "stats.json"), times)


def _load(path: Path, load: Callable[[Path], Any]) -> Any:
    try:
        return load(path)
    except (OSError, ValueError, EOFError) as error:  # pyarrow's and numpy's for a damaged file
        raise DataError(f"{path}: damaged ({error}); run solid prepare again") from None


def read_classes(semantics: Path, n_items: int, digest: str) -> NDArray[np.int32]:
    """The classes of every item at each level, int32 [N + 1, S], from an output folder of assign; 0 for padding.

    Raises:
        DataError: the table is missing, damaged, or not one of these items of these data.
    """
    check_digest(semantics / "quality.json", digest)
    path = semantics / "semantic_ids.parquet"
    if not path.is_file():
        raise DataError(f"{path}: no such file; is {semantics} the output of solid assign?")
    table = _load(path, pd.read_parquet)
    if not np.array_equal(table["item"], np.arange(1, n_items + 1)):
        raise DataError(f"{path}: made for other items than the {n_items:,} prepared; run solid assign again")
    levels = table.drop(columns="item").to_numpy()
    if levels.dtype.kind not in "iu" or not levels.size or levels.min() < 1:
        raise DataError(f"{path}: classes are not whole numbers from 1; run solid assign again")
    levels = levels.astype(np.int32)
    return np.concatenate([np.zeros_like(levels[:1]), levels])
