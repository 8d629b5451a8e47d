"""A loss for tests that take a few steps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from solid.models.recommender import Recommender


def loss_of(model: Recommender, histories: Tensor, candidates: Tensor) -> Tensor:
    """Binary cross-entropy with each user's positive in column 0, and the head's own terms."""
    user = model.read(*model.backbone.question(histories))
    logits = model.score(user, candidates)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1
    return functional.binary_cross_entropy_with_logits(logits, labels) + sum(user.losses.values(), torch.zeros(()))
