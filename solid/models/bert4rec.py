"""BERT4Rec (Sun et al., CIKM 2019) as the method uses it: one bidirectional transformer layer and a mask token.

The mask stands at the position after the last item, and the user state is read there: the paper's own way to predict
the next item. Training hides some items of the history, too, and asks for them (the Cloze task): without it the
layer would only ever learn what the last position needs, and looking in both directions would mean nothing.

Legend: B users, L history positions, D width, M hidden positions of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from solid.models.layers import HistoryEncoder
from solid.models.transformer import TransformerLayer


class BERT4Rec(TransformerLayer):
    """Hidden states to user state: bidirectional attention read at the masked next position.

    The mask takes one of the L positions, as in the paper, so a full history goes without its oldest item.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__(dim, heads, dropout)
        self.mask = nn.Parameter(torch.randn(dim) * dim**-0.5)

    @staticmethod
    def make_room(items_BL: Tensor, length: int) -> Tensor:
        """The histories with at least one position left for the mask: full ones of ``length`` L lose their oldest."""
        if items_BL.shape[1] < length:
            return items_BL
        full_B1 = items_BL[:, -1:].ne(0)
        return torch.where(full_B1, items_BL[:, 1:], items_BL[:, :-1])

    def forward(self, hidden_BLD: Tensor, items_BL: Tensor, history: HistoryEncoder) -> Tensor:
        """Return the user state [B, D]."""
        x_BLD, mask_B1D, real_BL = self._with_mask(hidden_BLD, items_BL, history)
        return self.attend(mask_B1D, x_BLD, real_BL).squeeze(1)

    def hide(self, hidden_BLD: Tensor, hide_BL: Tensor, history: HistoryEncoder) -> Tensor:
        """The hidden states with the mask's at the positions to hide."""
        masks_LD = history.hidden(self.mask + history.position[: hide_BL.shape[1]])
        return torch.where(hide_BL.unsqueeze(2), masks_LD, hidden_BLD)

    def cloze(
        self, hidden_BLD: Tensor, items_BL: Tensor, hide_BL: Tensor, history: HistoryEncoder
    ) -> tuple[Tensor, Tensor]:
        """The user state [B, D] and the states [M, D] of the hidden positions, all of which see what was not hidden."""
        x_BLD, mask_B1D, real_BL = self._with_mask(hidden_BLD, items_BL, history)
        states_BLD = self.attend(torch.cat([mask_B1D, hidden_BLD], dim=1), x_BLD, real_BL)
        return states_BLD[:, 0], states_BLD[:, 1:][hide_BL]

    def _with_mask(
        self, hidden_BLD: Tensor, items_BL: Tensor, history: HistoryEncoder
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states with the mask's appended, that state [B, 1, D], and which of all are real.

        Attention knows no order but that of the positions in the states, so the mask may stand at the end.
        """
        mask_B1D = history.hidden(self.mask + history.position[items_BL.ne(0).sum(1)]).unsqueeze(1)
        real_BL = torch.cat([items_BL.ne(0), torch.ones_like(items_BL[:, :1], dtype=torch.bool)], dim=1)
        return torch.cat([hidden_BLD, mask_B1D], dim=1), mask_B1D, real_BL
