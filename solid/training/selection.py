"""How good a model is while it is made: a metric on held-out events of all users, or of some where they are many."""

from __future__ import annotations

from solid.data.dataset import Dataset
from solid.data.sequences import spread
from solid.evaluation.measure import measure_one
from solid.evaluation.scoring import View
from solid.metrics.catalogue import metric
from solid.models.protocols import Scorer
from solid.settings.schema import TrainingSettings

_USERS_AT_ONCE = 512


class Selection:
    """Values of ``training.metric`` on the events of ``training.selection``."""

    def __init__(self, dataset: Dataset, settings: TrainingSettings) -> None:
        self.metric, self.split = metric(settings.metric), settings.selection
        self.dataset = dataset
        if dataset.n_users > settings.selection_users:
            self.dataset = dataset.only(spread(dataset.n_users, settings.selection_users))

    @property
    def score(self) -> str:
        """The metric with the name of the events before it, as in valid_full_ndcg_10."""
        return f"{self.split}_{self.metric.name}"

    def value(self, model: Scorer) -> float:
        """The mean over users for the model as it is."""
        view = View.of(model, self.dataset, self.split)
        return measure_one(model, view, self.metric, _USERS_AT_ONCE)


def judged(model: Scorer, dataset: Dataset, settings: TrainingSettings) -> dict[str, float]:
    """The value on the validation events of a model that is done, under its name; comparable with any other's."""
    selection = Selection(dataset, settings.model_copy(update={"selection": "valid"}))
    return {selection.score: selection.value(model)}
