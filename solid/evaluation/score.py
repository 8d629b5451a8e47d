"""What a table needs of one trained model, in a folder: its metrics on the test users, and how its training went."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from solid.data.dataset import Dataset
from solid.evaluation.inspection import codebook_use
from solid.evaluation.measure import measure
from solid.evaluation.scoring import View
from solid.models.storage import load_model_of
from solid.settings.schema import EvaluationSettings
from solid.storage.local import read_json, whole_folder, write_json


@dataclass(frozen=True)
class Score:
    """A scored model.

    Attributes:
        summary: one number a metric; ``epochs`` trained, ``best_epoch``; with a codebook, ``codes``, their
            ``perplexity`` and the share of ``dead`` ones on the test histories.
        per_user: one row a user, the same users in the same order for all models of a data set.
        history: one row an epoch of training.
    """

    summary: dict[str, float]
    per_user: pd.DataFrame
    history: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Score:
        """Read what :func:`score` wrote."""
        return cls(
            read_json(folder / "summary.json"),
            pd.read_parquet(folder / "per_user.parquet"),
            pd.read_csv(folder / "history.csv"),
        )


def score(prepared: Path, model: Path, out: Path, settings: EvaluationSettings) -> None:
    """Score the test users with a trained model; write summary.json, per_user.parquet and history.csv.

    Raises:
        DataError: a file is missing or broken, or the model was trained on other data.
    """
    dataset = Dataset.load(prepared)
    trained = load_model_of(dataset, model)
    metrics = measure(trained, View.of(trained, dataset, "test"), settings)
    training = read_json(model / "training.json")
    summary = metrics.summarise() | {"epochs": training["epochs"], "best_epoch": training["best_epoch"]}
    if use := codebook_use(trained, dataset, settings.batch_size):
        summary |= {"codes": use.counts.size, "perplexity": use.perplexity, "dead": use.dead}
    with whole_folder(out, holds="summary.json") as folder:
        write_json(folder / "summary.json", summary)
        values = pd.DataFrame({"user_id": dataset.users["user_id"].to_numpy(), **metrics.per_user})
        values.to_parquet(folder / "per_user.parquet", index=False)
        shutil.copy(model / "history.csv", folder)
