"""The report: one HTML file that needs nothing else, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from solid.console import progress
from solid.data.dataset import Dataset
from solid.evaluation import plots, table
from solid.evaluation.groups import Grouping
from solid.evaluation.inspection import SemanticSpace, codebook_use, extremes, tell, titles_of
from solid.evaluation.page import page
from solid.evaluation.popularity import training_popularity
from solid.evaluation.projection import map_rows, project
from solid.evaluation.result import Result
from solid.metrics.auc import UAUC
from solid.metrics.base import Metric
from solid.metrics.catalogue import OF_RECOMMENDED, main_of, metric
from solid.settings.schema import EvaluationSettings

_STORIES = 4  # best and worst users shown
_TITLE = 110  # characters of a title shown on hover


def render(
    dataset: Dataset,
    results: Sequence[Result],
    spaces: Sequence[SemanticSpace],
    groups: Sequence[Grouping],
    means: pd.DataFrame,
    features: Path | None,
    embeddings: Path | None,
    settings: EvaluationSettings,
) -> str:
    """Return the report as HTML.

    Args:
        dataset: whose test users were scored.
        results: in the order of the table, the best first.
        spaces: the sets of classes that the models read.
        groups: the test users in groups, by popularity of the target first.
        means: of every model in every group.
        features: output of features, for the maps of classes made from text or image.
        embeddings: output of embed, for the maps of classes made from ids.
        settings: users encoded at once, resamples of the bootstrap, and the seed of the maps.

    Raises:
        DataError: vectors of a given folder are missing or belong to other items.
    """
    uses = {result.name: use for result in results if (use := codebook_use(result.model, dataset, settings.batch_size))}
    shown = map_rows(dataset.n_items, settings.seed)
    maps = {
        space.name: plots.semantic_map(project(vectors, settings.seed), space.classes[shown])
        for space in progress(spaces, "semantic maps", unit="map")
        if (vectors := space.vectors(shown, features, embeddings)) is not None
    }
    star, main = results[0], main_of(results[0].summary)
    auc = star.metrics.per_user[UAUC.column]
    best, worst = extremes(auc, np.diff(dataset.sequences.offsets), min(_STORIES, dataset.n_users))
    titles = titles_of(dataset)
    figures = {
        **({"gains": plots.gains(results, table.gain_title(results))} if len(results) > 1 else {}),
        **{f"groups-{n}": plots.by_group(means, group, main, results) for n, group in enumerate(groups)},
        **_learning(results),
        **({"reliability": plots.reliabilities(results)} if _calibrated(results) else {}),
        **({"sizes": plots.class_sizes(spaces, results)} if spaces else {}),
        **({"codebook": plots.codebook_use(uses, results)} if uses else {}),
        **{f"map-{n}": figure for n, figure in enumerate(maps.values())},
    }
    html: str = page("evaluation/report.html.jinja").render(
        stats=dataset.stats,
        candidates=dataset.candidates["test"].shape[1] + 1,
        settings=settings,
        main=metric(main),
        baseline=next(result.name for result in results if not result.gains),
        rows=table.rows(results, columns := table.columns(results)),
        columns=_described(columns),
        gain_title=table.gain_title(results),
        sections=_sections(results),
        recommended=(recommended := _described(n for n in OF_RECOMMENDED if n in star.summary)),
        recommended_rows=table.rows(results, recommended),
        groups=groups,
        target_popularity=_popularity_of_targets(dataset),
        calibrated=_calibrated(results),
        learners=[result.name for result in plots.learners(results)],
        spaces=spaces,
        uses=uses,
        styles=plots.styles(results),
        maps=list(maps),
        map_items=len(shown),
        star=star.name,
        stories={
            "Ranked best": tell(star.model, dataset, best, auc[best]),
            "Ranked worst": tell(star.model, dataset, worst, auc[worst]),
        },
        figures=figures,
        titles=[plots.escape(_shorten(titles[row])) for row in shown],
        plotly=get_plotlyjs(),
    )
    return html


@dataclass(frozen=True)
class _Section:
    """All metrics of one ranking."""

    about: str
    columns: dict[str, Metric]
    rows: list[table.Row]


def _sections(results: Sequence[Result]) -> list[_Section]:
    """Every metric that was measured, a section for each ranking."""
    by_ranking: dict[str, dict[str, Metric]] = {}
    for found in results[0].metrics.metrics:
        by_ranking.setdefault(found.ranking.about, {})[found.name] = found
    return [
        _Section(about.format(k="K"), metrics, table.rows(results, metrics)) for about, metrics in by_ranking.items()
    ]


def _described(names: Iterable[str]) -> dict[str, Metric]:
    return {name: metric(name) for name in names}


def _learning(results: Sequence[Result]) -> dict[str, plots.Figure]:
    """The metric that picked the epoch, and the loss, of models that have epochs."""
    learners = plots.learners(results)
    if not learners:
        return {}
    picked_by = " or ".join(dict.fromkeys(result.trained.metric.title for result in learners))
    losses = " or ".join(dict.fromkeys(result.trained.loss for result in learners))
    return {
        "valid": plots.learning_curves(results, "valid", f"{picked_by} on validation"),
        "loss": plots.learning_curves(results, "loss", f"Loss in training ({losses})"),
    }


def _calibrated(results: Sequence[Result]) -> list[str]:
    """Names of the models whose scores are probabilities."""
    return [result.name for result in results if result.reliability is not None]


def _popularity_of_targets(dataset: Dataset) -> float:
    """Mean training interactions of what the test users touched."""
    targets = dataset.sequences.items[dataset.sequences.targets("test")]
    return float(training_popularity(dataset)[targets - 1].mean())


def _shorten(title: str) -> str:
    return title if len(title) <= _TITLE else title[: _TITLE - 1].rstrip() + "…"
