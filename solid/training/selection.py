"""What picks the epoch: a metric on the held-out events of all users, or of some where they are many."""

from __future__ import annotations

import numpy as np

from solid.data.dataset import Dataset
from solid.evaluation.measure import value_of
from solid.evaluation.scoring import View
from solid.metrics.catalogue import metric
from solid.models.recommender import Recommender
from solid.settings.schema import TrainingSettings

_USERS_AT_ONCE = 512


class Selection:
    """Values of ``training.metric`` on the events of ``training.selection``."""

    def __init__(self, dataset: Dataset, settings: TrainingSettings) -> None:
        self.metric, self.split = metric(settings.metric), settings.selection
        self.dataset = dataset
        if dataset.n_users > settings.selection_users:
            rng = np.random.default_rng(settings.seed)
            self.dataset = dataset.only(np.sort(rng.permutation(dataset.n_users)[: settings.selection_users]))

    def value(self, model: Recommender) -> float:
        """The mean over users for the model as it is."""
        view = View.of(model, self.dataset, self.split)
        return value_of(model, view, self.metric, _USERS_AT_ONCE)
