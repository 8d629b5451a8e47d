"""What evaluation knows of one model; table, report and files are views of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from solid.evaluation.comparison import Comparison
from solid.metrics.measured import UserMetrics
from solid.models.protocols import Model


@dataclass(frozen=True)
class Result:
    """One evaluated model."""

    name: str
    model: Model
    curve: pd.DataFrame
    """One row an epoch of training: epoch, loss (binary cross-entropy), valid_uauc."""
    metrics: UserMetrics
    """On the test candidates; row u is user u."""
    gains: dict[str, Comparison] = field(default_factory=dict)
    """Against the baseline, by metric; empty for the baseline itself."""

    @property
    def summary(self) -> dict[str, float]:
        """One number a metric."""
        return self.metrics.summarise()
