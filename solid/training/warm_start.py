"""Where SOLID starts: what the item model and the semantic model learned before it."""

from __future__ import annotations

from solid.errors import DataError
from solid.models import Recommender
from solid.models.heads import DuetHead, SolidHead


def warm_start(model: Recommender, item_model: Recommender | None, semantic_model: Recommender | None) -> None:
    """Copy into a fresh SOLID model what was learned before it."""
