"""Settings with which a chain of tests is soon done: what is searched is searched among few values, by few users."""

from __future__ import annotations

from typing import Any

from solid.settings.schema import CountingSettings

SEARCHES: dict[str, dict[str, Any]] = {
    "counting": {"users": 100}
    | {name: list(values[:2]) for name, values in CountingSettings() if isinstance(values, tuple)},
    "mixture": {"users": 100, "shares": [0.2, 0.5]},
}
