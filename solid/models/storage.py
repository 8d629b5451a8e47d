"""A model on disk: ``model.safetensors`` for the weights and ``config.json`` for what to build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.kinds import HEADS
from solid.models.protocols import Model
from solid.settings.fields import AUTO
from solid.storage.local import read_json, write_json


def save_model(folder: Path, model: Model) -> None:
    """Write a model's tensors and configuration into an existing folder."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(tensors))
    write_json(folder / "config.json", model.config.model_dump(mode="json"))


def load_model(folder: Path, *, fold: bool = True) -> Model:
    """Read a trained model of any kind, on the CPU and ready to score.

    Args:
        folder: output of train.
        fold: see :meth:`~solid.models.protocols.Model.restore`.

    Raises:
        DataError: a file is missing, broken or of another version of the model.
    """
    place, config = folder / "model.safetensors", read_json(folder / "config.json")
    if not place.is_file():
        raise DataError(f"{place}: no such file; is {folder} the output of train?")
    head = config.get("head")
    if head not in HEADS:
        raise DataError(f"{folder}: no head {head!r} is known to this version; train it again")
    try:
        tensors = load_file(place)
        _check_weights(place, tensors)
        model: Model = HEADS[head].load_model().restore(config, dict(tensors), fold=fold)
    except (ValidationError, SafetensorError, RuntimeError, KeyError) as error:
        raise DataError(f"{folder}: not a model this version can read ({error}); train it again") from None
    for name, tensor in model.state_dict().items():
        if name in tensors and tensors[name].dtype != tensor.dtype:  # it would be taken, rounded or not
            raise DataError(f"{place}: {name} is {tensors[name].dtype}, not {tensor.dtype}; train it again")
    return model


def _check_weights(place: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype in (torch.float16, torch.bfloat16):
            raise DataError(f"{place}: {name} is {tensor.dtype}, not {torch.float32}; train it again")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise DataError(f"{place}: {name} holds values that are no numbers; train it again")


def named(models: Mapping[str, Path]) -> dict[str, Path]:
    """The same models, those that were named after the modality ``auto`` after what it came to.

    Raises:
        DataError: two have the same name then.
    """
    found: dict[str, Path] = {}
    for name, folder in models.items():
        before, _, last = name.rpartition(" ")
        if last == AUTO and (modality := read_json(folder / "config.json").get("modality")):
            name = f"{before} {modality}".strip()
        if name in found:
            raise DataError(f"{folder} and {found[name]}: both are {name}; leave one out of semantics.modalities")
        found[name] = folder
    return found


def load_model_of(dataset: Dataset, folder: Path, *, fold: bool = True) -> Model:
    """Read a model as :func:`load_model` does, and make sure that it was trained on these data.

    Raises:
        DataError: it cannot be read, or was trained on other data.
    """
    model = load_model(folder, fold=fold)
    check_trained_on(dataset, model, str(folder))
    return model


def check_trained_on(dataset: Dataset, model: Model, place: str) -> None:
    """Check that a model, which came from some place, was trained on these data.

    Raises:
        DataError: it was trained on others.
    """
    if (model.config.digest, model.config.n_items) != (dataset.stats["digest"], dataset.n_items):
        raise DataError(
            f"{place}: trained on {model.config.n_items:,} items of data {model.config.digest!r}, but the prepared "
            f"data has {dataset.n_items:,} items of {dataset.stats['digest']!r}; train it again on this data"
        )
