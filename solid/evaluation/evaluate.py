"""The evaluate step: every model on the same test users, compared with the first of them, the best one on top."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from solid.console import progress
from solid.data.dataset import Dataset
from solid.evaluation import table
from solid.evaluation.comparison import Comparison, paired_bootstrap
from solid.evaluation.groups import group_means, groupings
from solid.evaluation.inspection import SemanticSpace, semantic_spaces
from solid.evaluation.measure import measure
from solid.evaluation.reliability import reliability
from solid.evaluation.report import render
from solid.evaluation.result import Result
from solid.evaluation.scoring import View, score_candidates
from solid.evaluation.trained import Trained
from solid.kinds import HEADS
from solid.metrics.catalogue import COMPARED, main_of, metric
from solid.metrics.measured import UserMetrics
from solid.models.protocols import Model
from solid.models.storage import load_model_of, named
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

    Writes metrics.json (one number a metric and model, the best model first), models.json (what each model is),
    per_user.parquet (one row a model and user), groups.csv (means by popularity of the target and by length of the
    history), comparison.json (paired bootstrap against the baseline), table.md, learning_curves/<model>.csv,
    reliability.csv, class_sizes.csv and report.html.

    Args:
        prepared: output of prepare.
        models: name -> output of train; the first is the baseline.
        features: output of features, for the map of the semantic space; a map that needs it is left out without it.
        embeddings: output of embed, likewise.
        out: folder to write.
        settings: whether all items are ranked, cut-offs, users at once, and resamples and seed of the bootstrap.

    Returns:
        The table of results in Markdown.

    Raises:
        DataError: a file is missing or broken, or a model was trained on other data or picked on the test users.
    """
    dataset, models = Dataset.load(prepared), named(models)
    loaded = {name: load_model_of(dataset, folder) for name, folder in models.items()}
    trained = {name: Trained.read_fair(folder) for name, folder in models.items()}
    spaces = semantic_spaces(loaded)

    results: list[Result] = []
    for name, model in progress(loaded.items(), "evaluate", unit="model"):
        results.append(_result(name, model, trained[name], dataset, results[0].metrics if results else None, settings))
    baseline = results[0].name
    main = main_of(results[0].summary)
    results.sort(key=lambda result: -result.summary[main])  # stable: of equals the first given stays first

    groups = groupings(dataset)
    means = group_means(groups, {result.name: result.metrics for result in results})
    text = table.markdown(results, groups)
    report = render(dataset, results, spaces, groups, means, features, embeddings, settings)
    with whole_folder(out, holds="metrics.json") as folder:
        write_json(folder / "metrics.json", {result.name: result.summary for result in results})
        write_json(folder / "models.json", {result.name: _about(result) for result in results})
        gains_of = {result.name: _as_json(result.gains) for result in results if result.name != baseline}
        write_json(folder / "comparison.json", {"baseline": baseline, "models": gains_of})
        _write_per_user(folder / "per_user.parquet", dataset, results)
        _write_csv(folder / "groups.csv", means)
        for result in results:
            name = re.sub(r"[^\w-]+", "_", result.name)
            _write_csv(folder / "learning_curves" / f"{name}.csv", result.trained.curve)
        _write_csv(folder / "reliability.csv", _reliabilities(results))
        _write_csv(folder / "class_sizes.csv", _class_sizes(spaces))
        (folder / "table.md").write_text(text, encoding="utf-8")
        (folder / "report.html").write_text(report, encoding="utf-8")
    return text


def _result(
    name: str,
    model: Model,
    trained: Trained,
    dataset: Dataset,
    baseline: UserMetrics | None,
    settings: EvaluationSettings,
) -> Result:
    view = View.of(model, dataset, "test")
    scores = score_candidates(model, view, settings.batch_size)
    metrics = measure(model, view, settings, scores)
    reliable = reliability(scores, trained.negatives) if trained.negatives else None
    return Result(name, model, trained, metrics, reliable, _gains(metrics, baseline, settings) if baseline else {})


def _gains(metrics: UserMetrics, baseline: UserMetrics, settings: EvaluationSettings) -> dict[str, Comparison]:
    columns = {name: str(metric(name).column) for name in COMPARED}
    return {
        name: paired_bootstrap(metrics.per_user[column], baseline.per_user[column], settings.bootstrap, settings.seed)
        for name, column in columns.items()
        if column in metrics.per_user
    }


def _about(result: Result) -> dict[str, object]:
    trained = result.trained
    return {
        "head": result.model.config.head,
        "counted": HEADS[result.model.config.head].by == "counting",
        "validation": {"metric": trained.metric.name, "value": trained.best},
    }


def _as_json(gains: dict[str, Comparison]) -> dict[str, dict[str, float]]:
    return {metric: asdict(gain) for metric, gain in gains.items()}


def _write_per_user(path: Path, dataset: Dataset, results: list[Result]) -> None:
    """One model after the other: all of them at once would not fit where users are many."""
    users = dataset.users["user_id"].to_numpy()
    frames = (pd.DataFrame({"model": r.name, "user_id": users, **r.metrics.per_user}) for r in results)
    tables = (pa.Table.from_pandas(frame, preserve_index=False) for frame in frames)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for following in tables:
            writer.write_table(following)


def _reliabilities(results: list[Result]) -> pd.DataFrame:
    """One row a model whose scores are probabilities, and tenth of its predictions."""
    empty = pd.DataFrame({"model": [], "predicted": [], "observed": [], "candidates": []})
    found = [result.reliability.assign(model=result.name) for result in results if result.reliability is not None]
    return pd.concat(found)[list(empty)] if found else empty


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
