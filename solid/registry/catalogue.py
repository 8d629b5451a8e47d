"""A trained model with the original ids and titles of its items: what is registered, served and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.data.sequences import last_items
from solid.errors import DataError
from solid.models.protocols import Model
from solid.models.storage import load_model
from solid.registry.profile import Profile

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Texts = NDArray[np.object_]
# Bounds memory, however many histories are asked for: 8 MiB of logits. Larger tables are given back to the system after
# each use, and take half as long again.
_SCORES_AT_ONCE = 1 << 21
_LEAST = 1e-12  # share of an item that nobody touched; its logarithm has to be finite
_COLUMNS = ("item_id", "title", "category")
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Top:
    """The best items for B histories, best first.

    Attributes:
        rows: of the table of items [B, k].
        scores: logits [B, k]; -inf where fewer than k items are left. To cold histories, where the catalogue knows
            what is popular: logarithms of shares of all interactions.
        cold: whether the history has no item that the model knows [B].
    """

    rows: Ints
    scores: Floats
    cold: NDArray[np.bool_]

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
        items: row r is the model's item r + 1: item_id, title and, but for older versions, category ("" where
            unknown).
        popularity: interactions of every item [N], which cold histories are answered by; None: the model says what it
            recommends to somebody of whom it has seen nothing.
    """

    model: Model
    items: pd.DataFrame
    popularity: Ints | None = None

    def __post_init__(self) -> None:
        if len(self.items) != self.model.config.n_items:
            raise DataError(
                f"the model knows {self.model.config.n_items:,} items and the table lists {len(self.items):,}; "
                "take both from the same data"
            )

    @classmethod
    def load(cls, model: Path, items: Path, profile: Path | None = None) -> Catalogue:
        """Read a model folder, a parquet file of its items and, if there is one, the profile of its data.

        Raises:
            DataError: they do not belong together, a file is damaged, or the model is of another version.
        """
        try:
            table = pd.read_parquet(items)
        except (OSError, ValueError) as error:  # pyarrow's for a missing or damaged file
            raise DataError(f"{items}: cannot be read ({error}); register the model again") from None
        table = table[[column for column in _COLUMNS if column in table]]
        popularity = None
        if profile is not None and profile.is_dir():
            counts = Profile.load(profile).popularity
            if counts.index.tolist() != table["item_id"].tolist():
                raise DataError(f"{profile}: of other items than {items}; take both from the same data")
            popularity = counts.to_numpy().astype(np.int64)
        return cls(load_model(model), table, popularity)

    def numbers(self, item_ids: Sequence[str]) -> Ints:
        """The model's numbers of original item ids, 0 for those it does not know."""
        of = self._numbers
        return np.array([of.get(item, 0) for item in item_ids], dtype=np.int64)

    @cached_property
    def ids(self) -> Texts:
        """The original id of every item [N]."""
        return self._texts("item_id")

    @cached_property
    def titles(self) -> Texts:
        """The title of every item [N], "" where unknown."""
        return self._texts("title")

    @cached_property
    def categories(self) -> Texts | None:
        """The category of every item [N], "" where unknown; None where the table of items tells none of any."""
        if "category" not in self.items or not (self.items["category"] != "").any():
            return None
        return self._texts("category")

    def outside(self, categories: Sequence[str]) -> Ints:
        """The model's numbers of all items that are of none of these categories."""
        kept = np.zeros(len(self.items), dtype=bool)
        for category in categories:
            kept[self.rows_of.get(category, _NONE)] = True
        return np.flatnonzero(~kept) + 1

    @cached_property
    def rows_of(self) -> dict[str, Ints]:
        """The rows of the table of items by their category."""
        if self.categories is None:
            return {}
        order = np.argsort(self.categories, kind="stable")
        names, firsts = np.unique(self.categories[order], return_index=True)
        return dict(zip(names.tolist(), np.split(order, firsts[1:]), strict=True))

    def _texts(self, column: str) -> Texts:
        return np.array(self.items[column].tolist(), dtype=object)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.ids.tolist(), 1)}

    @cached_property
    def _popular(self) -> Floats | None:
        """Scores of all items [N] for somebody of whom nothing is known."""
        if self.popularity is None:
            return None
        shares = self.popularity / max(1, self.popularity.sum())
        scores: Floats = np.log(np.maximum(shares, _LEAST)).astype(np.float32)
        return scores

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
        for rows in torch.split(asked, max(1, _SCORES_AT_ONCE // len(self.ids))):
            cosines = unit_ND[rows] @ unit_ND.T
            cosines[torch.arange(len(rows)), rows] = -torch.inf  # itself
            parts.append(cosines.topk(min(k, len(self.ids))))
        best, values = (torch.cat([part[n] for part in parts]).numpy() for n in (1, 0))
        return Top(best, values, np.zeros(len(numbers), dtype=bool))

    @torch.inference_mode()
    def top(
        self,
        numbers: Ints,
        starts: Ints,
        ends: Ints,
        k: int,
        *,
        exclude_seen: bool = False,
        omit: tuple[Ints, Ints] = (_NONE, _NONE),
    ) -> Top:
        """The k best items for each of the sequences that :meth:`histories` takes; fewer where there are fewer items.

        Args:
            numbers: items of all sequences, oldest first; 0 is an item the model does not know.
            starts: where each of B sequences begins.
            ends: where it ends.
            k: how many.
            exclude_seen: whether items of the sequence are left out, also those that the model no longer reads.
            omit: further items to leave out: which of the B sequences, ascending [M], and numbers of items [M].
        """
        at_once = max(1, _SCORES_AT_ONCE // len(self.ids))
        histories = self.histories(numbers, starts, ends)
        cold = histories.numpy()[:, 0] == 0
        rows, scores = [], []
        for start in range(0, len(starts), at_once):
            these = slice(start, start + at_once)
            logits = self.model.score_all(self.model.encode(histories[these]))
            scored = logits.numpy()  # the same memory; small changes are quicker made there
            if self._popular is not None and (unknown := cold[these]).any():
                scored[unknown] = self._popular
            first, last = np.searchsorted(omit[0], (start, start + at_once))
            _leave_out(scored, omit[0][first:last] - start, omit[1][first:last])
            if exclude_seen:
                lengths = ends[these] - starts[these]
                before = np.cumsum(lengths) - lengths
                seen = numbers[np.arange(lengths.sum()) + np.repeat(starts[these] - before, lengths)]
                _leave_out(scored, np.repeat(np.arange(len(lengths)), lengths), seen)
            best = logits.topk(min(k, len(self.ids)))
            rows.append(best.indices.numpy())
            scores.append(best.values.numpy())
        return Top(np.concatenate(rows), np.concatenate(scores), cold)


def _leave_out(scores: Floats, owners: Ints, numbers: Ints) -> None:
    """Take items [M] from the scores [B, N] of their owners [M]; number 0 is nothing."""
    real = numbers > 0
    scores[owners[real], numbers[real] - 1] = -np.inf
