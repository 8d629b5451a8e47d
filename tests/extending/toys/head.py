"""A toy head: a scale for each dimension."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head


class ToyHead(Head):
    """The state itself, scaled."""

    def __init__(self, widths: Sequence[int], config: ModelConfig) -> None:
        super().__init__(widths, config)
        self.scale = nn.Parameter(torch.ones(widths[-1]))

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Scale."""
        return Adapted(lambda states: states * self.scale)
