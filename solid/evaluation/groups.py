"""Test users in groups: by how popular the held-out item was in training, and by how long their history is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solid.data.dataset import Dataset
from solid.evaluation.popularity import BANDS, bands, training_popularity
from solid.metrics.measured import UserMetrics

Ints = NDArray[np.int64]
_LENGTHS = (1, 5, 10, 20, 50)  # where groups of histories begin


@dataclass(frozen=True)
class Grouping:
    """Users in groups.

    Attributes:
        name: of what tells the groups apart.
        labels: of the groups, in order.
        of_user: the group of every user [U], as its place among the labels.
    """

    name: str
    labels: tuple[str, ...]
    of_user: Ints

    @property
    def sizes(self) -> dict[str, int]:
        """Users of each group, by its label."""
        return dict(zip(self.labels, np.bincount(self.of_user, minlength=len(self.labels)).tolist(), strict=True))


def groupings(dataset: Dataset) -> tuple[Grouping, Grouping]:
    """The test users by band of popularity of their held-out item (cold: never trained), and by length of history."""
    sequences = dataset.sequences
    targets = sequences.targets("test")
    of_target = bands(training_popularity(dataset))[sequences.items[targets] - 1]
    ends = [f"{begin} to {end - 1}" for begin, end in pairwise(_LENGTHS)]
    lengths = np.searchsorted(_LENGTHS, targets - sequences.offsets[:-1], side="right") - 1
    return (
        Grouping("popularity of the target", BANDS, of_target),
        Grouping("length of the history", (*ends, f"{_LENGTHS[-1]} and more"), lengths),
    )


def group_means(groupings: Sequence[Grouping], models: Mapping[str, UserMetrics]) -> pd.DataFrame:
    """One row a model, grouping and group that has users: their number, and the mean of every per-user metric."""
    rows = []
    for model, measured in models.items():
        for grouping in groupings:
            for place, label in enumerate(grouping.labels):
                inside = grouping.of_user == place
                if not inside.any():
                    continue
                means = {m.name: measured.per_user[m.column][inside] for m in measured.metrics if m.column}
                row = {"model": model, "by": grouping.name, "group": label, "users": int(inside.sum())}
                rows.append(row | {name: _mean(values) for name, values in means.items()})
    return pd.DataFrame(rows)


def _mean(values: NDArray[np.float64]) -> float:
    """Of the users who have a value; NaN where none has."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
