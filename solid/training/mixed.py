"""Training by mixing: pick models and shares on validation, write them as one model's folder, log the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from solid.console import say
from solid.errors import SettingsError
from solid.evaluation.trained import Trained
from solid.kinds import HEADS
from solid.metrics.catalogue import metric
from solid.mixture.model import Mixture
from solid.mixture.search import Shares, pick_shares
from solid.models.storage import load_model_of, named, save_model
from solid.storage.local import whole_folder
from solid.tracking import DatasetInfo, track
from solid.training.inputs import Inputs
from solid.training.outcome import told, write_outcome
from solid.training.selection import judged


def train_by_mixing(inputs: Inputs, out: Path) -> None:
    """Mix the models at hand, and write the folder of the mixture.

    Each row of history.csv is one mixture that was tried. It takes seconds to minutes: an interrupted one starts anew.

    Raises:
        SettingsError: there is nothing to mix.
        DataError: a part cannot be read, or was trained on other data or picked on the test users.
    """
    dataset, settings = inputs.dataset, inputs.settings
    if not inputs.parts:
        raise SettingsError("a mixture is made of models: name each with --part NAME=FOLDER")
    folders = named(inputs.parts)
    made_with: dict[str, dict[str, Any]] = {}
    for folder in folders.values():
        made_with |= Trained.read_fair(folder).settings
    models = {name: load_model_of(dataset, folder, fold=False) for name, folder in folders.items()}
    decides = made_with | HEADS[inputs.head].decides(settings)
    decides["training"] = made_with.get("training", {}) | decides["training"]
    score = f"valid_{settings.training.metric}"
    history: list[dict[str, float]] = []
    with (
        track(
            inputs.head, {"head": inputs.head, "parts": list(models), **decides}, DatasetInfo.of(dataset.stats), out=out
        ),
        whole_folder(out, holds="training.json") as partial,
    ):

        def tell(_: Shares, value: float) -> None:
            history.append({"epoch": len(history) + 1, score: value})

        shares = pick_shares(models, dataset, metric(settings.training.metric), settings.mixture, tell)
        model = Mixture.of({name: (share, models[name]) for name, share in shares.items()})
        save_model(partial, model)
        best = max(history, key=lambda row: row[score])
        scores = judged(model, dataset, settings.training)
        write_outcome(partial, history, best["epoch"], scores, decides)
    say(f"{out}: {told(scores)}, best of {len(history)}: {model.config.about['shares']}")
