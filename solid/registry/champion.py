"""The champion step: what a retraining takes over from the model in use, its settings and the profile of its data."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import yaml

from solid.errors import SettingsError, SolidError
from solid.kinds import MAKES_THE_MODEL
from solid.masking import masked
from solid.registry.aliases import champion_version
from solid.registry.version import PROFILE, SETTINGS_FILE, fetch_version
from solid.settings.loading import load_settings
from solid.settings.schema import Settings
from solid.storage.local import whole_folder, write_json
from solid.tracking import clear_errors, connect, tracking_is_on


def fetch_champion(
    settings: Settings,
    settings_of: Literal["champion", "params"],
    changes: dict[str, dict[str, Any]],
    out: Path,
    modalities: str = "",
) -> str:
    """Write champion.json, params.yaml with the settings to train with, and profile/ where there is a champion.

    The champion's word counts in the sections MAKES_THE_MODEL; data, protocol and thresholds are those of today.

    Args:
        settings: as they stand today.
        settings_of: whether the sections that make a model are the champion's or those of ``settings``. Where there is
            no champion they are those of ``settings``.
        changes: section -> key -> value, made to either.
        out: folder to write.
        modalities: what a pipeline is compiled for, with commas; the next model is trained for all of them. Empty: for
            those of the settings.

    Returns:
        What was found, in a sentence.

    Raises:
        SolidError: tracking is off, MLflow does not answer, or the champion's files are gone.
        SettingsError: this version does not know a setting of the champion, a change does not fit, or the settings are
            for a modality that the pipeline is not compiled for.
    """
    if not tracking_is_on():
        raise SolidError("SOLID_TRACKING=off: there is no champion without MLflow; unset it to look for one")
    name = settings.registry.name
    with tempfile.TemporaryDirectory() as scratch, clear_errors():
        client = connect()
        version = champion_version(client, name)
        kept = fetch_version(name, version, (SETTINGS_FILE, PROFILE), Path(scratch)) if version else None
        if version is None:
            said = f"{name} has no champion: the settings are those given"
        elif settings_of == "params":
            said = f"version {version} of {name} is champion: the settings are those given, not its own"
        else:
            assert kept is not None
            said = f"version {version} of {name} is champion: the settings are its own"
            settings = _take_over(settings, kept / SETTINGS_FILE, version)
        if changes:
            said += f", with changes to {', '.join(changes)}"
            settings = _change(settings, changes)
        if modalities:
            asked = "modalities" in changes.get("semantics", {})
            settings = _compiled_for(settings, modalities.split(","), said, exactly=asked)
        with whole_folder(out, holds="champion.json") as folder:
            write_json(
                folder / "champion.json", {"name": name, "version": version, "found": said, "new": _by_name(settings)}
            )
            text = yaml.safe_dump(masked(settings.model_dump(mode="json")), sort_keys=False)
            (folder / SETTINGS_FILE).write_text(text, encoding="utf-8")
            if kept:
                shutil.copytree(kept / "profile", folder / PROFILE)
    return said


def _take_over(today: Settings, made_with: Path, version: str) -> Settings:
    made = yaml.safe_load(made_with.read_text(encoding="utf-8"))
    # A section younger than the champion is today's.
    merged = today.model_dump(mode="json") | {name: made[name] for name in MAKES_THE_MODEL if name in made}
    try:
        return _validated(merged, made_with.with_name("merged.yaml"))
    except SettingsError as error:
        raise SettingsError(
            f"version {version}, the champion, was made with settings that this version of solid does not take; "
            f"train with today's, --settings-of params. {error}"
        ) from None


def _change(settings: Settings, changes: dict[str, dict[str, Any]]) -> Settings:
    values = settings.model_dump(mode="json")
    for section, keys in changes.items():
        if section not in MAKES_THE_MODEL or not isinstance(keys, dict):
            raise SettingsError(
                f"--changes: expected keys and values of {', '.join(MAKES_THE_MODEL)} by section, such as "
                f"{{training: {{seed: 1}}}}; {section} is none of them or has none"
            )
        values[section] |= keys
    with tempfile.TemporaryDirectory() as scratch:
        return _validated(values, Path(scratch, "changed.yaml"))


def _compiled_for(settings: Settings, modalities: list[str], said: str, *, exactly: bool) -> Settings:
    """The settings with all modalities that a pipeline has steps for, if these are among them."""
    wanted = settings.semantics.modalities
    if not set(wanted) <= set(modalities) or (exactly and set(wanted) != set(modalities)):
        raise SettingsError(
            f"{said}. They are for semantics.modalities [{', '.join(wanted)}], but this pipeline is compiled for "
            f"[{', '.join(modalities)}]: give --set 'semantics.modalities=[{','.join(wanted)}]' to solid-pipeline "
            "compile or run, or train with today's settings: --parameter settings_of=params"
        )
    return _change(settings, {"semantics": {"modalities": modalities}})


def _validated(values: dict[str, Any], place: Path) -> Settings:
    """Settings from plain values, with the messages that a file of settings gets."""
    place.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_settings(place)


def _by_name(settings: Settings) -> dict[str, Any]:
    """What makes the next model: the sections, and the choices and the list that a pipeline has steps by."""
    sections = settings.model_dump(mode="json", include=set(MAKES_THE_MODEL))
    return sections | {
        "backbone": settings.model.backbone,
        "generator": settings.fusion.generator,
        "modalities": list(settings.semantics.modalities),
    }
