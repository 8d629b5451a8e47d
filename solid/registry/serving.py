"""The model that MLflow serves: what a version holds, asked for items. Nothing in it is a pickle."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow

from solid.registry.asking import Question, answer
from solid.registry.catalogue import Catalogue

Told = dict[str, list[str] | list[float] | bool]
_log = logging.getLogger(__name__)


class SolidRecommender(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Top-k items for histories of original item ids."""

    def load_context(self, context: Any) -> None:
        """Read the artifacts ``model``, ``items`` and ``profile``."""
        model, items, profile = (Path(context.artifacts[name]) for name in ("model", "items", "profile"))
        self.catalogue = Catalogue.load(model, items, profile)

    def predict(self, context: Any, model_input: list[list[str]], params: dict[str, Any] | None = None) -> list[Told]:
        """Recommend for each history.

        Args:
            context: MLflow's; not needed.
            model_input: histories of item ids, oldest first and of any length; the last L known items count. Ids that
                the model does not know are ignored, and a history without a known id gets what is popular.
            params: ``k``, the number of items (10); ``exclude_seen``, whether items of the history are left out (True).

        Returns:
            For each history ``items``, ``titles`` and ``scores`` (logits), best first, ``unknown``, the ids that were
            ignored, and ``cold``, whether none was known, so that the answer is what is popular. Fewer than k items
            where the catalogue has no more.

        Raises:
            MlflowException: k is not positive.
        """
        params = {"k": 10, "exclude_seen": True} | (params or {})
        if params["k"] < 1:
            raise mlflow.MlflowException.invalid_parameter_value(f"k must be at least 1, not {params['k']}")
        answers = answer(self.catalogue, [Question(history, **params) for history in model_input])
        if unknown := {item for one in answers for item in one.unknown}:
            _log.warning("ignored %d unknown item ids, such as %r", len(unknown), min(unknown))
        return [asdict(one) for one in answers]
