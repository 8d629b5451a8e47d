"""The report: one HTML file that needs nothing else, the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from plotly.offline import get_plotlyjs

from solid.console import progress
from solid.data.dataset import Dataset
from solid.evaluation import plots, table
from solid.evaluation.inspection import SemanticSpace, codebook_use, extremes, tell, titles_of
from solid.evaluation.page import page
from solid.evaluation.projection import map_rows, project
from solid.evaluation.result import Result
from solid.metrics.catalogue import MAIN
from solid.settings.schema import EvaluationSettings

_STORIES = 4  # best and worst users shown
_TITLE = 110  # characters of a title shown on hover


def render(
    dataset: Dataset,
    results: Sequence[Result],
    spaces: Sequence[SemanticSpace],
    features: Path | None,
    embeddings: Path | None,
    settings: EvaluationSettings,
) -> str:
    """Return the report as HTML.

    Args:
        dataset: whose test users were scored.
        results: in the order of the table, the baseline first.
        spaces: the sets of classes that the models read.
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
    star = _star(results)
    auc = star.metrics.per_user["auc"]
    best, worst = extremes(auc, np.diff(dataset.sequences.offsets), min(_STORIES, dataset.n_users))
    titles = titles_of(dataset)
    figures = {
        "uauc": plots.learning_curves(results, "valid_uauc", "UAUC on validation"),
        "loss": plots.learning_curves(results, "loss", "Binary cross-entropy in training"),
        **({"gains": plots.gains(results)} if len(results) > 1 else {}),
        **({"sizes": plots.class_sizes(spaces, results)} if spaces else {}),
        **({"codebook": plots.codebook_use(uses, results)} if uses else {}),
        **{f"map-{n}": figure for n, figure in enumerate(maps.values())},
    }
    html: str = page("evaluation/report.html.jinja").render(
        stats=dataset.stats,
        candidates=dataset.candidates["test"].shape[1] + 1,
        settings=settings,
        columns=table.columns(results),
        rows=table.rows(results),
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


def _star(results: Sequence[Result]) -> Result:
    """The model whose users are shown: the SOLID model with the best main figure, or the best of all without any."""
    solid = [result for result in results if result.model.config.head == "solid"]
    return max(solid or results, key=lambda result: result.summary[MAIN])


def _shorten(title: str) -> str:
    return title if len(title) <= _TITLE else title[: _TITLE - 1].rstrip() + "…"
