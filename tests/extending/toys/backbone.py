"""A toy backbone: the mean of what was touched."""

from torch import Tensor

from solid.models.backbones.base import Backbone
from solid.models.layers import Rows


class ToyBackbone(Backbone):
    """Hidden states to user states: their mean up to each row."""

    def states(self, hidden_BLD: Tensor, items_BL: Tensor, rows: Rows) -> Tensor:
        """The user states [R, D]."""
        return rows.of(hidden_BLD.cumsum(1)) / (rows.position_R + 1).unsqueeze(1)
