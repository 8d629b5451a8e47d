"""SASRec (Kang and McAuley, ICDM 2018) as the method uses it: one post-norm transformer layer.

Legend: B users, L history positions, D width.
"""

from __future__ import annotations

from torch import Tensor

from solid.models.backbones.base import Reading, Score
from solid.models.backbones.transformer import TransformerLayer
from solid.models.layers import HistoryEncoder, last_real, mask_of


class SASRec(TransformerLayer):
    """Hidden states to user state: self-attention read at the last real position.

    Only the last position asks, since only its output is used; that makes causal and full attention the same.
    """

    def read(self, reading: Reading, encoder: HistoryEncoder, score: Score) -> tuple[Tensor, dict[str, Tensor]]:
        """The user states [B, D]."""
        last_B1D = last_real(reading.hidden_BLD, reading.items_BL).unsqueeze(1)
        return self.attend(last_B1D, reading.hidden_BLD, mask_of(reading.items_BL)).squeeze(1), {}
