"""Metrics of rows of any users, scores and labels: what the package's own ways in are a special case of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solid.metrics import measured
from solid.metrics.catalogue import CUTOFFS
from solid.metrics.measured import UserMetrics
from solid.metrics.ties import TieGroups


def user_metrics(
    user: NDArray[Any], score: NDArray[Any], label: NDArray[Any], cutoffs: Sequence[int] = CUTOFFS
) -> UserMetrics:
    """Evaluate logits and labels, 0 or 1, of flat rows; users may have any number of rows and of positives."""
    order = np.lexsort((-score, user))
    groups = groups_of(user[order], score[order], label[order].astype(np.int64))
    return measured._among_candidates(groups, score[label == 1], score[label == 0], cutoffs)


def groups_of(user: NDArray[Any], score: NDArray[Any], label: NDArray[Any]) -> TieGroups:
    """Group rows [R] that are sorted by user and then from the highest score down."""
    new_user = _changes(user)
    start = np.flatnonzero(new_user | _changes(score))
    size = np.diff(start, append=user.size)
    positives = np.add.reduceat(label, start)
    owner = np.cumsum(new_user)[start] - 1
    user_start = np.flatnonzero(new_user)
    return TieGroups(
        users=user[user_start].astype(np.int64),
        first=np.searchsorted(start, user_start),
        owner=owner,
        above=start - user_start[owner],
        positives=positives,
        negatives=size - positives,
    )


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it; the first always does."""
    return np.concatenate([[True], values[1:] != values[:-1]])[: values.size]
