"""Binary log loss: how well scores do as probabilities."""

from __future__ import annotations

import numpy as np

from solid.metrics.base import Pooled
from solid.metrics.ties import Floats

_AT_ONCE = 1 << 20  # bounds the memory


def logloss(positives: Floats, negatives: Floats) -> float:
    """Mean of log(1 + exp(-score)) over positives [P] and log(1 + exp(score)) over negatives [M], in nats."""
    total = 0.0
    for scores, sign in ((positives, -1), (negatives, 1)):
        for start in range(0, len(scores), _AT_ONCE):
            total += float(np.logaddexp(0, sign * scores[start : start + _AT_ONCE].astype(np.float64)).sum())
    return total / (len(positives) + len(negatives))


LOGLOSS = Pooled(
    "logloss",
    "log loss",
    "binary log loss of all candidates, in nats; of use where scores are probabilities",
    higher_is_better=False,
    of=logloss,
)
