"""Scores of test users: of their stored candidates, and the place of the held-out item among all items.

Every user is encoded once, and all its items are scored against the encoding.
Legend: B users at once, L history positions, C candidates, N items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from solid.console import progress
from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.metrics.ties import Ranks
from solid.models.protocols import Model

_LOGITS_AT_ONCE = 1 << 24  # bounds the memory of a full ranking: 64 MiB of logits, however many users and items


def score_candidates(
    model: Model, dataset: Dataset, split: Literal["valid", "test"], batch_size: int
) -> NDArray[np.float32]:
    """Return logits [U, 1 + n] of each user's held-out item (column 0) and its stored candidates.

    The model is left in the mode it came in; scores are those of evaluation mode.
    """
    targets = dataset.sequences.targets(split)
    items = np.column_stack([dataset.sequences.items[targets], dataset.candidates[split]]).astype(np.int64)
    histories = torch.from_numpy(dataset.sequences.windows(targets, model.config.length))
    return score_items(model, histories, items, batch_size)


@torch.inference_mode()
def score_items(model: Model, histories: Tensor, items: NDArray[np.int64], batch_size: int) -> NDArray[np.float32]:
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
def rank_among_all(model: Model, dataset: Dataset, batch_size: int) -> Ranks:
    """Rank each user's test item among all items that the user never touched before or after.

    The test item itself counts even if the user had touched it before. The model is left in the mode it came in.

    Args:
        model: on any device.
        dataset: whose test items are ranked; the model knows all its items.
        batch_size: most users at once; fewer where that many times N logits would be too many.

    Raises:
        DataError: a score is not finite.
    """
    sequences, n_items = dataset.sequences, dataset.n_items
    targets = sequences.targets("test")
    histories = torch.from_numpy(sequences.windows(targets, model.config.length))
    at_once = max(1, min(batch_size, _LOGITS_AT_ONCE // n_items))
    columns = torch.from_numpy(sequences.items.astype(np.int64) - 1)
    counts = []
    batches = _encoded(model, histories, at_once)
    for rows, user in progress(batches, "rank all items", unit="batch", total=math.ceil(len(targets) / at_once)):
        scores_BN = model.score_all(user)
        if not torch.stack(torch.aminmax(scores_BN)).isfinite().all():  # NaN passes through both
            raise DataError(
                "scores among all items are not finite; the model has diverged, train it again with a lower "
                "training.learning_rate"
            )
        device = scores_BN.device
        # Out of the same matrix: another product may round the same score in another way.
        target_B1 = scores_BN.gather(1, columns[targets[rows]].unsqueeze(1).to(device))
        touched = np.arange(sequences.offsets[rows.start], targets[rows][-1] + 1)
        row = torch.from_numpy(sequences.users_of(touched) - rows.start)
        scores_BN[row.to(device), columns[touched].to(device)] = -torch.inf
        counts.append([_count(scores_BN > target_B1), _count(scores_BN == target_B1), _count(scores_BN > -torch.inf)])
    above, tied, others = np.concatenate(counts, axis=1)
    return Ranks(above, tied, others)


def _count(which_BN: Tensor) -> NDArray[np.int64]:
    """How many are true in each row [B]; NumPy counts on a CPU seven times as fast as torch."""
    counts: NDArray[np.int64] = np.count_nonzero(which_BN.cpu().numpy(), axis=1)
    return counts


def _encoded(model: Model, histories: Tensor, batch_size: int) -> Iterator[tuple[slice, Any]]:
    """Encode ``batch_size`` of the histories [U, L] at once, in evaluation mode; say which rows they are."""
    with _evaluation_mode(model):
        for start in range(0, len(histories), batch_size):
            rows = slice(start, start + batch_size)
            yield rows, model.encode(histories[rows].to(model.device))


@contextmanager
def _evaluation_mode(model: Model) -> Iterator[None]:
    """A model that is trained by gradients has two modes; the others are always ready."""
    module = model if isinstance(model, nn.Module) else nn.Identity()
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
