"""DUET and APG: the layers are generated from the history (method section 2).

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head
from solid.models.heads.generator import WeightGenerator
from solid.models.layers import FullRank, LowRank


class GeneratedHead(Head):
    """The layers are generated from the hidden states of the same history."""

    def __init__(self, widths: Sequence[int], config: ModelConfig) -> None:
        super().__init__(widths, config)
        self.generator = WeightGenerator(config.model.dim, generated_layers(config.head, widths, config))

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Generate the layers from ``hidden_BLD``."""
        return Adapted(self.generator.layers(self.generator(hidden_BLD, items_BL)))


def generated_layers(kind: str, widths: Sequence[int], config: ModelConfig) -> FullRank | LowRank:
    """What the weight generator of DUET or APG makes, for layers of these widths."""
    if kind == "duet":
        return FullRank(widths)
    assert config.apg is not None
    return LowRank(widths, config.apg.rank, config.apg.expansion)
