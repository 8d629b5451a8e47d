"""Scores of held-out items: among stored candidates, and their places among all items.

Every user is encoded once, and all its items are scored against the encoding.
Legend: B users at once, L history positions, C candidates, N items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from solid.console import progress
from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.evaluation.exposure import ExposureCounter
from solid.metrics.base import FULL, UNMASKED, Ranking
from solid.metrics.ties import Ranks
from solid.models.protocols import LOGITS_AT_ONCE, Scorer

Ints = NDArray[np.int64]
HeldOut = Literal["valid", "test"]


@dataclass(frozen=True)
class View:
    """Held-out items of a data set, and the histories before them, as a model reads them.

    Attributes:
        dataset: whose users are asked about.
        split: which of their items.
        histories: what the model reads [U, L], in its own numbers of items.
        numbers: the model's number of every item of the data set [N + 1]; 0 for padding and for items that the model
            does not know. None where it was trained on these items.
    """

    dataset: Dataset
    split: HeldOut
    histories: Tensor
    numbers: Ints | None = None

    @classmethod
    def of(cls, model: Scorer, dataset: Dataset, split: HeldOut) -> Self:
        """The view of a model that was trained on these items."""
        targets = dataset.sequences.targets(split)
        return cls(dataset, split, torch.from_numpy(dataset.sequences.windows(targets, model.config.length)))

    def own(self, items: Ints) -> Ints:
        """The model's numbers of items of any shape."""
        return items if self.numbers is None else self.numbers[items]


def score_candidates(model: Scorer, view: View, batch_size: int) -> NDArray[np.float32]:
    """Return logits [U, 1 + n] of each user's held-out item (column 0) and its stored candidates.

    Items that the model does not know stand below all that it knows, for it would never recommend them. The model is
    left in the mode it came in; scores are those of evaluation mode.
    """
    dataset = view.dataset
    targets = dataset.sequences.items[dataset.sequences.targets(view.split)]
    items = view.own(np.column_stack([targets, dataset.candidates[view.split]]).astype(np.int64))
    scores = score_items(model, view.histories, items, batch_size)
    return scores if items.all() else np.where(items > 0, scores, scores.min() - 1)


@torch.inference_mode()
def score_items(model: Scorer, histories: Tensor, items: NDArray[np.int64], batch_size: int) -> NDArray[np.float32]:
    """Return logits [U, C] of the items [U, C] for the histories [U, L], ``batch_size`` users at once.

    The model is left in the mode it came in; scores are those of evaluation mode.
    """
    candidates = torch.from_numpy(items)
    scores = [
        model.score(user, candidates[rows].to(model.device)).cpu().numpy()
        for rows, user in _encoded(model, histories, batch_size)
    ]
    return np.concatenate(scores)


@torch.inference_mode()
def rank_among_all(
    model: Scorer, view: View, batch_size: int, lists: ExposureCounter | None = None
) -> dict[Ranking, Ranks]:
    """Rank each user's held-out item among all items: but for those touched before, and with nothing left out.

    The held-out item itself counts even if the user had touched it before. Items that the model does not know stand
    below all that it knows. The model is left in the mode it came in.

    Args:
        model: on any device.
        view: whose held-out items are ranked.
        batch_size: most users at once; fewer where that many times N logits would be too many.
        lists: counts what the first of everybody's ranking show, items touched before left out.

    Raises:
        DataError: a score is not finite.
    """
    sequences, n_items = view.dataset.sequences, view.dataset.n_items
    targets = sequences.targets(view.split)
    at_once = max(1, min(batch_size, LOGITS_AT_ONCE // max(n_items, model.config.n_items)))
    full, unmasked = [], []
    batches = _encoded(model, view.histories, at_once)
    for rows, user in progress(batches, "rank all items", unit="batch", total=math.ceil(len(targets) / at_once)):
        scores_BN = _in_order_of(view, model.score_all(user).cpu().numpy())
        events = targets[rows]
        target_B = sequences.items[events].astype(np.int64) - 1
        # Out of the same matrix: another product may round the same score in another way.
        score_B = scores_BN[np.arange(len(events)), target_B]
        above_B = np.count_nonzero(scores_BN > score_B[:, None], axis=1)
        tied_B = np.count_nonzero(scores_BN == score_B[:, None], axis=1) - 1
        others_B = np.full(len(events), n_items - 1)
        unmasked.append([above_B, tied_B, others_B])
        row_T, column_T = _touched(view, rows.start, events)
        score_T = scores_BN[row_T, column_T]
        count = partial(np.bincount, minlength=len(events))
        above_B = above_B - count(row_T[score_T > score_B[row_T]])
        tied_B = tied_B - count(row_T[score_T == score_B[row_T]])
        full.append([above_B, tied_B, others_B - count(row_T)])
        if lists is not None:
            scores_BN[row_T, column_T] = -np.inf
            lists.add(torch.from_numpy(scores_BN))
    return {ranking: Ranks(*np.concatenate(counts, axis=1)) for ranking, counts in ((FULL, full), (UNMASKED, unmasked))}


def _in_order_of(view: View, scores_BM: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores [B, N] of the items of the data set, from those of the model's; -inf for items it does not know."""
    if not np.isfinite([scores_BM.min(), scores_BM.max()]).all():  # NaN passes through both
        raise DataError(
            "scores among all items are not finite; the model has diverged, train it again with a lower "
            "training.learning_rate"
        )
    if view.numbers is None:
        return scores_BM
    known = view.numbers[1:] > 0
    scores_BN = np.full((len(scores_BM), len(known)), -np.inf, np.float32)
    scores_BN[:, known] = scores_BM[:, view.numbers[1:][known] - 1]
    return scores_BN


def _touched(view: View, first_user: int, events: Ints) -> tuple[Ints, Ints]:
    """Rows and columns [T] of the different items that users touched before their events [B], but for the event's own.

    Args:
        view: whose users.
        first_user: the user of the first event; the others follow one by one.
        events: held out.
    """
    sequences = view.dataset.sequences
    touched = np.arange(sequences.offsets[first_user], events[-1])
    rows = sequences.users_of(touched) - first_user
    touched, rows = touched[touched < events[rows]], rows[touched < events[rows]]
    new = sequences.items[touched] != sequences.items[events[rows]]
    width = view.dataset.n_items
    pairs = np.unique(rows[new] * width + sequences.items[touched[new]] - 1)
    return tuple(np.divmod(pairs, width))  # type: ignore[return-value]


def _encoded(model: Scorer, histories: Tensor, batch_size: int) -> Iterator[tuple[slice, Any]]:
    """Encode ``batch_size`` of the histories [U, L] at once, in evaluation mode; say which rows they are."""
    with _evaluation_mode(model):
        for start in range(0, len(histories), batch_size):
            rows = slice(start, start + batch_size)
            yield rows, model.encode(histories[rows].to(model.device))


@contextmanager
def _evaluation_mode(model: Scorer) -> Iterator[None]:
    """A model that is trained by gradients has two modes; the others are always ready."""
    module = model if isinstance(model, nn.Module) else nn.Identity()
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
