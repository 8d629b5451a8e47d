"""The static head: one set of weights for everybody."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from solid.models.config import ModelConfig
from solid.models.heads.base import Adapted, Head, Reading
from solid.models.layers import MLP


class StaticHead(Head):
    """In the released form an ordinary learned MLP, the same for every user; else nothing: the trunk as it is."""

    def __init__(self, widths: Sequence[int], config: ModelConfig, classes: Tensor | None) -> None:
        super().__init__(widths, config, classes)
        self.mlp = None if self.residual else MLP(*widths)

    def forward(self, reading: Reading) -> Adapted:
        """Give the MLP; the history plays no part."""
        return Adapted(self.mlp or _as_it_is)


def _as_it_is(x_RnI: Tensor) -> Tensor:
    return x_RnI
