"""A model on disk: ``model.safetensors`` for the weights and ``config.json`` for what to build."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from solid.data.dataset import Dataset
from solid.errors import DataError
from solid.models.recommender import ModelConfig, Recommender
from solid.storage.local import read_json, write_json


def save_model(model: Recommender, folder: Path) -> None:
    """Write a model's weights and configuration into an existing folder."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(state))
    write_json(folder / "config.json", model.config.model_dump(mode="json"))


def load_model(folder: Path, *, fold: bool = True) -> Recommender:
    """Read a model that :func:`save_model` wrote, in evaluation mode, on the CPU.

    Args:
        folder: the model's.
        fold: whether to multiply out over-parameterised factors, which only training needs apart.

    Raises:
        DataError: a file is missing, broken or of another version of the model.
    """
    place = folder / "model.safetensors"
    try:
        config = ModelConfig.model_validate(read_json(folder / "config.json"))
        state = load_file(place)
        model = Recommender(config, state.get("class_of_item"))
        model.load_state_dict(state)
        if fold:
            model.fold()
    except FileNotFoundError:
        raise DataError(f"{place}: no such file; is {folder} the output of train?") from None
    except (ValidationError, SafetensorError, RuntimeError) as error:
        raise DataError(f"{folder}: not a model this version can read ({error}); train it again") from None
    return model.eval()


def load_model_of(dataset: Dataset, folder: Path) -> Recommender:
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


def validation_uauc(folder: Path) -> float:
    """The validation UAUC of the epoch whose weights a trained model has.

    Raises:
        DataError: the folder is no output of train, or its epoch was picked on the test users.
    """
    training = read_json(folder / "training.json")
    if "valid_uauc" not in training:
        raise DataError(
            f"{folder}: its epoch was picked on the test users (training.selection: test), so they cannot judge it; "
            "train it with training.selection: valid"
        )
    return float(training["valid_uauc"])
