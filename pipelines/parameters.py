"""Parameters of a pipeline: one for each section of settings and for each choice; given ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from components.parameters import of_settings
from solid.chain import CHOICES, EACH
from solid.errors import SettingsError
from solid.masking import public
from solid.settings.loading import validated
from solid.settings.schema import Settings
from solid.settings.strict_yaml import parse_yaml

_TYPES: dict[str, type | tuple[type, ...]] = {
    "STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": (int, float), "BOOLEAN": bool, "LIST": list, "STRUCT": dict,
}  # fmt: skip


def parameters(settings: Settings) -> dict[str, Any]:
    """Values of the parameters that stand for ``settings``.

    Raises:
        SettingsError: the address of the data holds a secret, which a compiled pipeline would show.
    """
    if "://" in settings.data.source and public(settings.data.source) != settings.data.source:
        raise SettingsError(
            f"data.source {public(settings.data.source)}: holds a password or a signature, which everybody who sees "
            "the pipeline would see; put the data into S3 (solid copy), or at an address without"
        )
    return {one.name: one.default for one in of_settings(settings).values()}


def given(pairs: Iterable[str], kinds: Mapping[str, str], pipeline: str) -> dict[str, Any]:
    """Arguments from texts NAME=VALUE of ``--parameter``; a value is YAML, but for a parameter that is a text.

    Args:
        pairs: the texts.
        kinds: parameter -> type, by its name in a compiled pipeline.
        pipeline: its name, for messages.

    Raises:
        SettingsError: there is no such parameter, a value is not YAML or of another type, or names what a pipeline is
            compiled for.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise SettingsError(f"--parameter {pair}: write it as NAME=VALUE, for example backbone=sasrec")
        if name not in kinds:
            _refuse_lists(pair, {place for place in EACH if place.endswith(f".{name}")})
            close = difflib.get_close_matches(name, kinds, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(kinds) or 'none'}"
            raise SettingsError(f"--parameter {pair}: pipeline {pipeline} has no such parameter; {hint}")
        kind = kinds[name]
        value = text if kind == "STRING" else parse_yaml(text, f"--parameter {pair}")
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise SettingsError(f"--parameter {pair}: expected a value of type {kind.lower().replace('_', ' ')}")
        if isinstance(value, dict):
            _refuse_lists(pair, {f"{name}.{key}" for key in value} & EACH.keys())
        values[name] = value
    return values


def check(values: Mapping[str, Any]) -> None:
    """Refuse at once what a step would refuse only in its turn.

    Args:
        values: of all parameters of a run.

    Raises:
        SettingsError: a section, a choice or a change does not fit; every fault is named.
    """
    sections = {name: dict(values[name]) for name in Settings.model_fields if name in values}
    for place in CHOICES:
        section, _, key = place.partition(".")
        if key in values:
            sections.setdefault(section, {})[key] = values[key]
    validated(sections)
    validated(dict(values.get("changes", {})))


def _refuse_lists(pair: str, places: set[str]) -> None:
    """Say how to give a list that a pipeline is compiled for, where a parameter names one."""
    for place in sorted(places):
        raise SettingsError(
            f"--parameter {pair}: a pipeline is compiled with a step for each of {place}, which no run can change; "
            f"compile (or run) it with --set '{place}=[...]'"
        )
