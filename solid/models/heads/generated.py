"""Heads whose layers are generated from the history: what DUET and APG share (method section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head, Reading, added
from solid.models.heads.generator import WeightGenerator
from solid.models.layers import GeneratedLayers


class GeneratedHead(Head):
    """The layers are generated from the hidden states of the same history."""

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        self.generator = WeightGenerator(config.model.dim, self.layers(widths, config), from_zero=self.residual)

    @staticmethod
    def layers(widths: Sequence[int], config: ModelConfig) -> GeneratedLayers:
        """What the generator makes, for layers of these widths: of this head, and of SOLID on it."""
        raise NotImplementedError

    def forward(self, reading: Reading) -> Adapted:
        """Generate the layers from the hidden states."""
        layers = self.generator.layers(self.generator(reading.hidden_BLD, reading.rows))
        return Adapted(added(layers) if self.residual else layers)
