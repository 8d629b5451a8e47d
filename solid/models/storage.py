"""A model on disk: ``model.safetensors`` for the weights and ``config.json`` for what to build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.kinds import HEADS
from solid.models.config import BaseConfig
from solid.models.protocols import Model
from solid.storage.local import read_json, write_json

Config = TypeVar("Config", bound=BaseConfig)


def write_model(folder: Path, config: BaseConfig, state: Mapping[str, Tensor]) -> None:
    """Write a model's tensors and configuration into an existing folder."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    (folder / "model.safetensors").write_bytes(save(tensors))
    write_json(folder / "config.json", config.model_dump(mode="json"))


def read_model(folder: Path, config: type[Config]) -> tuple[Config, dict[str, Tensor]]:
    """Read what :func:`write_model` wrote; call it inside :func:`reading_model`."""
    place = folder / "model.safetensors"
    if not place.is_file():
        raise DataError(f"{place}: no such file; is {folder} the output of train?")
    return config.model_validate(read_json(folder / "config.json")), load_file(place)


@contextmanager
def reading_model(folder: Path) -> Iterator[None]:
    """Say what is wrong with a model folder that cannot be read, and what to do.

    Raises:
        DataError: a file is missing, broken or of another version of the model.
    """
    try:
        yield
    except (ValidationError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{folder}: not a model this version can read ({error}); train it again") from None


def load_model(folder: Path) -> Model:
    """Read a trained model of any kind, on the CPU and ready to score.

    Raises:
        DataError: a file is missing, broken or of another version of the model.
    """
    head = read_json(folder / "config.json").get("head")
    if head not in HEADS:
        raise DataError(f"{folder}: no head {head!r} is known to this version; train it again")
    model: Model = HEADS[head].load_model().load(folder)
    return model


def load_model_of(dataset: Dataset, folder: Path) -> Model:
    """Read a model as :func:`load_model` does, and make sure that it was trained on these data.

    Raises:
        DataError: it cannot be read, or was trained on other data.
    """
    model = load_model(folder)
    if (model.config.digest, model.config.n_items) != (dataset.stats["digest"], dataset.n_items):
        raise DataError(
            f"{folder}: trained on {model.config.n_items:,} items of data {model.config.digest!r}, but the prepared "
            f"data has {dataset.n_items:,} items of {dataset.stats['digest']!r}; train it again on this data"
        )
    return model
