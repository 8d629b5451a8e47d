"""Who deserves to be champion: challenger and champion on the same test users, compared by the paired bootstrap.

And on data that passed its checks: a model may win on broken data, too.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.evaluation.comparison import Comparison, paired_bootstrap
from solid.evaluation.scoring import score_items
from solid.metrics.catalogue import metric
from solid.metrics.measured import UserMetrics, candidate_metrics
from solid.registry.catalogue import Catalogue
from solid.registry.version import ITEMS, MODEL, digests, fetch_version
from solid.settings.schema import Settings


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger becomes champion, why in words, and the figures behind it where there are any.

    Attributes:
        promote: the verdict.
        reason: why.
        comparison: of the two models on the metric that decides.
        champion: its metrics on the same users.
    """

    promote: bool
    reason: str
    comparison: Comparison | None = None
    champion: UserMetrics | None = None


def decide(
    name: str, before: str | None, model: Path, measured: UserMetrics, dataset: Dataset, settings: Settings
) -> Verdict:
    """Compare a model with the champion, version ``before``, as the registry holds it."""
    if before is None:
        return Verdict(True, "there was no champion")
    with tempfile.TemporaryDirectory() as scratch:
        kept = fetch_version(name, before, (MODEL, ITEMS), Path(scratch))
        if digests(model) == digests(kept / MODEL):
            return Verdict(False, f"it equals the champion, version {before}, byte for byte")
        try:
            champion = Catalogue.load(kept / MODEL, kept / ITEMS)
        except DataError as error:
            return Verdict(False, f"the champion, version {before}, cannot be compared ({error}); choose by hand")
        return judge(measured, measure(champion, dataset, settings.evaluation.batch_size), before, settings)


def judge(challenger: UserMetrics, champion: UserMetrics, version: str, settings: Settings) -> Verdict:
    """Promote the challenger when its mean is higher in at least registry.confidence of the bootstrap resamples.

    Args:
        challenger: metrics of the new model.
        champion: metrics of the champion on the same users.
        version: the champion's, for the words.
        settings: registry (metric, confidence) and evaluation (bootstrap, seed) are used.
    """
    name, confidence = settings.registry.metric, settings.registry.confidence
    column = str(metric(name).column)
    comparison = paired_bootstrap(
        challenger.per_user[column],
        champion.per_user[column],
        settings.evaluation.bootstrap,
        settings.evaluation.seed,
    )
    reason = (
        f"{name} {comparison.difference:+.4f} ({comparison.low:+.4f} to {comparison.high:+.4f}) against version "
        f"{version}, the champion, on the same {comparison.n:,} test users; ahead in {comparison.win_share:.1%} of "
        f"the resamples, {confidence:.1%} are needed"
    )
    return Verdict(comparison.win_share >= confidence, reason, comparison, champion)


def require_checks(verdict: Verdict, checks: dict[str, Any]) -> Verdict:
    """Hold a verdict back where the data did not pass its checks.

    Args:
        verdict: of the models alone.
        checks: content of checks.json.
    """
    if checks["passed"]:
        return verdict
    reason = f"the data checks did not pass, {checks['reason']}; of the models: {verdict.reason}"
    return replace(verdict, promote=False, reason=reason)


def measure(catalogue: Catalogue, dataset: Dataset, batch_size: int) -> UserMetrics:
    """Metrics of a model on the test candidates of ``dataset``, which may be other data than it was trained on.

    Items go by their original ids. The model reads what it knows of each history, as when it serves; candidates that
    it does not know rank below all that it knows, for it would never recommend them. Only ranks are comparable then,
    not log loss.
    """
    model, sequences = catalogue.model, dataset.sequences
    numbers = np.append(0, catalogue.numbers(dataset.items["item_id"].tolist()))
    events = sequences.targets("test")
    candidates = numbers[np.column_stack([sequences.items[events], dataset.candidates["test"]])]
    histories = catalogue.histories(numbers[sequences.items], sequences.offsets[:-1], events)
    logits = score_items(model, histories, candidates, batch_size)
    return candidate_metrics(np.where(candidates > 0, logits, logits.min() - 1))
