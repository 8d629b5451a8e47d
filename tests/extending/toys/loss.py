"""A toy loss: the square of what the answer lacks to a score of one."""

import numpy as np
from torch import Tensor

from solid.training.losses.base import Asked, Loss


class ToyLoss(Loss):
    """(1 - x+)^2, a mean over rows."""

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows."""
        return (1 - asked.model.score(asked.encoded, asked.targets_R.unsqueeze(1))).square().mean()
