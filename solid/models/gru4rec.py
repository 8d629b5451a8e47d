"""GRU4Rec (Hidasi et al., ICLR 2016) as the method uses it: one GRU layer over the hidden states.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from solid.models.layers import last_real


class GRU4Rec(nn.Module):
    """Hidden states to user state: the GRU's output at the last real position."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor) -> Tensor:
        """Return the user state [B, D]."""
        return last_real(self.gru(hidden_BLD)[0], items_BL)
