"""The train step: build a model, train it, write its folder, log the run."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import torch

from solid import __version__
from solid.console import say
from solid.data.dataset import Dataset, read_classes
from solid.errors import SettingsError
from solid.models.recommender import ModelConfig, Recommender
from solid.models.storage import load_model, save_model
from solid.settings.schema import Head, Ids, Settings
from solid.storage.local import folder_digest, partial_of, read_json, whole_folder, write_json
from solid.tracking import DatasetInfo, track
from solid.training.loop import fit
from solid.training.state import TrainingState
from solid.training.warm_start import warm_start

_STATE = "state.safetensors"


def train(
    prepared: Path,
    out: Path,
    head: Head,
    ids: Ids,
    semantics: Path | None,
    semantic_model: Path | None,
    settings: Settings,
) -> None:
    """Train one model and write its folder: model.safetensors, config.json, history.csv, training.json.

    An interrupted training leaves ``<out>.partial`` and goes on from its last whole epoch when called again with
    the same settings and inputs; the files it ends with are the same as without the interruption.

    Args:
        prepared: output of prepare.
        out: folder to write.
        head: kind of model.
        ids: what history and target embeddings are: of the item, of its class, or the sum of both.
        semantics: output of assign; needed where classes are read.
        semantic_model: trained duet or apg on classes from which solid and its codebook start; without it they start
            afresh.
        settings: of the whole chain; model, training and what belongs to the head are used.

    Raises:
        SettingsError: the combination of options makes no sense.
        DataError: an input is missing or does not fit the others.
    """
    _check_options(head, ids, semantics, semantic_model)
    dataset = Dataset.load(prepared)
    classes, modality = None, None
    if semantics:
        classes = torch.from_numpy(read_classes(semantics, dataset.n_items).astype("int64"))
        modality = read_json(semantics / "quality.json")["modality"]
    config = ModelConfig(
        head=head,
        ids=ids,
        modality=modality,
        n_items=dataset.n_items,
        n_classes=0 if classes is None else int(classes.max()),
        model=settings.model,
        finetune=settings.finetune if head == "finetune" else None,
        apg=settings.apg if head == "apg" or (head == "solid" and settings.fusion.generator == "apg") else None,
        fusion=settings.fusion if head == "solid" else None,
        digest=dataset.stats["digest"],
    )
    torch.set_num_threads(settings.training.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(settings.training.seed)
    model = Recommender(config, classes)
    if semantic_model:
        warm_start(model, load_model(semantic_model, fold=False))
    model.to(_device(settings.training.device))

    inputs = [folder_digest(folder) for folder in (prepared, semantics, semantic_model) if folder]
    fingerprint = _fingerprint(config, settings, inputs)
    state = TrainingState.load(partial_of(out) / _STATE, fingerprint, f"{settings.training.selection}_uauc")
    if state.epoch:
        say(f"resuming after epoch {state.epoch}")
    name = " ".join(filter(None, [head, config.model.backbone, ids, config.modality]))
    parameters = config.model_dump(mode="json") | {"training": settings.training.model_dump(mode="json")}
    with (
        track(name, parameters, DatasetInfo.of(dataset.stats), state.run_id) as run,
        whole_folder(out, holds="training.json", keep_partial=True) as partial,
    ):
        state.run_id = run.id

        def on_epoch(state: TrainingState) -> None:
            state.save(partial / _STATE)
            row = state.history[-1]
            run.epoch(state.epoch, {key: value for key, value in row.items() if key != "epoch"})
            figures = ", ".join(f"{key} {value:.4f}" for key, value in row.items() if key != "epoch")
            best = " *" if state.best is row else ""
            say(f"epoch {state.epoch:3d}: {figures}{best}  ({state.rows_per_second:,.0f} rows/s)")

        fit(model, dataset, settings.training, state, on_epoch)
        save_model(model, partial)
        _write_history(partial / "history.csv", state.history)
        write_json(
            partial / "training.json",
            {"epochs": state.epoch, "best_epoch": state.best["epoch"], state.score: state.best[state.score]},
        )
        (partial / _STATE).unlink(missing_ok=True)
        run.artifacts(partial)
    say(f"{out}: best epoch {state.best['epoch']:.0f} of {state.epoch}, {state.score} {state.best[state.score]:.4f}")


def _check_options(head: Head, ids: Ids, semantics: Path | None, semantic_model: Path | None) -> None:
    reads_classes = head == "solid" or ids != "item"
    if head == "solid" and ids == "semantic":
        raise SettingsError("solid scores items: choose --ids item or --ids both")
    if reads_classes and semantics is None:
        raise SettingsError("this model reads classes: name the output of assign with --semantics")
    if not reads_classes and semantics:
        raise SettingsError("this model reads items alone: leave out --semantics, or add --ids semantic or --ids both")
    if head != "solid" and semantic_model:
        raise SettingsError("--semantic-model is where solid starts; leave it out for other heads")


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"training.device {name}: {error}; use auto or cpu") from None


def _fingerprint(config: ModelConfig, settings: Settings, inputs: list[str]) -> str:
    decides = settings.training.model_dump(mode="json", exclude={"device", "threads"})
    versions = [__version__, torch.__version__]
    text = json.dumps([config.model_dump(mode="json"), decides, inputs, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
