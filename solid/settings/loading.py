"""From a file and overrides to validated settings, with a word for every fault."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from solid.errors import SettingsError
from solid.settings.schema import Settings
from solid.settings.strict_yaml import parse_yaml, read_mapping


def load_settings(path: Path | None = None, overrides: Iterable[str] = ()) -> Settings:
    """Read settings from a YAML file and apply ``section.key=value`` overrides (values are YAML, and JSON is YAML).

    ``section={key: value, ...}`` overrides several keys at once.

    Without a path, ``params.yaml`` of the current folder is read if there is one.

    Raises:
        SettingsError: the file is missing or not YAML, or a key or value does not fit; every fault is named.
    """
    place = path or Path("params.yaml")
    values: dict[str, Any] = {}
    if place.is_file():
        values = read_mapping(place, "sections such as 'training:'")
    elif path is not None:
        raise SettingsError(f"{path}: no such settings file")
    # A section whose keys are all left out, or commented out, is None to YAML.
    values = {section: {} if keys is None else keys for section, keys in values.items()}
    return validated(with_overrides(values, overrides))


def with_overrides(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Apply ``section.key=value`` overrides (values are YAML) to sections of settings, in place; return them.

    Raises:
        SettingsError: an override is not written that way, or its value is not YAML.
    """
    for override in overrides:
        name, equals, text = override.partition("=")
        section, dot, key = name.strip().partition(".")
        value = parse_yaml(text, f"--set {override}")
        if not dot and isinstance(value, dict):  # some or all keys of a section
            changes = value
        elif equals and dot:
            changes = {key: value}
        else:
            raise SettingsError(f"--set {override}: write it as section.key=value, for example training.seed=1")
        keys = values.setdefault(section, {})
        if isinstance(keys, dict):
            keys.update(changes)
    return values


def validated(values: dict[str, Any]) -> Settings:
    """Settings from sections of keys.

    Raises:
        SettingsError: a key or value does not fit; every fault is named.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        # Below section and key, the place counts the entries of a list, or tells the alternatives of a union apart.
        found = faults(error, Settings, depth=2)
        raise SettingsError("settings do not fit:" + "".join(f"\n  {fault}" for fault in found)) from None


def faults(error: ValidationError, root: type[BaseModel], depth: int | None = None) -> list[str]:
    """One line for each value that does not fit: its key, what is expected, what was given.

    Args:
        error: what pydantic found.
        root: the model that was to be made.
        depth: how many parts of a value's place make its key; None: all.
    """
    expected: dict[tuple[str, str], list[str]] = {}
    for fault in error.errors():
        key, kind, message = ".".join(map(str, fault["loc"][:depth])), fault["type"], fault["msg"]
        given = f" (given {fault['input']!r})"
        if kind == "extra_forbidden":
            message, given = f"unknown key; known here: {', '.join(_keys(root, fault['loc'][:-1]))}", ""
        elif kind == "missing":
            message, given = "is missing", ""
        elif kind == "model_type":
            message = "expected a section, with its keys indented below it"
        elif kind == "value_error":  # from a validator of the model
            message, given = str(fault["ctx"]["error"]), ""
        expected.setdefault((key, given), []).append(message)
    return [
        ": ".join(filter(None, [key, f"{'; or '.join(messages)}{given}"]))
        for (key, given), messages in expected.items()
    ]


def _keys(root: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys of the section at this place below a model; entries of a list or a mapping are sections alike."""
    section: Any = root
    for part in place:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:
            section = next(entry for entry in get_args(section) if entry not in (str, ...))
    return list(section.model_fields)
