"""A toy backbone: the mean of what was touched."""

from torch import Tensor

from solid.models.backbones.base import Backbone, Reading, Score
from solid.models.layers import HistoryEncoder, mask_of


class ToyBackbone(Backbone):
    """Hidden states to user state: their mean."""

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[Tensor, dict[str, Tensor]]:
        """The user states [B, D]."""
        real_BL1 = mask_of(reading.items_BL).unsqueeze(2)
        return (reading.hidden_BLD * real_BL1).sum(1) / real_BL1.sum(1).clamp(min=1), {}
