"""The metrics of one model on the test users: among the stored candidates and, if wanted, among all items."""

from __future__ import annotations

from solid.data.dataset import Dataset
from solid.evaluation.scoring import rank_among_all, score_candidates
from solid.metrics.measured import UserMetrics, candidate_metrics, full_metrics
from solid.models.protocols import Model
from solid.settings.schema import EvaluationSettings


def measure(model: Model, dataset: Dataset, settings: EvaluationSettings) -> UserMetrics:
    """Score the test candidates of every user, and rank the held-out item among all items with ``settings.full``.

    Raises:
        DataError: a score is not finite.
    """
    metrics = candidate_metrics(score_candidates(model, dataset, "test", settings.batch_size))
    if not settings.full:
        return metrics
    return metrics | full_metrics(rank_among_all(model, dataset, settings.batch_size))
