"""What counting reaches, from the output of evaluate: the mark that a trained model has to pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.metrics.base import Metric
from solid.metrics.ties import Float
from solid.storage.local import read_json


@dataclass(frozen=True)
class Counted:
    """The best counted model of a run, which validation picked among them.

    Attributes:
        name: in the run's table.
        values: a metric of every test user [U].
    """

    name: str
    values: Float

    @classmethod
    def best_of(cls, evaluation: Path, dataset: Dataset, metric: Metric) -> Self | None:
        """Read the output of evaluate; None where no model was counted.

        Raises:
            DataError: the files are missing, of other users, or lack the metric.
        """
        models = read_json(evaluation / "models.json")
        counted = {name: about["validation"] for name, about in models.items() if about["counted"]}
        if not counted:
            return None
        best = max(counted, key=lambda name: float(counted[name]["value"]))
        place, column = evaluation / "per_user.parquet", str(metric.column)
        try:
            table = pd.read_parquet(place, columns=["user_id", column], filters=[("model", "==", best)])
        except (OSError, ValueError) as error:  # pyarrow's, for a missing file or column
            why = str(error).partition("\n")[0]
            raise DataError(f"{place}: no {column} of {best} to read ({why}); run solid evaluate again") from None
        if not table["user_id"].reset_index(drop=True).equals(dataset.users["user_id"]):
            raise DataError(f"{place}: of other users than the prepared data; run solid evaluate again")
        return cls(best, table[column].to_numpy())
