"""Generalised binary cross-entropy (Petrov and Macdonald, "gSASRec", RecSys 2023).

With few negatives of many items, binary cross-entropy makes the model too sure of its answers. The likelihood of the
answer is taken to the power beta instead, which leaves the ranking and, with t = 1, the probabilities of the softmax.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional

from solid.settings.schema import TrainingSettings
from solid.training.learned import Learned
from solid.training.losses.base import Asked, Loss


class GeneralisedBinaryCrossEntropy(Loss):
    """-(beta log s(x+) + sum over k negatives of log(1 - s(x-))) / (k + 1), a mean over rows.

    beta = alpha (t (1 - 1 / alpha) + 1 / alpha), where alpha = k / (N - 1) is the share of negatives that are drawn and
    t the calibration (the paper's equation 11).
    """

    def __init__(self, settings: TrainingSettings, learned: Learned) -> None:
        super().__init__(settings, learned)
        alpha, t = min(1.0, settings.negatives / (learned.n_items - 1)), settings.calibration
        self.beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows."""
        logits_RC = self._with_negatives(asked, rng)
        positive_R = functional.logsigmoid(logits_RC[:, 0])
        negative_R = functional.logsigmoid(-logits_RC[:, 1:]).sum(1)
        return -(self.beta * positive_R + negative_R).mean() / logits_RC.shape[1]
