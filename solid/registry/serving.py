"""The model that MLflow serves, as code: MLflow runs this file when it loads a registered version.

A version holds this file, a copy of the package, and two artifacts: the model folder (safetensors and JSON) and the
table of its items (parquet). Nothing in it is a pickle.
"""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch

from solid.registry.catalogue import Catalogue

_SCORES_AT_ONCE = 1 << 24  # bounds the memory of a request: 64 MiB of logits, however many histories it brings
Answer = dict[str, list[str] | list[float]]
_log = logging.getLogger(__name__)


class SolidRecommender(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Top-k items for histories of original item ids."""

    def load_context(self, context: Any) -> None:
        """Read the artifacts ``model`` and ``items``."""
        self.catalogue = Catalogue.load(Path(context.artifacts["model"]), Path(context.artifacts["items"]))

    def predict(self, context: Any, model_input: list[list[str]], params: dict[str, Any] | None = None) -> list[Answer]:
        """Recommend for each history.

        Args:
            context: MLflow's; not needed.
            model_input: histories of item ids, oldest first and of any length; the last L known items count. Ids that
                the model does not know are ignored, and a history without a known id gets what the model recommends
                to somebody of whom it has seen nothing.
            params: ``k``, the number of items (10); ``exclude_seen``, whether items of the history are left out (True).

        Returns:
            For each history ``items``, ``titles`` and ``scores`` (logits), best first, and ``unknown``, the ids that
            were ignored. Fewer than k items where the catalogue has no more.

        Raises:
            MlflowException: k is not positive.
        """
        params = {"k": 10, "exclude_seen": True} | (params or {})
        if params["k"] < 1:
            raise mlflow.MlflowException.invalid_parameter_value(f"k must be at least 1, not {params['k']}")
        at_once = max(1, _SCORES_AT_ONCE // len(self.catalogue.items))
        parts = (model_input[start : start + at_once] for start in range(0, len(model_input), at_once))
        answers = [answer for part in parts for answer in self._recommend(part, **params)]
        if unknown := {item for answer in answers for item in answer["unknown"]}:
            _log.warning("ignored %d unknown item ids, such as %r", len(unknown), min(unknown))
        return answers

    @torch.inference_mode()
    def _recommend(self, histories: list[list[str]], k: int, exclude_seen: bool) -> list[Answer]:
        model, items = self.catalogue.model, self.catalogue.items
        sizes = np.array([len(history) for history in histories])
        given = list(itertools.chain.from_iterable(histories))
        rows = np.repeat(np.arange(len(histories)), sizes)
        numbers = self.catalogue.numbers(given)
        ends = np.cumsum(sizes)
        scores = model.score_all(model.encode(self.catalogue.histories(numbers, ends - sizes, ends)))
        if exclude_seen:
            seen = numbers > 0
            scores[rows[seen], numbers[seen] - 1] = -torch.inf
        top = scores.topk(min(k, len(items)))
        best, values = top.indices.numpy(), top.values.numpy()
        ids, titles = items["item_id"].to_numpy()[best], items["title"].to_numpy()[best]
        left = np.isfinite(values).sum(axis=1)
        unknown: list[list[str]] = [[] for _ in histories]
        for place in np.flatnonzero(numbers == 0):
            unknown[rows[place]].append(given[place])
        return [
            {
                "items": ids[row, :n].tolist(),
                "titles": titles[row, :n].tolist(),
                "scores": values[row, :n].tolist(),
                "unknown": unknown[row],
            }
            for row, n in enumerate(left)
        ]


mlflow.models.set_model(SolidRecommender())
