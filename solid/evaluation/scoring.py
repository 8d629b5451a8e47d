"""Scores of the stored candidates: every user encoded once, all its candidates scored against the encoding."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from solid.data.dataset import Dataset
from solid.models import Recommender


@torch.inference_mode()
def score_candidates(
    model: Recommender, dataset: Dataset, split: Literal["valid", "test"], batch_size: int
) -> NDArray[np.float32]:
    """Return logits [U, 1 + n] of each user's held-out item (column 0) and its stored candidates.

    The model is left in the mode it came in; scores are those of evaluation mode.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    targets = dataset.sequences.targets(split)
    items = np.column_stack([dataset.sequences.items[targets], dataset.candidates[split]]).astype(np.int64)
    scores = []
    for start in range(0, len(targets), batch_size):
        rows = slice(start, start + batch_size)
        history = torch.from_numpy(dataset.sequences.windows(targets[rows], model.config.model.length))
        user = model.encode(history.to(device))
        scores.append(model.score(user, torch.from_numpy(items[rows]).to(device)).cpu().numpy())
    model.train(was_training)
    return np.concatenate(scores)
