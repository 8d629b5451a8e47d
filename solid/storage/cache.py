"""The folder of this user's copies and notes, which SOLID_CACHE names (default: ``solid`` in the user's cache folder).

All of it can be removed at any time that no step runs.
"""

from __future__ import annotations

import os
from pathlib import Path

from solid.errors import SettingsError


def cache(kind: str) -> Path:
    """The folder for one kind of things, made if need be.

    Raises:
        SettingsError: it cannot be made, such as for a user without a home.
    """
    default = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(os.environ.get("SOLID_CACHE") or f"{default}/solid").expanduser().absolute() / kind
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        raise SettingsError(f"no folder for copies of S3 and notes: {error}; name one with SOLID_CACHE") from None
    return folder
