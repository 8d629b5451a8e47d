"""The static head: one set of weights for everybody.

Legend: B users, L history positions.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head
from solid.models.layers import MLP


class StaticHead(Head):
    """An ordinary learned MLP, the same for every user."""

    def __init__(self, widths: Sequence[int], config: ModelConfig) -> None:
        super().__init__(widths, config)
        self.mlp = MLP(*widths)

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, classes_BL: Tensor | None) -> Adapted:
        """Give the MLP; the history plays no part."""
        return Adapted(self.mlp)
