"""The metrics of one model on held-out items: among stored candidates, among all items, and of what it recommends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from solid.evaluation.exposure import ExposureCounter
from solid.evaluation.popularity import training_popularity
from solid.evaluation.scoring import View, rank_among_all, score_candidates
from solid.metrics.base import CANDIDATES, Metric
from solid.metrics.catalogue import with_compared
from solid.metrics.measured import UserMetrics, candidate_metrics, list_metrics, rank_metrics
from solid.models.protocols import Scorer
from solid.settings.schema import EvaluationSettings


def measure(
    model: Scorer, view: View, settings: EvaluationSettings, scores: NDArray[np.float32] | None = None
) -> UserMetrics:
    """Everything that the settings ask for.

    Args:
        model: on any device.
        view: whose held-out items are ranked.
        settings: whether all items are ranked, cut-offs, users at once.
        scores: of the candidates, where they are known already.

    Raises:
        DataError: a score is not finite.
    """
    cutoffs = with_compared(settings.cutoffs)
    if scores is None:
        scores = score_candidates(model, view, settings.batch_size)
    metrics = candidate_metrics(scores, cutoffs)
    if not settings.full:
        return metrics
    lists = ExposureCounter(view.dataset.n_items, cutoffs)
    for ranking, ranks in rank_among_all(model, view, settings.batch_size, lists).items():
        metrics |= rank_metrics(ranks, ranking, cutoffs)
    popularity = training_popularity(view.dataset)
    return metrics | list_metrics(metrics.users, lists.exposures(popularity))


def measure_one(model: Scorer, view: View, metric: Metric, batch_size: int) -> float:
    """One metric alone, a mean over users, in the time that it takes; for picking an epoch or a setting.

    Raises:
        DataError: a score is not finite.
    """
    cutoffs = [metric.cutoff] if metric.cutoff else []
    if metric.ranking == CANDIDATES:
        measured = candidate_metrics(score_candidates(model, view, batch_size), cutoffs)
    else:
        measured = rank_metrics(rank_among_all(model, view, batch_size)[metric.ranking], metric.ranking, cutoffs)
    return measured.summarise()[metric.name]
