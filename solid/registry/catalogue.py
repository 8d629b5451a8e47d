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
from solid.models.protocols import Model
from solid.models.storage import load_model

Ints = NDArray[np.int64]
_SCORES_AT_ONCE = 1 << 24  # bounds memory: 64 MiB of logits, however many histories are asked for


@dataclass(frozen=True)
class Top:
    """The best items for B histories, best first.

    Attributes:
        rows: of the table of items [B, k].
        scores: logits [B, k]; -inf where fewer than k items are left.
    """

    rows: Ints
    scores: NDArray[np.float32]

    @property
    def left(self) -> Ints:
        """How many of the k are worth telling [B]."""
        counts: Ints = np.isfinite(self.scores).sum(axis=1)
        return counts


@dataclass(frozen=True)
class Catalogue:
    """A model and its items.

    Attributes:
        model: on the CPU, in evaluation mode.
        items: row r is the model's item r + 1: item_id, title ("" where unknown).
    """

    model: Model
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
        return torch.from_numpy(last_items(items, known[starts], known[ends], self.model.config.length))

    @torch.inference_mode()
    def similar(self, numbers: Ints, k: int) -> Top:
        """The k items most like each of these [B], by the cosine of their embeddings.

        Of a model without any: those that it ranks highest after this one item.
        """
        embeddings = self.model.item_embeddings()
        if embeddings is None:
            return self.top(numbers, np.arange(len(numbers)), np.arange(len(numbers)) + 1, k, exclude_seen=True)
        unit_ND = torch.nn.functional.normalize(embeddings, dim=1)
        asked = torch.from_numpy(numbers) - 1
        parts = []
        for rows in torch.split(asked, max(1, _SCORES_AT_ONCE // len(self.items))):
            cosines = unit_ND[rows] @ unit_ND.T
            cosines[torch.arange(len(rows)), rows] = -torch.inf  # itself
            parts.append(cosines.topk(min(k, len(self.items))))
        best, values = (torch.cat([part[n] for part in parts]).numpy() for n in (1, 0))
        return Top(best, values)

    @torch.inference_mode()
    def top(self, numbers: Ints, starts: Ints, ends: Ints, k: int, *, exclude_seen: bool) -> Top:
        """The k best items for each of the sequences that :meth:`histories` takes; fewer where there are fewer items.

        Args:
            numbers: items of all sequences, oldest first; 0 is an item the model does not know.
            starts: where each of B sequences begins.
            ends: where it ends.
            k: how many.
            exclude_seen: whether items of the sequence are left out, also those that the model no longer reads.
        """
        at_once = max(1, _SCORES_AT_ONCE // len(self.items))
        histories = self.histories(numbers, starts, ends)
        rows, scores = [], []
        for start in range(0, len(starts), at_once):
            these = slice(start, start + at_once)
            logits = self.model.score_all(self.model.encode(histories[these]))
            if exclude_seen:
                lengths = ends[these] - starts[these]
                before = np.cumsum(lengths) - lengths
                seen = numbers[np.arange(lengths.sum()) + np.repeat(starts[these] - before, lengths)]
                owner = np.repeat(np.arange(len(lengths)), lengths)
                logits[owner[seen > 0], seen[seen > 0] - 1] = -torch.inf
            best = logits.topk(min(k, len(self.items)))
            rows.append(best.indices.numpy())
            scores.append(best.values.numpy())
        return Top(np.concatenate(rows), np.concatenate(scores))
