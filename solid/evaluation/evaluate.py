"""The evaluate step: every model on the same test users, compared with the first of them."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from solid.console import progress
from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.evaluation import table
from solid.evaluation.comparison import Comparison, paired_bootstrap
from solid.evaluation.inspection import SemanticSpace, semantic_spaces
from solid.evaluation.measure import measure
from solid.evaluation.report import render
from solid.evaluation.result import Result
from solid.metrics.catalogue import COMPARED, metric
from solid.metrics.measured import UserMetrics
from solid.models.storage import load_model_of, validation_uauc
from solid.settings.schema import EvaluationSettings
from solid.storage.local import whole_folder, write_json


def evaluate(
    prepared: Path,
    models: dict[str, Path],
    features: Path | None,
    embeddings: Path | None,
    out: Path,
    settings: EvaluationSettings,
) -> str:
    """Score the test candidates, and all items if wanted, with every model and write what came of it to ``out``.

    Writes metrics.json (one number a metric and model), per_user.parquet (one row a model and user), comparison.json
    (paired bootstrap against the baseline), table.md, learning_curves/<model>.csv, class_sizes.csv and report.html.

    Args:
        prepared: output of prepare.
        models: name -> output of train; the first is the baseline.
        features: output of features, for the map of the semantic space; a map that needs it is left out without it.
        embeddings: output of embed, likewise.
        out: folder to write.
        settings: whether all items are ranked, users at once, and resamples and seed of the bootstrap.

    Returns:
        The table of results in Markdown.

    Raises:
        DataError: a file is missing or broken, or a model was trained on other data or picked on the test users.
    """
    dataset = Dataset.load(prepared)
    loaded = {name: load_model_of(dataset, folder) for name, folder in models.items()}
    for folder in models.values():
        validation_uauc(folder)  # refuses what was picked on the test users
    curves = {name: _learning_curve(folder / "history.csv") for name, folder in models.items()}
    spaces = semantic_spaces(loaded)

    results: list[Result] = []
    for name, model in progress(loaded.items(), "evaluate", unit="model"):
        metrics = measure(model, dataset, settings)
        gains = _gains(metrics, results[0].metrics, settings) if results else {}
        results.append(Result(name, model, curves[name], metrics, gains))

    text = table.markdown(results)
    report = render(dataset, results, spaces, features, embeddings, settings)
    with whole_folder(out, holds="metrics.json") as folder:
        write_json(folder / "metrics.json", {result.name: result.summary for result in results})
        gains_of = {result.name: _as_json(result.gains) for result in results[1:]}
        write_json(folder / "comparison.json", {"baseline": results[0].name, "models": gains_of})
        _per_user(dataset, results).to_parquet(folder / "per_user.parquet", index=False)
        for result in results:
            name = re.sub(r"[^\w-]+", "_", result.name)
            _write_csv(folder / "learning_curves" / f"{name}.csv", result.curve)
        _write_csv(folder / "class_sizes.csv", _class_sizes(spaces))
        (folder / "table.md").write_text(text, encoding="utf-8")
        (folder / "report.html").write_text(report, encoding="utf-8")
    return text


def _learning_curve(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file; is {path.parent} the output of train?")
    history = pd.read_csv(path)
    if missing := {"epoch", "bce", "valid_uauc"} - set(history.columns):
        raise DataError(f"{path}: no column {', '.join(sorted(missing))}; train this model again")
    return history.rename(columns={"bce": "loss"})[["epoch", "loss", "valid_uauc"]].astype({"epoch": int})


def _gains(metrics: UserMetrics, baseline: UserMetrics, settings: EvaluationSettings) -> dict[str, Comparison]:
    columns = {name: metric(name).column for name in COMPARED}
    return {
        name: paired_bootstrap(metrics.per_user[column], baseline.per_user[column], settings.bootstrap, settings.seed)
        for name, column in columns.items()
        if column in metrics.per_user
    }


def _as_json(gains: dict[str, Comparison]) -> dict[str, dict[str, float]]:
    return {metric: asdict(gain) for metric, gain in gains.items()}


def _per_user(dataset: Dataset, results: list[Result]) -> pd.DataFrame:
    users = dataset.users["user_id"].to_numpy()
    return pd.concat(
        [pd.DataFrame({"model": r.name, "user_id": users, **r.metrics.per_user}) for r in results], ignore_index=True
    )


def _class_sizes(spaces: list[SemanticSpace]) -> pd.DataFrame:
    """Sizes by rank (1 = largest) of every set of classes that some model reads; no row where none does."""
    empty = pd.DataFrame({"semantics": pd.Series(dtype="str"), "rank": [], "size": []})
    tables = [
        pd.DataFrame({"semantics": s.name, "rank": np.arange(1, len(s.sizes) + 1), "size": s.sizes}) for s in spaces
    ]
    return pd.concat(tables) if tables else empty


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")
