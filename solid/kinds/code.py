"""Code by its name, imported when it is wanted."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(code: str) -> Any:
    """What stands at module:name."""
    module, name = code.split(":")
    return getattr(import_module(module), name)
