"""A toy head that generates weights: every entry, as DUET's."""

from collections.abc import Sequence

from solid.models.config import ModelConfig
from solid.models.heads.generated import GeneratedHead
from solid.models.layers import FullRank, GeneratedLayers


class SpunHead(GeneratedHead):
    """Layers of full rank."""

    @staticmethod
    def layers(widths: Sequence[int], config: ModelConfig) -> GeneratedLayers:
        """What the generator makes."""
        return FullRank(widths)
