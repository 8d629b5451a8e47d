"""Parameters of a pipeline: one for each section of settings and for what the pipeline fans out over; given ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from components.parameters import of_settings
from solid.errors import SettingsError
from solid.settings.schema import Settings
from solid.settings.strict_yaml import parse_yaml

_TYPES: dict[str, type | tuple[type, ...]] = {
    "STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": (int, float), "BOOLEAN": bool, "LIST": list, "STRUCT": dict,
}  # fmt: skip


def parameters(settings: Settings) -> dict[str, Any]:
    """Values of the parameters that stand for ``settings``."""
    values = {one.name: one.default for one in of_settings(settings).values()}
    return values | {"backbones": [settings.model.backbone]}


def given(pairs: Iterable[str], kinds: Mapping[str, str], pipeline: str) -> dict[str, Any]:
    """Arguments from texts NAME=VALUE of ``--parameter``; a value is YAML, but for a parameter that is a text.

    Args:
        pairs: the texts.
        kinds: parameter -> type, by its name in a compiled pipeline.
        pipeline: its name, for messages.

    Raises:
        SettingsError: there is no such parameter, or a value is not YAML or of another type.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise SettingsError(f"--parameter {pair}: write it as NAME=VALUE, for example backbones=[sasrec]")
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(kinds) or 'none'}"
            raise SettingsError(f"--parameter {pair}: pipeline {pipeline} has no such parameter; {hint}")
        kind = kinds[name]
        value = text if kind == "STRING" else parse_yaml(text, f"--parameter {pair}")
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise SettingsError(f"--parameter {pair}: expected a value of type {kind.lower().replace('_', ' ')}")
        values[name] = value
    return values


DEFAULTS = parameters(Settings())
