"""A toy head: a scale for each dimension."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head, Reading


class ToyHead(Head):
    """The state itself, scaled."""

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        self.scale = nn.Parameter(torch.full((widths[-1],), config.scales.scale))

    def forward(self, reading: Reading) -> Adapted:
        """Scale."""
        return Adapted(lambda states: states * self.scale)
