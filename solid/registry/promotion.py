"""Who deserves to be champion: a model that beats the champion, and that counting does not beat.

One model beats another where its mean is higher in at least registry.confidence of the resamples of the paired
bootstrap over the same test users. And on data that passed its checks: a model may win on broken data, too.
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
from solid.evaluation.measure import measure
from solid.evaluation.scoring import View
from solid.metrics.catalogue import metric
from solid.metrics.measured import UserMetrics
from solid.metrics.ties import Float
from solid.registry.catalogue import Catalogue
from solid.registry.counted import Counted
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
        counting: of the challenger with the best that is counted, on the same metric.
    """

    promote: bool
    reason: str
    comparison: Comparison | None = None
    champion: UserMetrics | None = None
    counting: Comparison | None = None


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
        at_home = measure(champion.model, view_of(champion, dataset), settings.evaluation)
        return judge(measured, at_home, before, settings)


def view_of(catalogue: Catalogue, dataset: Dataset) -> View:
    """Test items of data that may be other than the model was trained on; items go by their original ids.

    The model reads what it knows of each history, as when it serves; items that it does not know stand below all that
    it knows, for it would never recommend them. Only ranks are comparable then, not log loss.
    """
    sequences = dataset.sequences
    numbers = np.append(0, catalogue.numbers(dataset.items["item_id"].tolist()))
    histories = catalogue.histories(numbers[sequences.items], sequences.offsets[:-1], sequences.targets("test"))
    return View(dataset, "test", histories, numbers)


def judge(challenger: UserMetrics, champion: UserMetrics, version: str, settings: Settings) -> Verdict:
    """Promote the challenger when it beats the champion.

    Args:
        challenger: metrics of the new model.
        champion: metrics of the champion on the same users.
        version: the champion's, for the words.
        settings: registry (metric, confidence) and evaluation (bootstrap, seed) are used.
    """
    column = str(metric(settings.registry.metric).column)
    comparison = _compare(challenger.per_user[column], champion.per_user[column], settings)
    confidence = settings.registry.confidence
    reason = (
        f"{_told(comparison, settings)} against version {version}, the champion, on the same {comparison.n:,} test "
        f"users; ahead in {comparison.win_share:.1%} of the resamples, {confidence:.1%} are needed"
    )
    return Verdict(comparison.win_share >= confidence, reason, comparison, champion)


def require_better_than_counting(
    verdict: Verdict, measured: UserMetrics, counted: Counted | None, settings: Settings
) -> Verdict:
    """Hold a verdict back where counting beats the challenger, unless registry.allow_below_counting lets it pass.

    Args:
        verdict: of the models alone.
        measured: metrics of the challenger.
        counted: the best counted model of the same run, on the same users; None where there is none.
        settings: registry (metric, confidence, allow_below_counting) and evaluation (bootstrap, seed) are used.
    """
    if counted is None:
        return verdict
    column = str(metric(settings.registry.metric).column)
    comparison = _compare(measured.per_user[column], counted.values, settings)
    verdict = replace(verdict, counting=comparison)
    if 1 - comparison.win_share < settings.registry.confidence:
        return verdict
    beaten = f"counting beats it: {_told(comparison, settings)} against {counted.name}"
    if settings.registry.allow_below_counting:
        return replace(verdict, reason=f"{verdict.reason}; {beaten}, which registry.allow_below_counting puts up with")
    return replace(
        verdict,
        promote=False,
        reason=f"{beaten}, behind in {1 - comparison.win_share:.1%} of the resamples; such a model is no champion "
        f"unless registry.allow_below_counting says so; of the models: {verdict.reason}",
    )


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


def _compare(a: Float, b: Float, settings: Settings) -> Comparison:
    return paired_bootstrap(a, b, settings.evaluation.bootstrap, settings.evaluation.seed)


def _told(comparison: Comparison, settings: Settings) -> str:
    return f"{settings.registry.metric} {comparison.difference:+.4f} ({comparison.low:+.4f} to {comparison.high:+.4f})"
