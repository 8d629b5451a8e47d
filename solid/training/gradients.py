"""Training by gradients: build a model, run the loop, write its folder, log the run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from solid import __version__
from solid.console import say
from solid.errors import DataError, SettingsError
from solid.kinds import HEADS
from solid.models.config import ModelConfig
from solid.models.recommender import Recommender
from solid.models.storage import load_model, save_model
from solid.storage.local import STATE, partial_of, whole_folder
from solid.tracking import DatasetInfo, track
from solid.training.inputs import Inputs
from solid.training.loop import fit
from solid.training.outcome import write_outcome
from solid.training.state import TrainingState
from solid.training.warm_start import start_as_trunk, warm_start


def train_by_gradients(inputs: Inputs, out: Path) -> None:
    """Train a :class:`Recommender` and write its folder.

    An interrupted training leaves ``<out>.partial`` and goes on from its last whole epoch when called again with
    the same settings and inputs; the files it ends with are the same as without the interruption.

    Raises:
        SettingsError: no such device.
        DataError: the semantic model does not fit.
    """
    settings, dataset = inputs.settings, inputs.dataset
    classes = None if inputs.classes is None else torch.from_numpy(inputs.classes.astype("int64"))
    config = ModelConfig.of(
        settings,
        head=inputs.head,
        ids=inputs.ids,
        modality=inputs.modality,
        n_items=dataset.n_items,
        n_classes=0 if classes is None else int(classes[:, 0].max()),
        digest=dataset.stats["digest"],
    )
    torch.set_num_threads(settings.training.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(settings.training.seed)
    model = Recommender(config, classes, {kind: torch.from_numpy(matrix) for kind, matrix in inputs.vectors.items()})
    if inputs.semantic_model:
        warm_start(model, _start(inputs.semantic_model))
    if inputs.trunk:
        start_as_trunk(model, _start(inputs.trunk))
    model.to(_device(settings.training.device))

    score = f"{settings.training.selection}_{settings.training.metric}"
    decides = HEADS[inputs.head].decides(settings)
    fingerprint = _fingerprint(config, decides, inputs.digests)
    kept = partial_of(out)
    state = TrainingState.load(kept / STATE, fingerprint, score)
    if state.history:
        say(f"resuming after epoch {state.epoch}")
    name = " ".join(filter(None, [inputs.head, config.model.backbone, inputs.ids, config.modality]))
    parameters = config.model_dump(mode="json") | {"training": settings.training.model_dump(mode="json")}
    with (
        track(
            name, parameters, DatasetInfo.of(dataset.stats), state.run_id, out=out, forget=lambda: shutil.rmtree(kept)
        ) as run,
        whole_folder(out, holds="training.json", resumable=True) as folder,
    ):
        state.run_id = run.id

        def on_epoch(state: TrainingState) -> None:
            state.save(kept / STATE)
            row = state.history[-1]
            run.epoch(state.epoch, {key: value for key, value in row.items() if key != "epoch"})
            figures = ", ".join(f"{key} {value:.4f}" for key, value in row.items() if key != "epoch")
            best = " *" if state.best is row else ""
            speed = f"  ({state.targets_per_second:,.0f} targets/s)" if state.epoch else ""
            say(f"epoch {state.epoch:3d}: {figures}{best}{speed}")

        fit(model, dataset, settings.training, state, on_epoch)
        save_model(folder, model)
        found = {state.score: state.best[state.score]}
        write_outcome(folder, state.history, state.best["epoch"], found, decides)
    say(f"{out}: best epoch {state.best['epoch']:.0f} of {state.epoch}, {state.score} {state.best[state.score]:.4f}")


def _start(folder: Path) -> Recommender:
    start = load_model(folder, fold=False)
    if not isinstance(start, Recommender):
        raise DataError(f"{folder}: a {start.config.head} model has no weights to start from")
    return start


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"training.device {name}: {error}; use auto or cpu") from None


def _fingerprint(config: ModelConfig, decides: dict[str, Any], inputs: list[str]) -> str:
    versions = [__version__, torch.__version__]
    text = json.dumps([config.model_dump(mode="json"), decides, inputs, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
