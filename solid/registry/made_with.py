"""The settings that made a model: what its own folder says of them, and the settings at hand for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from solid.errors import DataError, SettingsError
from solid.masking import masked
from solid.models.config import BaseConfig
from solid.settings.fields import AUTO
from solid.settings.schema import Settings
from solid.storage.local import read_json


def settings_of(model: Path, config: BaseConfig, settings: Settings) -> dict[str, Any]:
    """The settings that made a model, as params.yaml holds them, for whoever retrains it.

    Its folder is the witness for every section that its head reads. Features and classes were made before, by the
    settings at hand; so these have to agree with the witness, or they are not those of the model.

    Args:
        model: output of train.
        config: its config.json.
        settings: that the model is said to have been made with.

    Raises:
        SettingsError: the settings at hand are not those that the model was trained with.
        DataError: the model does not say how it was trained.
    """
    training = read_json(model / "training.json")
    if "settings" not in training:
        raise DataError(f"{model}: does not say how it was trained, for an older version wrote it; train it again")
    made: dict[str, Any] = masked(settings.model_dump(mode="json"))
    differ = [
        (f"{section}.{key}", value, made[section].get(key))
        for section, keys in training["settings"].items()
        for key, value in keys.items()
        if made[section].get(key) != value
    ]
    if differ:
        found = "".join(f"\n  {key}: {_text(trained)}, but {_text(given)} is given" for key, trained, given in differ)
        remedy = " ".join(f"--set {key}={_text(trained)}" for key, trained, _ in differ)
        raise SettingsError(
            f"{model}: trained with other settings than those given, which a retraining would take over:{found}\n"
            f"Give those that it was made with: {remedy}"
        )
    if (modality := config.about.get("modality", "none")) != "none":
        # Of the modalities of its run the one that it reads; auto comes to the same again.
        auto = modality not in settings.semantics.modalities and AUTO in settings.semantics.modalities
        made["semantics"]["modalities"] = [AUTO if auto else modality]
    return made


def _text(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("\n...\n").strip()
