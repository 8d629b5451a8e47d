"""The champion step: what a retraining takes over from the model in use, its settings and the profile of its data."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml

from solid.config import load_settings
from solid.errors import SettingsError, SolidError
from solid.files import whole_folder, write_json
from solid.registry import SETTINGS_FILE, champion_version
from solid.tracking import clear_errors, connect, tracking_is_on

_MAKES_THE_MODEL = ("features", "semantics", "model", "training", "fusion")
"""The champion's word counts in these sections; data, protocol and thresholds are those of today."""


def fetch_champion(
    params: Path | None, overrides: Iterable[str], settings_of: Literal["champion", "params"], out: Path
) -> str:
    """Write champion.json, params.yaml with the settings to train with, and profile/ where the champion has one.

    Args:
        params: file of settings as they stand today.
        overrides: ``section.key=value``; they come last and win.
        settings_of: whether the sections that make a model are the champion's or those of ``params``. Where there is
            no champion they are those of ``params``.
        out: folder to write.

    Returns:
        What was found, in a sentence.

    Raises:
        SolidError: tracking is off, or MLflow does not answer.
        SettingsError: this version does not know a setting of the champion.
    """
    if not tracking_is_on():
        raise SolidError("SOLID_TRACKING=off: there is no champion without MLflow; unset it to look for one")
    given = list(overrides)
    settings = load_settings(params, given)
    name = settings.registry.name
    with tempfile.TemporaryDirectory() as scratch, clear_errors():
        client = connect()
        version = champion_version(client, name)
        kept = _artifacts(name, version, Path(scratch)) if version else None
        made_with = kept / SETTINGS_FILE if kept else None
        if version is None:
            said = f"{name} has no champion: the settings are those given"
        elif settings_of == "params":
            said = f"version {version} of {name} is champion: the settings are those given, not its own"
        elif made_with is None or not made_with.is_file():
            said = f"version {version} of {name} is champion, registered without its settings: they are those given"
        else:
            said = f"version {version} of {name} is champion: the settings are its own"
            settings = _merge(load_settings(params).model_dump(mode="json"), made_with, given, version)
        modality, *others = settings.semantics.modalities
        if others:
            raise SettingsError(
                f"a retraining makes one model, and semantics.modalities lists {1 + len(others)}; "
                f"choose one with --set 'semantics.modalities=[{modality}]'"
            )
        with whole_folder(out, holds="champion.json") as folder:
            write_json(folder / "champion.json", {"name": name, "version": version, "settings": said})
            text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
            (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
            if kept and (kept / "profile").is_dir():
                shutil.copytree(kept / "profile", folder / "profile")
    return said


def _artifacts(name: str, version: str, scratch: Path) -> Path:
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(scratch)), "artifacts")


def _merge(today: dict[str, Any], made_with: Path, overrides: list[str], version: str) -> Any:
    made = yaml.safe_load(made_with.read_text(encoding="utf-8"))
    merged = made_with.with_name("merged.yaml")
    merged.write_text(
        yaml.safe_dump(today | {section: made[section] for section in _MAKES_THE_MODEL}), encoding="utf-8"
    )
    try:
        return load_settings(merged, overrides)
    except SettingsError as error:
        raise SettingsError(
            f"version {version}, the champion, was made with settings that this version of solid does not take; "
            f"train with today's, --settings-of params. {error}"
        ) from None
