"""The model that MLflow serves: what a version holds, asked for items. Nothing in it is a pickle."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from solid.registry.catalogue import Catalogue

Answer = dict[str, list[str] | list[float] | bool]
_log = logging.getLogger(__name__)


class SolidRecommender(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Top-k items for histories of original item ids."""

    def load_context(self, context: Any) -> None:
        """Read the artifacts ``model``, ``items`` and ``profile``."""
        model, items, profile = (Path(context.artifacts[name]) for name in ("model", "items", "profile"))
        self.catalogue = Catalogue.load(model, items, profile)

    def predict(self, context: Any, model_input: list[list[str]], params: dict[str, Any] | None = None) -> list[Answer]:
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
        answers = self._recommend(model_input, **params) if model_input else []
        if unknown := {item for answer in answers for item in answer["unknown"]}:  # type: ignore[union-attr]
            _log.warning("ignored %d unknown item ids, such as %r", len(unknown), min(unknown))
        return answers

    def _recommend(self, histories: list[list[str]], k: int, exclude_seen: bool) -> list[Answer]:
        sizes = np.array([len(history) for history in histories])
        given = list(itertools.chain.from_iterable(histories))
        numbers, ends = self.catalogue.numbers(given), np.cumsum(sizes)
        top = self.catalogue.top(numbers, ends - sizes, ends, k, exclude_seen=exclude_seen)
        ids, titles = self.catalogue.ids[top.rows], self.catalogue.titles[top.rows]
        rows = np.repeat(np.arange(len(histories)), sizes)
        unknown: list[list[str]] = [[] for _ in histories]
        for place in np.flatnonzero(numbers == 0):
            unknown[rows[place]].append(given[place])
        return [
            {
                "items": ids[row, :n].tolist(),
                "titles": titles[row, :n].tolist(),
                "scores": top.scores[row, :n].tolist(),
                "unknown": unknown[row],
                "cold": bool(top.cold[row]),
            }
            for row, n in enumerate(top.left)
        ]
