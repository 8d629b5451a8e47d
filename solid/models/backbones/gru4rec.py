"""GRU4Rec (Hidasi et al., ICLR 2016) as the method uses it: one GRU layer over the hidden states.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from solid.models.backbones.base import Backbone, Reading, Score
from solid.models.layers import HistoryEncoder, last_real
from solid.settings.schema import ModelSettings


class GRU4Rec(Backbone):
    """Hidden states to user state: the GRU's output at the last real position."""

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        self.gru = nn.GRU(model.dim, model.dim, batch_first=True)

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[Tensor, dict[str, Tensor]]:
        """The user states [B, D]."""
        return last_real(self.gru(reading.hidden_BLD)[0], reading.items_BL), {}
