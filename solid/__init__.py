"""SOLID: semantic codebook learning for dynamic recommendation models (ACM MM 2024).

From Python: ``from solid import Recommender, sample_frames``. From a shell: ``solid --help``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solid.interface.recommender import Recommender
    from solid.interface.sample import sample_frames

__version__ = "0.1.0"
__all__ = ["Recommender", "__version__", "sample_frames"]

_ELSEWHERE = {"Recommender": "solid.interface.recommender", "sample_frames": "solid.interface.sample"}


def __getattr__(name: str) -> Any:
    # Imported when it is asked for, so that a command's help need not wait for it.
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'solid' has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE[name]), name)
