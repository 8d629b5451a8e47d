"""How a model was trained, as its folder tells it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from solid.errors import DataError
from solid.metrics.base import Metric
from solid.metrics.catalogue import metric
from solid.storage.local import read_json

_SPLITS = ("valid_", "test_")


@dataclass(frozen=True)
class Trained:
    """A training that came to its end.

    Attributes:
        metric: which picked the epoch, or the setting, that was kept.
        best: its value there.
        on_test: whether it was taken on the test users, as the released protocol does.
        history: one row an epoch or setting tried: ``epoch``, losses by name, and what decided among them, under valid_
            or test_ and the name of a metric.
        settings: the sections that it was trained with; none where an older version wrote the folder.
    """

    metric: Metric
    best: float
    on_test: bool
    history: pd.DataFrame
    settings: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read an output folder of train.

        Raises:
            DataError: a file is missing, or does not say what picked the epoch.
        """
        training, place = read_json(folder / "training.json"), folder / "history.csv"
        if not place.is_file():
            raise DataError(f"{place}: no such file; is {folder} the output of train?")
        history = pd.read_csv(place)
        column = next((key for key in training if key.startswith(_SPLITS)), None)
        if column is None or not _decided(history):
            raise DataError(
                f"{place}: no column {column or 'of a metric that picked an epoch'}; train this model again"
            )
        split, _, name = column.partition("_")
        return cls(metric(name), float(training[column]), split == "test", history, training.get("settings", {}))

    @classmethod
    def read_fair(cls, folder: Path) -> Self:
        """Read one whose test users may judge it.

        Raises:
            DataError: likewise, or its epoch was picked on them.
        """
        trained = cls.read(folder)
        if trained.on_test:
            raise DataError(
                f"{folder}: its epoch was picked on the test users (training.selection: test), so they cannot judge "
                "it; train it with training.selection: valid"
            )
        return trained

    @property
    def loss(self) -> str:
        """Name of the loss of the candidates or items, which the history has a column of; "" for a counted model."""
        others = ("epoch", _decided(self.history))
        return next((name for name in self.history.columns if name not in others), "")

    @property
    def negatives(self) -> int:
        """Negatives beside each positive in training, if scores are probabilities in that mix; else 0."""
        return int(self.settings.get("training", {}).get("negatives", 0)) if self.loss == "bce" else 0

    @property
    def curve(self) -> pd.DataFrame:
        """One row an epoch: ``epoch``, ``loss`` where there is one, and ``valid``, the metric on validation."""
        names = {"epoch": "epoch", **({self.loss: "loss"} if self.loss else {}), _decided(self.history): "valid"}
        return self.history[list(names)].rename(columns=names).astype({"epoch": int})


def _decided(history: pd.DataFrame) -> str:
    """The column that decided among the rows; "" where there is none."""
    return next((name for name in map(str, history.columns) if name.startswith(_SPLITS)), "")
