"""Binary cross-entropy with drawn negatives (Kang and McAuley, ICDM 2018): the loss of the released code."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from solid.training.losses.base import Asked, Loss


class BinaryCrossEntropy(Loss):
    """The mean, over rows and candidates, of -log s(x) for the answer and -log(1 - s(x)) for each negative."""

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows."""
        logits_RC = self._with_negatives(asked, rng)
        labels_RC = torch.zeros_like(logits_RC)
        labels_RC[:, 0] = 1.0
        return functional.binary_cross_entropy_with_logits(logits_RC, labels_RC)
