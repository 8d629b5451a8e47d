"""DUET: every entry of the layers is generated (method section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from solid.models.config import ModelConfig
from solid.models.heads.generated import GeneratedHead
from solid.models.layers import FullRank


class DuetHead(GeneratedHead):
    """Layers of full rank."""

    @staticmethod
    def layers(widths: Sequence[int], config: ModelConfig) -> FullRank:  # noqa: ARG004
        """What the generator makes."""
        return FullRank(widths)
