"""A model on disk: ``model.safetensors`` for the weights and ``config.json`` for what to build."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from solid.errors import DataError
from solid.files import read_json, write_json
from solid.models.recommender import ModelConfig, Recommender


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
