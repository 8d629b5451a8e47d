"""DUET and APG: the layers are generated from the history (method section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head, Reading, added
from solid.models.heads.generator import WeightGenerator
from solid.models.layers import FullRank, LowRank


class GeneratedHead(Head):
    """The layers are generated from the hidden states of the same history."""

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        layers = generated_layers(config.head, widths, config)
        self.generator = WeightGenerator(config.model.dim, layers, from_zero=self.residual)

    def forward(self, reading: Reading) -> Adapted:
        """Generate the layers from the hidden states."""
        layers = self.generator.layers(self.generator(reading.hidden_BLD, reading.rows))
        return Adapted(added(layers) if self.residual else layers)


def generated_layers(kind: str, widths: Sequence[int], config: ModelConfig) -> FullRank | LowRank:
    """What the weight generator of DUET or APG makes, for layers of these widths."""
    if kind == "duet":
        return FullRank(widths)
    assert config.apg is not None
    return LowRank(widths, config.apg.rank, config.apg.expansion)
