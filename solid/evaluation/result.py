"""What evaluation knows of one model; table, report and files are views of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from solid.evaluation.comparison import Comparison
from solid.evaluation.trained import Trained
from solid.metrics.measured import UserMetrics
from solid.models.protocols import Model


@dataclass(frozen=True)
class Result:
    """One evaluated model.

    Attributes:
        name: in table and report.
        model: ready to score.
        trained: how.
        metrics: on the test users; row u is user u.
        reliability: predicted and observed shares of positives, where its scores are probabilities.
        gains: against the baseline, by metric; empty for the baseline itself.
    """

    name: str
    model: Model
    trained: Trained
    metrics: UserMetrics
    reliability: pd.DataFrame | None = None
    gains: dict[str, Comparison] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, float]:
        """One number a metric."""
        return self.metrics.summarise()
