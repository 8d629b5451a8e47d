"""APG: the core of a low-rank product is generated, its other factors are learned (method section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from solid.models.config import ModelConfig
from solid.models.heads.generated import GeneratedHead
from solid.models.layers import LowRank


class ApgHead(GeneratedHead):
    """Layers of low rank."""

    @staticmethod
    def layers(widths: Sequence[int], config: ModelConfig) -> LowRank:
        """What the generator makes."""
        return LowRank(widths, config.apg.rank, config.apg.expansion)
