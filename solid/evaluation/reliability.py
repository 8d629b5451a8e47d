"""Whether scores are probabilities one can rely on: candidates by what was predicted, and how many were touched."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_BINS = 10
_USERS_AT_ONCE = 1 << 14  # bounds the memory


def reliability(scores: NDArray[np.float32], trained_negatives: int) -> pd.DataFrame:
    """Predicted and observed shares of positives (DeGroot and Fienberg, The Statistician 32, 1983).

    A model that learned from one positive among n negatives says how likely that is in this mix. The candidates are
    mixed otherwise, one among m, so each negative counts n / m, as if the mix were the one it knows (Elkan, IJCAI
    2001).

    Args:
        scores: logits [U, 1 + m] with each user's positive in column 0.
        trained_negatives: n.

    Returns:
        One row for each tenth of the predictions from 0 to 1 that holds any: ``predicted``, the weighted mean of
        sigmoid(score); ``observed``, the weighted share of positives; ``candidates``, how many.
    """
    width = scores.shape[1]
    weight = np.full(width, trained_negatives / (width - 1))
    weight[0] = 1
    predicted, observed, mass, candidates = np.zeros((4, _BINS))
    for start in range(0, len(scores), _USERS_AT_ONCE):
        part = scores[start : start + _USERS_AT_ONCE].astype(np.float64)
        chance = 0.5 * (1 + np.tanh(part / 2))  # the sigmoid, without overflow
        place = np.minimum((chance * _BINS).astype(np.int64), _BINS - 1)
        weights = np.broadcast_to(weight, part.shape).ravel()
        mass += np.bincount(place.ravel(), weights, _BINS)
        predicted += np.bincount(place.ravel(), weights * chance.ravel(), _BINS)
        observed += np.bincount(place[:, 0], minlength=_BINS)
        candidates += np.bincount(place.ravel(), minlength=_BINS)
    some = candidates > 0
    return pd.DataFrame(
        {
            "predicted": predicted[some] / mass[some],
            "observed": observed[some] / mass[some],
            "candidates": candidates[some].astype(np.int64),
        }
    )
