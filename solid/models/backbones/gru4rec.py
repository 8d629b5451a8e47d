"""GRU4Rec (Hidasi et al., ICLR 2016): a GRU over the hidden states.

Legend: B users, L history positions, R rows, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from solid.models.backbones.base import Backbone
from solid.models.layers import Rows
from solid.settings.schema import ModelSettings


class GRU4Rec(Backbone):
    """Hidden states to user states: the GRU's output, with a layer norm but for the released form."""

    def __init__(self, model: ModelSettings, n_items: int) -> None:
        super().__init__(model, n_items)
        between = model.dropout if model.layers > 1 else 0.0
        self.gru = nn.GRU(model.dim, model.dim, model.layers, batch_first=True, dropout=between)
        self.norm = nn.Identity() if self.released else nn.LayerNorm(model.dim)

    def states(self, hidden_BLD: Tensor, items_BL: Tensor, rows: Rows) -> Tensor:
        """The user states [R, D]."""
        state_RD: Tensor = self.norm(rows.of(self.gru(hidden_BLD)[0]))
        return state_RD
