"""Softmax over the answer and drawn items, corrected for how they were drawn.

With the correction, the sum over the drawn items is an unbiased estimate of that over all others (Bengio and Senecal,
IEEE TNN 2008; Yi et al., RecSys 2019, for the other targets of a batch).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from solid.settings.schema import TrainingSettings
from solid.training.learned import Learned
from solid.training.losses.base import Asked, Loss


class SampledSoftmax(Loss):
    """-x+ + log(e^x+ + sum over k drawn items of e^(x - log(k q))), q the probability to draw the item once.

    All rows share the drawn items; a row leaves out its answer among them. ``training.sampling`` says how they are
    drawn: uniform, by how often they are targets in training, or as the targets of the step itself.
    """

    def __init__(self, settings: TrainingSettings, learned: Learned) -> None:
        super().__init__(settings, learned)
        self.popularity = learned.popularity

    def __call__(self, asked: Asked, rng: np.random.Generator) -> Tensor:
        """The loss of these rows."""
        drawn, q = self._draw(asked, rng)
        drawn_C = torch.from_numpy(drawn).to(asked.targets_R)
        logits_RC = asked.model.score_same(asked.encoded, drawn_C)
        logits_RC = logits_RC - torch.from_numpy(np.log(len(drawn) * q)).to(logits_RC)
        logits_RC = logits_RC.masked_fill(drawn_C == asked.targets_R.unsqueeze(1), -torch.inf)
        answers_R1 = asked.model.score(asked.encoded, asked.targets_R.unsqueeze(1))
        return (torch.cat([answers_R1, logits_RC], dim=1).logsumexp(1) - answers_R1.squeeze(1)).mean()

    def _draw(self, asked: Asked, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Items [C], and the probability of each to be drawn once [C]."""
        n_items, n = self.learned.n_items, self.settings.negatives
        match self.settings.sampling:
            case "uniform":
                return rng.integers(1, n_items + 1, n), np.full(n, 1 / n_items)
            case "popularity":
                drawn = rng.choice(n_items, n, p=self.popularity) + 1
            case "batch":
                drawn = asked.targets_R.cpu().numpy()
        return drawn, self.popularity[drawn - 1]
