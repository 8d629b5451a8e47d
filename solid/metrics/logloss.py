"""Binary log loss: how well scores do as probabilities."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import Pooled
from solid.metrics.ties import TieGroups


def logloss(groups: TieGroups) -> float:
    """Mean of log(1 + exp(-score)) over positives and log(1 + exp(score)) over negatives, in nats."""
    loss = groups.positives * np.logaddexp(0, -groups.score) + groups.negatives * np.logaddexp(0, groups.score)
    return float(loss.sum() / groups.size.sum())


LOGLOSS = Pooled(
    "logloss",
    "log loss",
    "binary log loss of all candidates, in nats; of use where scores are probabilities",
    higher_is_better=False,
    of=logloss,
)
