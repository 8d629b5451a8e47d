"""What a loss is.

Legend: R rows (places of histories that are asked what comes next), N items, C candidates, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.models.protocols import Encoded
from solid.models.recommender import Recommender
from solid.settings.schema import TrainingSettings
from solid.training.learned import Learned


@dataclass(frozen=True)
class Asked:
    """Rows of a batch, and their answers."""

    model: Recommender
    encoded: Encoded
    targets_R: Tensor
    users_R: NDArray[np.int64]
    """Whose they are, for negatives that these users never touched in training."""


class Loss:
    """The mean over rows of how far the model is from the answer."""

    scores_all: ClassVar[bool] = False
    """Whether all items are scored, so that their representations are best made once a step."""

    def __init__(self, settings: TrainingSettings, learned: Learned) -> None:
        """Prepare.

        Args:
            settings: of the loop.
            learned: what is trained on.

        Raises:
            SettingsError: these settings do not go with these data.
        """
        self.settings, self.learned = settings, learned

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows.

        Args:
            asked: the rows.
            rng: of whatever is drawn; all its state comes from the seed and the epoch.
        """
        raise NotImplementedError

    def _with_negatives(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The logits [R, 1 + n] of the answer and of items that the row's user never touched in training."""
        drawn = self.learned.untouched.sample(asked.users_R, self.settings.negatives, rng)
        negatives_RC = torch.from_numpy(drawn).to(asked.targets_R)
        candidates_RC = torch.cat([asked.targets_R.unsqueeze(1), negatives_RC], dim=1)
        return asked.model.score(asked.encoded, candidates_RC)
